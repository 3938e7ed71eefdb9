"""What the active relay does beside sending: count what waits, delete what was sent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from db import relay as log_table
from workers.relay import metrics

if TYPE_CHECKING:
    from db.relay import RelayConnection

_PRUNE_ROWS: Final = 5_000
"""A statement: tens of milliseconds, in which nothing is sent."""
_PRUNE_EVERY_S: Final = 60.0
_COUNT_EVERY_S: Final = 1.0


class RelayUpkeep:
    """Upkeep for as long as one connection is the relay's."""

    def __init__(self, connection: RelayConnection) -> None:
        self._connection = connection
        self._pruned_at = self._counted_at = time.monotonic()

    async def after_rows(self, position: int) -> None:
        """To be called after each transaction."""
        metrics.POSITION.set(position)
        if time.monotonic() - self._counted_at >= _COUNT_EVERY_S:
            last_seq = await log_table.last_seq(self._connection)
            metrics.UNSENT.set(max(0, last_seq + 1 - position))
            self._counted_at = time.monotonic()
        await self._prune()

    async def when_idle(self, position: int) -> None:
        """To be called when there was nothing to send."""
        metrics.POSITION.set(position)
        metrics.UNSENT.set(0)
        await self._prune()

    async def _prune(self) -> None:
        """A chunk at a time, and the next one soon where there was a whole one to delete."""
        if time.monotonic() - self._pruned_at < _PRUNE_EVERY_S:
            return
        if await log_table.prune(self._connection, _PRUNE_ROWS) < _PRUNE_ROWS:
            self._pruned_at = time.monotonic()
