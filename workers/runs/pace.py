"""How much a runner may do while events come: they go first, as somebody may wait for what they lead to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from workers.intake.lanes import Lane

QUIET_S: Final = 1.0
"""Without a batch for so long no events come."""


class Pace:
    """Lets chunks be done side by side while no events come; else one at a time, with pauses between."""

    def __init__(self, lanes: Sequence[Lane], share: float) -> None:
        """While events come through `lanes`, chunks take `share` of the time, above 0 and up to 1."""
        self._lanes = lanes
        self._share = share
        self._one = asyncio.Lock()

    @property
    def is_slow(self) -> bool:
        """Whether events come."""
        return time.monotonic() - max(lane.handed_at for lane in self._lanes) < QUIET_S

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Do a chunk within. While events come it waits for its turn, and pauses after the chunk."""
        if not self.is_slow:
            yield
            return
        async with self._one:
            began = time.monotonic()
            yield
            took = time.monotonic() - began
            if self.is_slow:
                await asyncio.sleep(took * (1 / self._share - 1))
