"""The operator who looks after runs: starts some, approves or cancels what is held, undoes what is over.

Their ids are not known before, so that these commands are no part of the stream.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from random import Random
from typing import Any, Final

from tests.chaos.operators import TOUCHED
from tests.chaos.poison import dump
from tests.chaos.stream import Planned
from tests.support.model_runs import OVER

Row = dict[str, Any]
STARTED: Final = 0.15
"""Looks at which a check is started."""
UNDONE: Final = 0.6
"""Of the runs that changed anything."""
CANCELLED: Final = 0.15
APPROVED: Final = 0.7
HELD_ON: Final = 0.5


class Overseer:
    """Decides by what the runs are like; each run is dealt with once in a state."""

    def __init__(self, rng: Random, clock: Callable[[], datetime]) -> None:
        """Commands are given at the time of the clock."""
        self._rng = rng
        self._clock = clock
        self._seen: set[tuple[str, str]] = set()
        self.given: Counter[str] = Counter()
        """Commands by name."""

    def look(self, runs: Sequence[Row]) -> list[Planned]:
        """What to command now."""
        commands = [self._command(command, run) for run in runs if (command := self._decide(run)) is not None]
        if self._rng.random() < STARTED:
            commands.append(self.check(self._rng.choice(TOUCHED)))
        return commands

    def check(self, group: str) -> Planned:
        """A check of all clients."""
        return self._planned({"command": "start-check", "group": group})

    def approve_all(self, runs: Sequence[Row]) -> list[Planned]:
        """Whatever is held may go on."""
        held = [run for run in runs if run["state"] == "held" and self._is_new(run, "approved in the end")]
        return [self._command("approve-run", run) for run in held]

    def _decide(self, run: Row) -> str | None:
        state = "over" if run["state"] in OVER else run["state"]
        if not self._is_new(run, state):
            return None
        luck = self._rng.random()
        if state == "running":
            return "cancel-run" if luck < CANCELLED and run["kind"] != "delete" else None
        if state == "held":
            return (
                "approve-run" if luck < APPROVED else "cancel-run" if self._rng.random() < HELD_ON else None
            )
        if run["kind"] in {"schedule", "forced", "undo"} and run["joined"] + run["left"] and luck < UNDONE:
            return "undo-run"
        return None

    def _is_new(self, run: Row, state: str) -> bool:
        new = (run["run_id"], state) not in self._seen
        self._seen.add((run["run_id"], state))
        return new

    def _command(self, command: str, run: Row) -> Planned:
        return self._planned({"command": command, "run_id": run["run_id"], "actor": "overseer"})

    def _planned(self, body: Row) -> Planned:
        self.given[body["command"]] += 1
        now = int(self._clock().timestamp() * 1000)
        return Planned("group-commands", b"overseer", dump(body), (), now)
