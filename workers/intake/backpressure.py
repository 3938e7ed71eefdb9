"""Holds the intake back while the relay is far behind, so that the log does not grow without bound."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import asyncpg
from mode import Service

from db import positions
from db.errors import is_transient
from workers import logs, metrics

LOOK_SECONDS: Final = 0.5
RESUME_AT: Final = 0.5
"""The share of the bound at which the intake goes on: not at once, or it would stutter."""


class Backpressure(Service):
    """Looks at the relay's backlog now and then, while there is work."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], max_backlog: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._pool = pool
        self._max = max_backlog
        self._open = asyncio.Event()
        self._open.set()
        self._worked = True
        self._logger = logs.get(__name__)

    @property
    def paused(self) -> bool:
        """Whether the intake has to wait."""
        return not self._open.is_set()

    async def admit(self) -> None:
        """Return at once, or when the relay has caught up. Blocks for as long as that takes."""
        await self._open.wait()

    def worked(self) -> None:
        """Something was handed out, so that the backlog may grow: look at it again."""
        self._worked = True

    @Service.timer(LOOK_SECONDS)
    async def _look(self) -> None:
        if not self._worked and self._open.is_set():
            return
        self._worked = False
        try:
            async with self._pool.acquire() as connection:
                backlog = await positions.relay_backlog(connection)
        except Exception as error:
            if not is_transient(error):
                raise
            return  # not known: stay as we are; without the database nothing moves anyway
        self.judge(backlog)

    def judge(self, backlog: int) -> None:
        """Open or close by a backlog (rows of the log)."""
        metrics.RELAY_BACKLOG.set(backlog)
        if self._open.is_set() and backlog > self._max:
            self._logger.warning("intake paused: the relay is behind", backlog=backlog, bound=self._max)
            self._open.clear()
        elif not self._open.is_set() and backlog <= self._max * RESUME_AT:
            self._logger.info("intake goes on", backlog=backlog)
            self._open.set()
        metrics.PAUSED.set(self.paused)
