"""Runs in the plain model: checks of all clients, held leaves, undoing (mission T3, T4, A1-A3, B4).

Written from contracts.md alone. Whoever folds says when a run is planned and which clients each piece of it
covers, in the order of the transactions; what is to come of that is decided here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tests.support.model_fields import Poison
from tests.support.model_net import Expected
from tests.support.model_state import Client, Membership

if TYPE_CHECKING:
    from tests.support.model import Model

CHECKS: Final = ("schedule", "forced")
OVER: Final = ("done", "cancelled", "failed")


@dataclass
class ModelRun:
    """A run as far as it has come."""

    id: str
    kind: str
    groups: tuple[str, ...]
    undone: str | None = None
    """The run that this one undoes."""
    state: str = "running"
    total: int = 0
    checked: int = 0
    joined: int = 0
    left: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    dropped: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    passing: bool = True
    """It has not yet looked at everybody; leaves are collected."""
    leaves: set[tuple[str, str]] = field(default_factory=set)
    """Client and group."""
    changes: list[Expected] = field(default_factory=list)

    @property
    def checks(self) -> list[str]:
        """The groups that did not fall out."""
        return [group for group in self.groups if group not in self.dropped]

    def leaving(self, group: str) -> set[str]:
        """Who is to leave a group."""
        return {client for client, name in self.leaves if name == group}


class Runs:
    """All runs there were."""

    def __init__(self, model: Model) -> None:
        """None yet."""
        self._model = model
        self.all: dict[str, ModelRun] = {}
        self.ids: dict[str, str] = {}
        """The place of a command -> the id that its run was given."""
        self._newest: dict[tuple[str, str], str] = {}
        """Client and group -> what caused their newest join or leave."""

    def find(self, run_id: str) -> ModelRun:
        """Raises Poison where there is none."""
        if run_id not in self.all:
            raise Poison(f"no run {run_id}")
        return self.all[run_id]

    def begin(self, place: str, kind: str, groups: Collection[str], undone: str | None = None) -> ModelRun:
        """A run that was ordered there."""
        run_id = self.ids.get(place, place)
        self.all[run_id] = ModelRun(run_id, kind, tuple(groups), undone)
        return self.all[run_id]

    def is_going(self, group: str) -> bool:
        """Whether a run of this group is under way; one that is held is not."""
        return any(run.state == "running" and group in run.groups for run in self.all.values())

    def drop(self, group: str, *, checks_only: bool) -> None:
        """The group is another one now, or gone: what is left of the runs goes on without it."""
        for run in self.all.values():
            concerned = group in run.checks and (run.kind in CHECKS or not checks_only)
            if run.state not in OVER and concerned:
                run.dropped.add(group)
                if not run.checks:
                    run.state = "cancelled"
                elif run.state == "held" and not any(run.leaving(held) for held in run.checks):
                    run.state = "done"

    # --- what an operator does --------------------------------------------------------------------

    def approve(self, run_id: str) -> None:
        """What is held may go on. Raises Poison."""
        run = self._in_state(run_id, ("held",))
        run.state, run.held = "running", set()

    def cancel(self, run_id: str) -> None:
        """What is done stays. Raises Poison."""
        run = self._in_state(run_id, ("running", "held"))
        if run.kind == "delete":
            raise Poison("a deletion goes on")
        run.state = "cancelled"

    def undo(self, run_id: str, place: str) -> None:
        """Raises Poison."""
        run = self._in_state(run_id, OVER)
        self.begin(place, "undo", run.groups, run_id)

    def _in_state(self, run_id: str, states: Collection[str]) -> ModelRun:
        run = self.find(run_id)
        if run.state not in states:
            raise Poison(f"the run {run_id} is {run.state}")
        return run

    # --- how it goes on ---------------------------------------------------------------------------

    def plan(self, run_id: str) -> None:
        """Count who is to be looked at. Where that is nobody, it is over."""
        run = self.find(run_id)
        if run.kind == "delete":
            (group,) = run.groups
            run.total = sum(client.is_tied_to(group) for client in self._model.clients.values())
        elif run.undone is None:
            run.total = sum(client.registered_at is not None for client in self._model.clients.values())
        else:
            run.total = len({change.client for change in self.find(run.undone).changes})
        if not run.total:
            run.state = "done"

    def go_on(self, run_id: str, clients: Collection[str], now: datetime) -> None:
        """One transaction's work on these clients."""
        run = self.find(run_id)
        for client in sorted(clients):
            if run.undone is not None:
                self._put_back(run, self.find(run.undone), self._model.client(client), now)
            elif run.kind == "delete":
                self._drain(run, self._model.client(client))
            elif run.passing:
                self._pass(run, self._model.client(client))
            else:
                self._let_leave(run, self._model.client(client))

    def come_through(self, run_id: str) -> None:
        """All that was to be done is done: it ends, or goes on with the leaves, or waits for an operator."""
        run = self.find(run_id)
        run.passing = False
        leaving = {group: run.leaving(group) for group in run.checks if run.leaving(group)}
        run.held |= {group for group in leaving if self._are_too_many(group, len(leaving[group]))}
        if leaving.keys() - run.held:
            return
        run.state = "held" if leaving else "done"
        if run.state == "done":
            run.leaves.clear()
        if run.kind == "delete":
            (group,) = run.groups
            self._model.deleted_groups[group] = self._model.deleting.pop(group).version

    def note(self, change: Expected) -> None:
        """A join or leave that a transaction came to."""
        ((_, cause),) = list(change.decided)[:1] or [("", "")]
        self._newest[change.client, change.group] = cause
        run = self.all.get(cause.removeprefix("run/"))
        if run is not None:
            run.changes.append(change)
            run.joined += change.change == "joined"
            run.left += change.change == "left"

    def _are_too_many(self, group: str, leaving: int) -> bool:
        """Whether they are more than both numbers of `hold_leaves_over`."""
        over = self._model.groups[group].definition["auto_assignment"]["hold_leaves_over"]
        if over is None:
            return False
        members = sum(client.source(group) is not None for client in self._model.clients.values())
        percent = Decimal(str(over["percent"]))
        return bool(leaving > over["count"] and leaving * 100 > percent * members)

    def effects(self, run: ModelRun, client: Client) -> dict[str, str]:
        """What a check of the client comes to now: `join` or `leave`, by group."""
        if client.registered_at is None:
            return {}
        facts = self._model.facts(client)
        found = {group: self._model.effect(client, group, facts, may_leave=True) for group in run.checks}
        return {group: effect for group, effect in found.items() if effect is not None}

    def _pass(self, run: ModelRun, client: Client) -> None:
        """Joins happen at once, and so does everything beneath a pin; leaves are collected."""
        for group, effect in self.effects(run, client).items():
            if effect == "leave" and group not in client.pins:
                run.leaves.add((client.id, group))
            else:
                self._do(run, client, group, effect)

    def _let_leave(self, run: ModelRun, client: Client) -> None:
        """Once more: only who still does not match leaves."""
        collected = {group for name, group in run.leaves if name == client.id and group not in run.held}
        for group, effect in self.effects(run, client).items():
            if group in collected:
                self._do(run, client, group, effect)
        run.leaves -= {(client.id, group) for group in collected}

    def _do(self, run: ModelRun, client: Client, group: str, effect: str) -> None:
        with self._model.account.of(client, group, run.kind, f"run/{run.id}"):
            if effect == "join":
                client.groups[group] = Membership("rule", said_by=run.id)
            else:
                del client.groups[group]

    def _drain(self, run: ModelRun, client: Client) -> None:
        (group,) = run.groups
        with self._model.account.of(client, group, "group_deleted", f"run/{run.id}"):
            client.pins.pop(group, None)
            client.groups.pop(group, None)

    def _put_back(self, run: ModelRun, undone: ModelRun, client: Client, now: datetime) -> None:
        for change in undone.changes:
            if change.client == client.id:
                why = self._why_not(undone, change, client)
                if why is not None:
                    run.skipped[why] += 1
                    continue
                (source,) = change.sources
                by_hand_at = now if source == "manual" else None
                with self._model.account.of(client, change.group, "undo", f"run/{run.id}"):
                    if change.change == "joined":
                        del client.groups[change.group]
                    else:
                        client.groups[change.group] = Membership(source, by_hand_at, said_by=run.id)

    def _why_not(self, undone: ModelRun, change: Expected, client: Client) -> str | None:
        """Why the change is left as it is: else the membership is still as the run left it."""
        if change.group not in self._model.groups:
            return "no_group"
        if client.deleted_at is not None and client.registered_at is None:
            return "client_deleted"
        if change.group in client.pins:
            return "pinned"
        membership = client.groups.get(change.group)
        is_newest = self._newest[client.id, change.group] == f"run/{undone.id}"
        if change.change == "joined":
            as_left = membership is not None and membership.said_by == undone.id
        else:
            as_left = membership is None
        return None if is_newest and as_left else "changed_since"
