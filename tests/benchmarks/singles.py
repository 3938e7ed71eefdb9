"""Single events, each waited for until its change can be read with read_committed."""

from __future__ import annotations

import asyncio
import random
import time
from types import TracebackType
from typing import Final, Self

from aiokafka import AIOKafkaProducer

from tests.benchmarks.latency import Arrivals
from tests.benchmarks.stand import Stand
from tests.benchmarks.stream import BUSY, Stream

WARM_UP: Final = 20


class Singles:
    """Registrations that lead to a change, one after the other."""

    def __init__(self, stand: Stand, arrivals: Arrivals) -> None:
        """`arrivals` are those of membership-changed, by cause."""
        self._stream = Stream(BUSY, seed=7, prefix="single")
        self._arrivals = arrivals
        self._chance = random.Random(5)
        self._producer = AIOKafkaProducer(bootstrap_servers=stand.bootstrap_servers, acks="all")

    async def __aenter__(self) -> Self:
        """Connects, and sends some that do not count."""
        await self._producer.start()
        for _ in range(WARM_UP):
            await self.once()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnects."""
        await self._producer.stop()

    async def once(self) -> float:
        """Milliseconds from just before the send until the change was read. Then pauses a little."""
        event = self._stream.registration()
        began = time.perf_counter()
        sent = await self._producer.send_and_wait(event.topic, event.value, key=event.key)
        arrived = await self._arrivals.wait(f"{sent.topic}/{sent.partition}/{sent.offset}")
        # Of any length, so that nothing keeps step with the timers of broker or worker.
        await asyncio.sleep(self._chance.uniform(0.005, 0.03))
        return (arrived - began) * 1e3
