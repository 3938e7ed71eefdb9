"""Starts what is owed as soon as a GeoIP database can be read again; no operator is needed (mission B5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from db import log, owed, runs
from db.connections import AnyConnection
from db.runs import Order
from workers import metrics
from workers.runs.records import start_run
from workers.transactions import transact

if TYPE_CHECKING:
    import asyncpg

LOOK_S: Final = 5.0
ACTOR: Final = "geoip"


class GeoIPWatch:
    """One run at a time does what is owed. To be called on the leader."""

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        can_look_up: Callable[[], bool],
        *,
        clock: Callable[[], datetime],
        committed: Callable[[], None],
    ) -> None:
        """`committed` is called after each commit that appended to the log."""
        self._pool = pool
        self._can_look_up = can_look_up
        self._clock = clock
        self._committed = committed

    async def look(self) -> None:
        """Start a run where something is owed and can be done. Waits for the database."""
        if await transact(self._pool, self._start):
            self._committed()

    async def _start(self, connection: AnyConnection) -> bool:
        metrics.OWED_CHECKS.set(await owed.count(connection))
        if not self._can_look_up() or not await owed.is_any(connection):
            return False
        if not await runs.hold_owed(connection) or await runs.is_going(connection, "owed"):
            return False
        groups = await owed.groups(connection)
        order = Order("owed", tuple(groups), {}, "geoip", ACTOR, None)
        _, told = await start_run(connection, order, now=self._clock(), client_ids=None)
        return await log.append(connection, records=[told])
