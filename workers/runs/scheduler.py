"""The timer agent: starts the checks of groups that are due by the clock (mission T3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfoNotFoundError

import structlog
from cronsim import CronSimError

from db import leaves, log, runs, schedules
from db.connections import AnyConnection
from db.log import Outgoing
from db.runs import Order
from db.schedules import Scheduled
from workers.runs.records import new_run_id, run_record, start_run
from workers.runs.schedules import next_moment
from workers.transactions import transact

if TYPE_CHECKING:
    import asyncpg

TICK_S: Final = 1.0
ASTRAY: Final = timedelta(days=1)
"""A clock that was so far ahead was wrong: its schedules begin anew. Else they wait until it is that time."""

_logger = structlog.get_logger(__name__)


class Scheduler:
    """Each due moment starts one run, for all groups that are due; moments that were missed count once.

    What is dealt with is a row in the database, moved in the transaction that starts the run: so two leaders,
    a restart or a step of the clock repeat nothing.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        *,
        clock: Callable[[], datetime],
        committed: Callable[[], None],
        held_for: timedelta,
    ) -> None:
        """`committed` is called after commits that appended to the log. Runs are held for `held_for` only."""
        self._pool = pool
        self._clock = clock
        self._committed = committed
        self._held_for = held_for

    async def tick(self) -> None:
        """Start what is due, cancel what was held too long. For each second; waits for the database."""
        if await transact(self._pool, self._start_due) | await transact(self._pool, self._expire_held):
            self._committed()

    async def _start_due(self, connection: AnyConnection) -> bool:
        if not await schedules.hold(connection):
            return False
        now = self._clock()
        for each in await schedules.astray(connection, now, ASTRAY):
            _logger.warning(
                "schedule begins anew: the clock was ahead", group=each.group, dealt_at=str(each.dealt_at)
            )
            await self._deal(connection, each, now)
        due = await schedules.due(connection, now)
        if not due:
            return False
        for each in due:
            await self._deal(connection, each, now)
        await log.append(connection, records=await self._start(connection, due, now))
        return True

    @staticmethod
    async def _deal(connection: AnyConnection, each: Scheduled, now: datetime) -> None:
        try:
            next_at = next_moment(each.schedule, each.timezone, now)
        except (CronSimError, StopIteration, ZoneInfoNotFoundError) as error:
            # It was right when it was put; a time zone may have been abolished since.
            _logger.error("schedule cannot be followed", group=each.group, error=repr(error))  # noqa: TRY400
            next_at = now + ASTRAY
        await schedules.deal(connection, each.group, now=now, next_at=next_at)

    async def _start(
        self, connection: AnyConnection, due: Sequence[Scheduled], now: datetime
    ) -> list[Outgoing]:
        records, groups = [], []
        for each in due:
            going = [run for run in await runs.going_on(connection, each.group) if run.state == "running"]
            if not going:
                groups.append(each.group)
                continue
            run_id = new_run_id(now)
            why = f"not started: the run {going[0].run_id} of this group is still going"
            await runs.start_ended(connection, run_id, _order([each.group], each), now=now, why=why)
            records.append(await run_record(connection, run_id, now))
        if groups:
            _, told = await start_run(connection, _order(groups, due[0]), now=now, client_ids=None)
            records.append(told)
        return records

    async def _expire_held(self, connection: AnyConnection) -> bool:
        now = self._clock()
        expired = await leaves.held_since(connection, now - self._held_for)
        for run_id in expired:
            why = f"nobody approved it within {self._held_for}"
            await runs.finish(connection, run_id, "cancelled", now=now, why=why)
        records = [await run_record(connection, run_id, now) for run_id in expired]
        return await log.append(connection, records=records)


def _order(groups: Sequence[str], due: Scheduled) -> Order:
    return Order("schedule", tuple(groups), {"due_at": due.next_at.isoformat()}, "schedule", "schedule", None)
