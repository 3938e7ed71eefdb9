"""Does the chunks of runs, one after another, side by side with the events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import structlog
from mode import Service

from db import clients, groups, log, runs
from db.connections import AnyConnection
from db.log import Outgoing
from db.net import write
from db.runs import Chunk, Order
from workers.group_records import group_tombstone
from workers.membership_tasks import task_of
from workers.run_records import run_record
from workers.touched import Cause
from workers.transactions import transact
from workers.work import Work

if TYPE_CHECKING:
    import asyncpg

    from workers.rulesets import RuleSets

LOOK_S: Final = 0.5
"""How often it looks for runs."""
FAILURES: Final = 5
"""So often a chunk may fail for good before its run does."""

_logger = structlog.get_logger(__name__)


class Runner(Service):
    """Takes chunks of runs, in turn over the runs, as long as there are some.

    Every worker has one, and they share the chunks of a run. A chunk is one transaction; if its worker is
    killed, it is free again at once. One that keeps failing fails the run, with the reason.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        rulesets: RuleSets,
        *,
        clock: Callable[[], datetime],
        committed: Callable[[], None],
        **kwargs: Any,
    ) -> None:
        """`committed` is called after each commit that appended to the log; it must not block."""
        super().__init__(**kwargs)
        self._pool = pool
        self._rulesets = rulesets
        self._clock = clock
        self._committed = committed
        self.failure_wait_s = 1.0
        """After a chunk failed."""

    @Service.task
    async def _work_on(self) -> None:
        while not self.should_stop:
            if not await self.step():
                await self.sleep(LOOK_S)

    async def step(self) -> bool:
        """Plan a run or do a chunk; answers whether there was anything to do."""
        if await transact(self._pool, self._plan):
            self._committed()
            return True
        taken: list[Chunk] = []
        try:
            done = await transact(self._pool, lambda connection: self._do_chunk(connection, taken))
        except Exception as error:
            if not taken:
                raise  # not a chunk's fault
            await self._note_failure(taken[-1], error)
            return True
        if done:
            self._committed()
        return done

    async def _plan(self, connection: AnyConnection) -> bool:
        run_id = await runs.plan(connection)
        if run_id is None:
            return False
        now = self._clock()
        records: list[Outgoing] = []
        if await runs.is_through(connection, run_id):  # everybody has gone by now
            records += await self._end(connection, run_id, await runs.order(connection, run_id), now)
        records.append(await run_record(connection, run_id, now))
        await log.append(connection, records=records)
        return True

    async def _do_chunk(self, connection: AnyConnection, taken: list[Chunk]) -> bool:
        chunk = await runs.claim(connection)
        if chunk is None:
            return False
        taken.append(chunk)
        order = await runs.order(connection, chunk.run_id)
        task = task_of(order.task)
        now = self._clock()
        rules = await self._rulesets.hold(connection)
        work = Work(await clients.lock(connection, chunk.client_ids), rules)
        cause = Cause(task.moment, f"run/{chunk.run_id}", now, None, order.actor, order.reason, chunk.run_id)
        task.apply(work, chunk.client_ids, cause)
        net = work.net()
        joined = sum(row.joined for row in net.history)
        was_last = await runs.count(
            connection,
            chunk.run_id,
            checked=len(chunk.client_ids),
            joined=joined,
            left=len(net.history) - joined,
        )
        records: list[Outgoing] = []
        if was_last:
            records += await self._end(connection, chunk.run_id, order, now)
        if was_last or await runs.is_time_to_tell(connection, chunk.run_id, now):
            records.append(await run_record(connection, chunk.run_id, now))
        await write(connection, net, records=records)
        return True

    @staticmethod
    async def _end(connection: AnyConnection, run_id: str, order: Order, now: datetime) -> list[Outgoing]:
        await runs.finish(connection, run_id, "done", now=now)
        if order.kind != "delete":
            return []
        (group,) = order.groups
        await groups.end_deletion(connection, group)
        return [group_tombstone(group, ce_id=f"run/{run_id}", now=now)]

    async def _note_failure(self, chunk: Chunk, error: Exception) -> None:
        _logger.exception("chunk of a run failed", run_id=chunk.run_id, chunk=chunk.number)

        async def note(connection: AnyConnection) -> None:
            if await runs.fail_chunk(connection, chunk) < FAILURES:
                return
            now = self._clock()
            await runs.finish(
                connection, chunk.run_id, "failed", now=now, error=f"{type(error).__name__}: {error}"
            )
            record = await run_record(connection, chunk.run_id, now)
            await log.append(connection, records=[record])

        await transact(self._pool, note)
        self._committed()
        await self.sleep(self.failure_wait_s)
