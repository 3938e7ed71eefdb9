"""Undoing a run: what it changed is put back, except where somebody changed it since (mission B4)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Final

from db import clients, runs
from db.log import Outgoing
from db.net import Net
from db.runs import Chunk, Order
from rules.model import Moment, Source
from workers.membership.touched import Cause, Touched
from workers.membership.work import Work
from workers.runs.kinds import Piece

if TYPE_CHECKING:
    from db.connections import AnyConnection
    from rules.ruleset import RuleSet

CHANGED_SINCE: Final = "changed_since"
PINNED: Final = "pinned"
NO_GROUP: Final = "no_group"
DELETED: Final = "client_deleted"


class UndoRuns:
    """Kind `undo`."""

    async def do(
        self, connection: AnyConnection, chunk: Chunk, order: Order, rules: RuleSet, now: datetime
    ) -> Piece:
        """Put back what the other run changed of these clients."""
        client_ids = chunk.client_ids or ()
        undone: str = order.task["run_id"]
        work = Work(await clients.lock(connection, client_ids), rules)
        cause = Cause(Moment.UNDO, f"run/{chunk.run_id}", now, None, order.actor, order.reason, chunk.run_id)
        skipped: Counter[str] = Counter()
        for change in await runs.changed_by(connection, undone, client_ids):
            client_id, group, joined, source, newest, present = change
            touched = work[client_id]
            why = _why_not(touched, group, rules)
            if why is None and not (newest and _is_as_left(touched, group, joined, present, undone)):
                why = CHANGED_SINCE
            if why is not None:
                skipped[why] += 1
            elif joined:
                touched.leave(group, cause)
            else:
                touched.join(group, Source(source), now, cause)
        return Piece(work.net(), skipped=skipped)

    async def through(
        self, connection: AnyConnection, run_id: str, order: Order, now: datetime, net: Net
    ) -> list[Outgoing]:
        """The run is done."""
        await runs.finish(connection, run_id, "done", now=now)
        return []


def _why_not(touched: Touched, group: str, rules: RuleSet) -> str | None:
    if rules.bit(group) is None:
        return NO_GROUP
    if touched.client.deleted_at is not None and touched.client.registered_at is None:
        return DELETED
    return PINNED if group in touched.client.pins else None


def _is_as_left(touched: Touched, group: str, joined: bool, cause: str | None, undone: str) -> bool:
    """Whether the membership is as the run left it: there since by nobody else, or still not there."""
    if joined:
        return touched.source(group) is not None and cause == f"run/{undone}"
    return touched.source(group) is None
