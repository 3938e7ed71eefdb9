"""Wakes the relay after a commit, wherever it runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mode import Service

from db import relay as log_table
from db.errors import is_transient

if TYPE_CHECKING:
    import asyncpg

    from workers.relay.service import Relay


class Announcer(Service):
    """Says that the log has something new: to the relay of this process, else to that of another.

    Across processes it is a NOTIFY, sent after the commit, on its own and coalesced: one inside the
    transactions would make their commits wait for each other. One that is lost costs the relay's
    next poll, not a row.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], relay: Relay | None, **kwargs: Any) -> None:
        """`relay` is that of this process, which may be standing by."""
        super().__init__(**kwargs)
        self._pool = pool
        self._relay = relay
        self._appended = asyncio.Event()

    def appended(self) -> None:
        """Rows were appended and committed. Does not block."""
        if self._relay is not None and self._relay.is_active:
            self._relay.wake()
        else:
            self._appended.set()

    @Service.task
    async def _announce(self) -> None:
        while not self.should_stop:
            await self._appended.wait()
            self._appended.clear()
            try:
                async with self._pool.acquire() as connection:
                    await log_table.notify(connection)
            except Exception as error:
                if not is_transient(error):
                    raise
