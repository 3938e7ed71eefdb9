"""Runs of commands about many members, and of groups that are deleted."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from db import clients, groups, runs
from db.log import Outgoing
from db.net import Net
from db.runs import Chunk, Order
from workers.commands.group_records import group_tombstone
from workers.commands.membership_tasks import task_of
from workers.membership.touched import Cause
from workers.membership.work import Work
from workers.runs.kinds import Piece

if TYPE_CHECKING:
    from db.connections import AnyConnection
    from rules.ruleset import RuleSet


class MembershipRuns:
    """Kinds `members` and `delete`."""

    async def do(
        self, connection: AnyConnection, chunk: Chunk, order: Order, rules: RuleSet, now: datetime
    ) -> Piece:
        """The deed of the command, on these clients."""
        task = task_of(order.task)
        client_ids = chunk.client_ids or ()
        work = Work(await clients.lock(connection, client_ids), rules)
        cause = Cause(task.moment, f"run/{chunk.run_id}", now, None, order.actor, order.reason, chunk.run_id)
        task.apply(work, client_ids, cause)
        return Piece(work.net())

    async def through(
        self, connection: AnyConnection, run_id: str, order: Order, now: datetime, net: Net
    ) -> list[Outgoing]:
        """The run is done; a deleted group is gone now."""
        await runs.finish(connection, run_id, "done", now=now)
        if order.kind != "delete":
            return []
        (group,) = order.groups
        await groups.end_deletion(connection, group)
        return [group_tombstone(group, ce_id=f"run/{run_id}", now=now)]
