"""The transactions of runs, folded into the model in the order of the log.

A check reads its clients without locking them, so that an event may pass between the reading and the place
in the log. For whom it does something it locks, and that is held to the model as it is at that place. Whom it
passes by must be somebody for whom it had nothing to do, unless something happened to that client since the
run was planned.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tests.support.model_runs import CHECKS, ModelRun

if TYPE_CHECKING:
    from tests.support.model import Model

Row = dict[str, Any]
Effects = Mapping[str, dict[str, str]]
"""Client -> group -> `join` or `leave`."""


class StepError(Exception):
    """A run did what it should not, or not what it should."""


@dataclass(frozen=True)
class Note:
    """A row that a transaction wrote."""

    source: str
    operation: str
    was: Row
    now: Row

    @classmethod
    def of(cls, row: Row) -> Note:
        """From the table of notes."""
        was, now = (json.loads(row[name] or "{}") for name in ("was", "now"))
        return cls(row["source"], row["operation"], was, now)


class Steps:
    """Takes one transaction after another."""

    def __init__(self, model: Model) -> None:
        """The model is that of all the rest, too."""
        self._model = model
        self._open: defaultdict[str, set[int]] = defaultdict(set)
        """Run -> the numbers of its chunks to be done."""
        self._planned: dict[str, int] = {}
        self._touched: dict[str, int] = {}
        self._number = 0

    def touch(self, clients: Sequence[str]) -> None:
        """Something happens to these in this transaction."""
        self._touched.update(dict.fromkeys(clients, self._number))

    def take(self, notes: Sequence[Note], history: Sequence[Row], *, records: bool) -> None:
        """What a transaction noted, and the changes that it made; `records`: of a command or of events."""
        self._number += 1
        self.touch([row["client_id"] for row in history])
        done = [note for note in notes if (note.source, note.operation) == ("run_chunks", "DELETE")]
        told = {note.now["run_id"]: note for note in notes if note.source == "runs"}
        for run_id, note in told.items():
            if note.operation == "INSERT" and not records:
                self._begin(note.now)
            elif note.now["planned"] and run_id not in self._planned and run_id in self._model.runs.all:
                self._plan(note.now, notes)
        added = [note for note in notes if (note.source, note.operation) == ("run_chunks", "INSERT")]
        left = {(note.now["run_id"], note.now["number"]): note.now for note in added}
        for note in done:
            if note.was["run_id"] in told:  # else it is what was left of a run that is over
                rest = left.get((note.was["run_id"], note.was["number"]))
                self._do(note.was if rest is None else _without(note.was, rest), notes, history)
                if rest is None and not self._open[note.was["run_id"]]:
                    self._model.runs.come_through(note.was["run_id"])
        for run_id, number in left:
            self._open[run_id].add(number)

    def compare(self, notes: Sequence[Note]) -> None:
        """After the transaction the runs stand as the model has them. Raises StepError."""
        told = {note.now["run_id"]: note.now for note in notes if note.source == "runs"}
        for run_id, row in told.items():
            run = self._model.runs.all[run_id]
            stands = (row["state"], row["checked"], row["joined"], row["left"], row["skipped"])
            if stands != (run.state, run.checked, run.joined, run.left, dict(run.skipped)):
                raise StepError(f"the run stands at {stands}, in the model {run}")
        for note in notes:
            if note.source == "run_groups":
                run = self._model.runs.all[note.now["run_id"]]
                group, held = note.now["group_id"], note.now["held"]
                if note.now["dropped"] is None and held != (group in run.held):
                    raise StepError(f"{group} is held: {held}, in the model {run}")

    def _begin(self, row: Row) -> None:
        going = any(map(self._model.runs.is_going, row["groups"]))
        if row["kind"] != "schedule" or going != (row["state"] == "cancelled"):
            raise StepError(f"a run began by itself: {row}, {going=}")
        self._model.runs.begin(row["run_id"], row["kind"], row["groups"]).state = row["state"]
        if row["planned"]:
            self._planned[row["run_id"]] = self._number

    def _plan(self, row: Row, notes: Sequence[Note]) -> None:
        run = self._model.runs.find(row["run_id"])
        self._planned[run.id] = self._number
        self._model.runs.plan(run.id)
        if run.kind not in CHECKS and row["total"] != run.total:
            raise StepError(f"{row['total']} clients are planned, in the model {run}")
        run.total = row["total"]  # who registers at that instant may count or not
        chunks = [note for note in notes if (note.source, note.operation) == ("run_chunks", "INSERT")]
        run.state = "running" if chunks else "done"

    def _do(self, chunk: Row, notes: Sequence[Note], history: Sequence[Row]) -> None:
        run = self._model.runs.find(chunk["run_id"])
        if chunk["number"] not in self._open[run.id] or run.state != "running":
            raise StepError(
                f"chunk {chunk['number']} is done, but the run has {self._open[run.id]} to do: {run}"
            )
        self._open[run.id].discard(chunk["number"])
        now = max((row["changed_at"] for row in history), default=NEVER)
        clients = chunk["client_ids"]
        if clients is None:
            clients = self._passed(run, chunk, _effects(run, notes, history))
        self._model.runs.go_on(run.id, clients, now)
        run.checked += chunk["clients"]

    def _passed(self, run: ModelRun, chunk: Row, found: Effects) -> list[str]:
        for client_id, effects in found.items():
            wanted = self._model.runs.effects(run, self._model.client(client_id))
            if effects != wanted:
                raise StepError(f"{run.id} does {effects} to {client_id!r}, the model {wanted}: {run}")
        planned = self._planned[run.id]
        for client_id, client in self._model.clients.items():
            inside = chunk["after_id"] < client_id <= chunk["last_id"]
            if client_id in found and not inside:
                raise StepError(f"{client_id!r} is not in {chunk}")
            if inside and client_id not in found and self._touched.get(client_id, 0) < planned:
                wanted = self._model.runs.effects(run, client)
                if wanted:
                    raise StepError(f"{run.id} passes {client_id!r} by, the model does {wanted}: {run}")
        return list(found)


def _without(chunk: Row, rest: Row) -> Row:
    """What was done of a chunk of which the rest was put back."""
    return {**chunk, "last_id": rest["after_id"], "clients": chunk["clients"] - rest["clients"]}


NEVER: Final = datetime.min.replace(tzinfo=UTC)
"""Where nothing is put back, nobody asks when."""


def _effects(run: ModelRun, notes: Sequence[Note], history: Sequence[Row]) -> Effects:
    """What the transaction did to whom: memberships in force, leaves collected, and what is beneath pins."""
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for row in history:
        if row["run_id"] != run.id or not row["joined"]:
            raise StepError(f"in the transaction of {run.id}, which only adds yet: {row}")
        found[row["client_id"]][row["group_id"]] = "join"
    for note in notes:
        if note.source == "run_leaves":
            found[note.now["client_id"]][note.now["group_id"]] = "leave"
        if note.source == "pins":
            effect = "leave" if note.now["beneath_source"] is None else "join"
            found[note.now["client_id"]][note.now["group_id"]] = effect
    return found
