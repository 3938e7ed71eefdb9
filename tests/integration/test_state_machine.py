"""Random events and commands, step by step, on a real database and on the plain model: they stay the same.

STATE_MACHINE_EXAMPLES in the environment gives another number of examples, drawn anew at each run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.support import strategies_wire as wire
from tests.support.side_by_side import EXAMPLES, SideBySide, profile
from tests.support.strategies_wire import Said

PROFILE: Final = profile(14, stateful_step_count=12)
SECONDS: Final = 10
"""Between two steps."""


class Machine(RuleBasedStateMachine):
    """A worker and the model. Every rule ends by comparing the two."""

    new_database: Callable[[], AbstractContextManager[str]]

    def __init__(self) -> None:
        super().__init__()
        self._exits = ExitStack()
        self._runner = self._exits.enter_context(asyncio.Runner())
        self._both = SideBySide(self._exits.enter_context(self.new_database()))
        self._runner.run(self._both.start())

    def teardown(self) -> None:
        self._runner.run(self._both.stop())
        self._exits.close()

    @initialize(groups=wire.all_groups)
    def begin(self, groups: list[Said]) -> None:
        for provider in wire.PROVIDERS:
            said = {"changed_at": -1, "name": provider, "authorization_methods": ["google", "phone"]}
            self._take(("provider-changed", {"provider_id": provider, "active": True, **said}))
        for group in groups:
            self._take(group)
        for client in wire.CLIENTS:
            said = {"registered_at": -1, "country": "DE"}
            self._take(("client-registered", {"client_id": client, **said}))

    @rule(records=st.lists(st.tuples(wire.records, wire.minutes), min_size=8, max_size=16))
    def one_by_one(self, records: list[tuple[Said, int]]) -> None:
        for said, minute in records:
            self._take(said, minute=minute)

    @rule(events=st.lists(wire.events, min_size=2, max_size=6))
    def as_one_batch(self, events: list[Said]) -> None:
        self._take(*events)

    @rule(group=wire.start_check, steps=st.integers(0, 4))
    def start_check(self, group: Said, steps: int) -> None:
        self._take(group)
        self._go_on(steps)

    @rule(about=wire.about_runs, steps=st.integers(0, 4))
    def command_about_a_run(self, about: tuple[str, int], steps: int) -> None:
        command, age = about
        run_ids = list(reversed(self._both.model.runs.all))
        run_id = run_ids[age] if age < len(run_ids) else "nothing"
        self._take(("group-commands", {"command": command, "run_id": run_id}))
        self._go_on(steps)

    @rule()
    def runs_end(self) -> None:
        self._runner.run(self._both.run_all())

    def _go_on(self, steps: int) -> None:
        for _ in range(steps):
            self._runner.run(self._both.run_step())

    @rule(minutes=st.integers(1, 4), restart=st.booleans())
    def time_passes(self, minutes: int, restart: bool) -> None:
        if restart:
            self._runner.run(self._both.stop())
            self._runner.run(self._both.start())
        self._runner.run(self._both.pass_time(60 * minutes))

    def _take(self, *said: Said, minute: int = 0) -> None:
        self._runner.run(self._both.pass_time(SECONDS))
        self._runner.run(self._both.take(*said, minute=minute))


@pytest.mark.timeout(0 if EXAMPLES else 450)  # a failure is made small for 300 s at the most
def test_the_worker_does_what_the_model_does(
    new_database: Callable[[], AbstractContextManager[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each client is a step of a run of its own, so that others come in between.
    for module in ("db.runs", "db.leaves"):
        monkeypatch.setattr(f"{module}.CHUNK", 1)
    monkeypatch.setattr("db.runs.RANGE", 2)

    class Here(Machine):
        pass

    Here.new_database = staticmethod(new_database)
    run_state_machine_as_test(Here, settings=PROFILE)
