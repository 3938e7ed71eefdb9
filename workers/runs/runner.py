"""Does the chunks of runs, one after another, side by side with the events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import structlog
from mode import Service

from db import log, runs
from db.connections import AnyConnection
from db.log import Outgoing
from db.net import Net, write
from db.runs import Chunk
from rules.model import Moment
from workers import crashpoints, logs, metrics
from workers.membership.folding import LookUp
from workers.runs.checks import CheckRuns
from workers.runs.geoip import GeoipRuns, OwedRuns
from workers.runs.kinds import RunKind
from workers.runs.memberships import MembershipRuns
from workers.runs.pace import Pace
from workers.runs.records import run_record
from workers.runs.undoing import UndoRuns
from workers.transactions import transact

if TYPE_CHECKING:
    import asyncpg

    from workers.membership.rulesets import RuleSets

LOOK_S: Final = 0.5
"""How often it looks for runs."""
SIDE_BY_SIDE: Final = 2
"""Chunks under way in a process: while the database reads one, the other is decided."""
FAILURES: Final = 5
"""So often a chunk may fail for good before its run does."""
CLEARED: Final = 1_000
"""Rows of runs that are over, deleted at once."""


def run_kinds(look_up: LookUp) -> Mapping[str, RunKind]:
    """What does the runs of each kind."""
    return {
        "members": MembershipRuns(),
        "delete": MembershipRuns(),
        "schedule": CheckRuns(Moment.SCHEDULE),
        "forced": CheckRuns(Moment.FORCED),
        "undo": UndoRuns(),
        "owed": OwedRuns(look_up),
        "geoip": GeoipRuns(look_up),
    }


_NEED_GEOIP: Final = frozenset({"owed", "geoip"})

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
        look_up: LookUp,
        *,
        can_look_up: Callable[[], bool],
        clock: Callable[[], datetime],
        committed: Callable[[], None],
        pace: Pace | None = None,
        **kwargs: Any,
    ) -> None:
        """`committed` is called after each commit that appended to the log; it must not block.

        While `can_look_up` says no, runs that look addresses up are left to others.
        """
        super().__init__(**kwargs)
        self._pool = pool
        self._rulesets = rulesets
        self._kinds = run_kinds(look_up)
        self._can_look_up = can_look_up
        self._clock = clock
        self._committed = committed
        self._pace = pace
        self.failure_wait_s = 1.0
        """After a chunk failed."""

    @Service.task
    async def _work_on(self) -> None:
        await asyncio.gather(*[self._steps() for _ in range(SIDE_BY_SIDE)])

    async def _steps(self) -> None:
        while not self.should_stop:
            async with self._pace.turn() if self._pace else nullcontext():
                done = await self.step()
            if not done:
                await transact(self._pool, lambda connection: runs.clear(connection, CLEARED))
                await self.sleep(LOOK_S)

    async def step(self) -> bool:
        """Plan a run or do a chunk; answers whether there was anything to do."""
        if await transact(self._pool, self._plan):
            self._committed()
            return True
        taken: list[Chunk] = []
        try:
            done = await transact(self._pool, lambda connection: self._do_chunk(connection, taken))
        except runs.RunOverError:
            return True  # ended while its chunk was under way: that is rolled back, as all is told of the run
        except Exception as error:
            if not taken:
                raise  # not a chunk's fault
            await self._note_failure(taken[-1], error)
            return True
        if done is None:
            return False
        crashpoints.reach("chunk-after-commit")
        self._committed()
        kind, clients = done
        metrics.RUN_CLIENTS.labels(kind).inc(clients)
        return True

    async def _plan(self, connection: AnyConnection) -> bool:
        run_id = await runs.plan(connection)
        if run_id is None:
            return False
        now = self._clock()
        records: list[Outgoing] = []
        if await runs.is_through(connection, run_id):  # there is nobody
            records += await self._through(connection, run_id, now, Net())
        records.append(await run_record(connection, run_id, now))
        await log.append(connection, records=records)
        return True

    async def _do_chunk(self, connection: AnyConnection, taken: list[Chunk]) -> tuple[str, int] | None:
        """The kind of the run, and how many clients are done; None: there was no chunk."""
        chunk = await runs.claim(connection, self._claimed_kinds())
        if chunk is None:
            return None
        taken.append(chunk)
        run_id, now = chunk.run_id, self._clock()
        order = await runs.order(connection, run_id)
        rules = await self._rulesets.hold(connection)
        piece = await self._kinds[order.kind].do(connection, chunk, order, rules, now)
        came = piece.came(chunk.clients)
        records: list[Outgoing] = []
        through = await runs.count(connection, run_id, came)
        if through:
            records += await self._through(connection, run_id, now, piece.net)
        if through or await runs.is_time_to_tell(connection, run_id, now):
            records.append(await run_record(connection, run_id, now))
        await write(connection, piece.net, records=records)
        crashpoints.reach("chunk-before-commit")
        return order.kind, came.checked

    def _claimed_kinds(self) -> Collection[str]:
        return self._kinds if self._can_look_up() else self._kinds.keys() - _NEED_GEOIP

    async def _through(
        self, connection: AnyConnection, run_id: str, now: datetime, net: Net
    ) -> list[Outgoing]:
        order = await runs.order(connection, run_id)
        return await self._kinds[order.kind].through(connection, run_id, order, now, net)

    async def _note_failure(self, chunk: Chunk, error: Exception) -> None:
        told = {"run_id": chunk.run_id, "chunk": chunk.number}
        _logger.error("chunk of a run failed", **told, **logs.failure(error))

        async def note(connection: AnyConnection) -> None:
            if await runs.fail_chunk(connection, chunk) < FAILURES:
                return
            now = self._clock()
            why = f"{type(error).__name__}: {error}"
            await runs.finish(connection, chunk.run_id, "failed", now=now, why=why)
            record = await run_record(connection, chunk.run_id, now)
            await log.append(connection, records=[record])

        await transact(self._pool, note)
        self._committed()
        await self.sleep(self.failure_wait_s)
