"""Checks of all clients: on schedule and by force (mission T3, T4), joins at once, leaves at the end (B4).

A chunk reads its clients without locking them, in one snapshot; only those for whom something would change
are locked and checked again. So a pass over a million clients locks and writes only what it changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from db import clients, leaves, runs, sweeps
from db.log import Outgoing
from db.net import Net
from db.runs import Chunk, Order
from rules.model import Moment
from workers.membership.touched import Cause
from workers.membership.work import Work
from workers.runs.kinds import Piece
from workers.runs.range_check import range_check

if TYPE_CHECKING:
    from db.connections import AnyConnection
    from rules.ruleset import RuleSet

LEAVES_FROM: Final = 1_000_000_000
"""Chunks of leaves are numbered from here, behind those of the pass."""
APPROVED_FROM: Final = 2_000_000_000
"""And those that an operator approved from here."""


class CheckRuns:
    """Kinds `schedule` and `forced`."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment

    async def do(
        self, connection: AnyConnection, chunk: Chunk, order: Order, rules: RuleSet, now: datetime
    ) -> Piece:
        """Check a range of clients, or, at the end, those who are to leave once more."""
        cause = Cause(self._moment, f"run/{chunk.run_id}", now, None, order.actor, order.reason, chunk.run_id)
        if chunk.number >= LEAVES_FROM:
            return await _let_leave(connection, chunk.run_id, chunk.client_ids or (), rules, cause)
        return await self.check(connection, chunk, rules, cause)

    async def check(self, connection: AnyConnection, chunk: Chunk, rules: RuleSet, cause: Cause) -> Piece:
        """A part of the pass: joins at once, leaves are collected."""
        groups = await leaves.groups_checked(connection, chunk.run_id)
        return await _check_range(connection, chunk, list(groups), rules, cause)

    async def through(
        self, connection: AnyConnection, run_id: str, order: Order, now: datetime, net: Net
    ) -> list[Outgoing]:
        """After the pass: apply the leaves, but hold those of a group that are too many. After these: end."""
        joined = Counter(row.group_id for row in net.history if row.joined)
        leaving = [
            each._replace(members=each.members + joined[each.group])
            for each in await leaves.count(connection, run_id)
        ]
        held = await leaves.groups_checked(connection, run_id)
        too_many = [each for each in leaving if each.is_too_many and not held[each.group]]
        # Those that an operator approved are not held again: their chunks are through, and nobody is left.
        if too_many:
            await leaves.hold(connection, run_id, too_many)
            held |= dict.fromkeys((each.group for each in too_many), True)
        if any(not held[each.group] for each in leaving):
            await leaves.add_chunks(connection, run_id, LEAVES_FROM)
        elif leaving:
            await leaves.set_held(connection, run_id, now)
        else:
            await runs.finish(connection, run_id, "done", now=now)
        return []


async def _check_range(
    connection: AnyConnection, chunk: Chunk, groups: Sequence[str], rules: RuleSet, cause: Cause
) -> Piece:
    check = range_check(rules, tuple(groups))
    seen = await sweeps.read(connection, chunk.after_id or "", chunk.last_id or "", groups, check.reads)
    concerned = await check.concerned(seen)
    if not concerned:
        return Piece()
    remaining = 0
    if len(concerned) > runs.CHUNK:
        # As many would be locked and written for too long: the rest is read again, as a chunk of its own.
        last = concerned[runs.CHUNK - 1]
        del concerned[runs.CHUNK :]
        remaining = min(chunk.clients, sum(each.client_id > last for each in seen))
        await runs.put_back(connection, chunk, after_id=last, clients=remaining)
    work = Work(await clients.lock(connection, concerned), rules)
    checked = rules.mask(groups)
    found: list[tuple[str, str, str | None]] = []
    for client_id in concerned:
        found += ((client_id, group, None) for group in work.check_adding(client_id, checked, cause))
    await leaves.collect(connection, chunk.run_id, found)
    return Piece(work.net(), to_leave=len(found), remaining=remaining)


async def _let_leave(
    connection: AnyConnection, run_id: str, client_ids: Sequence[str], rules: RuleSet, cause: Cause
) -> Piece:
    of_client = await leaves.of_clients(connection, run_id, client_ids)
    if not of_client:
        return Piece()
    leaving = {client_id for client_id, _, _ in of_client}
    work = Work(await clients.lock(connection, leaving), rules)
    for client_id, group, moment in of_client:
        work.check(
            client_id, rules.mask([group]), cause if moment is None else cause._replace(moment=Moment(moment))
        )
    forgotten = await leaves.forget(connection, run_id, leaving)
    return Piece(work.net(), to_leave=-forgotten)
