"""Deletes what the past is explained with when it is older than it is to be kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from db import evidence
from workers.transactions import transact

if TYPE_CHECKING:
    import asyncpg

TICK_S: Final = 60.0
AT_ONCE: Final = 1_000
"""Rows of a table that one transaction deletes: some 10 ms."""
STEPS: Final = 50
"""Transactions of a tick: 50,000 rows a minute, more than a worker makes."""


class EvidenceUpkeep:
    """What ended longer ago than `kept_for` is deleted in small steps; it cannot be explained any more."""

    def __init__(
        self, pool: asyncpg.Pool[asyncpg.Record], *, clock: Callable[[], datetime], kept_for: timedelta
    ) -> None:
        """Two that run at once do no harm."""
        self._pool = pool
        self._clock = clock
        self._kept_for = kept_for

    async def tick(self) -> None:
        """Delete some of what is due. For each minute; waits for the database."""
        before = self._clock() - self._kept_for
        for _ in range(STEPS):
            if not await transact(self._pool, lambda connection: evidence.prune(connection, before, AT_ONCE)):
                return
