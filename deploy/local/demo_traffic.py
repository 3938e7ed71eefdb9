"""The demo's two ends: publishes events as upstream services do, reads the changes as subscribers do."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from deploy.local.demo_world import Event
from events.topics import MEMBERSHIP_CHANGED

READ_TIMEOUT: Final = 30.0  # seconds to read what is in a topic
YIELD_EVERY: Final = 100  # events of a burst between two looks at what else is to do


@dataclass(frozen=True, slots=True)
class Sent:
    """An event that Kafka has."""

    phase: str
    at: float
    """time.perf_counter() when it was handed to the producer."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A change that arrived."""

    change: dict[str, Any]
    """membership-changed's value."""
    at: float
    """time.perf_counter() when it was read."""


class Publisher:
    """Sends events and remembers when, by topic/partition/offset: a change names its cause so."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        """`arguments` are those of workers.kafka.client_arguments."""
        self._producer: Any = AIOKafkaProducer(**arguments, enable_idempotence=True, acks="all")
        self.sent: dict[str, Sent] = {}
        self.ends: dict[tuple[str, int], int] = {}
        """The offset after the last event of each partition."""
        self.by_topic: Counter[str] = Counter()

    async def start(self) -> None:
        """Connect."""
        await self._producer.start()

    async def stop(self) -> None:
        """Send what is left and disconnect."""
        await self._producer.stop()

    async def publish(self, events: Iterable[Event], phase: str) -> int:
        """Send events in their order, as fast as they come; returns how many when Kafka has them all."""
        deliveries = []
        for event in events:
            at = time.perf_counter()
            delivery = await self._producer.send(event.topic, orjson.dumps(event.value), event.key.encode())
            delivery.add_done_callback(self._remember(Sent(phase, at)))
            deliveries.append(delivery)
            self.by_topic[event.topic] += 1
            if len(deliveries) % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        await asyncio.gather(*deliveries)
        return len(deliveries)

    def _remember(self, sent: Sent) -> Callable[[asyncio.Future[Any]], None]:
        def remember(delivery: asyncio.Future[Any]) -> None:
            if delivery.cancelled() or delivery.exception() is not None:
                return  # publish() says so
            record = delivery.result()
            self.sent[f"{record.topic}/{record.partition}/{record.offset}"] = sent
            place = (record.topic, record.partition)
            self.ends[place] = max(self.ends.get(place, 0), record.offset + 1)

        return remember


class Subscriber:
    """Follows membership-changed from now on, read_committed, for the clients of one run."""

    def __init__(self, arguments: Mapping[str, Any], run: str, arrived: Callable[[Seen], None]) -> None:
        self._consumer: Any = AIOKafkaConsumer(
            MEMBERSHIP_CHANGED.name, **arguments, isolation_level="read_committed", enable_auto_commit=False
        )
        self._run = f"{run}-"
        self._arrived = arrived
        self._reading: asyncio.Task[None] | None = None
        self.seen: list[Seen] = []

    async def start(self) -> None:
        """Stand at the end of the topic: whatever is committed from now on is seen."""
        await self._consumer.start()
        partitions = self._consumer.assignment()  # all: it is in no group
        for partition, end in (await self._consumer.end_offsets(partitions)).items():
            self._consumer.seek(partition, end)
        self._reading = asyncio.create_task(self._read(), name="subscriber")

    async def stop(self) -> None:
        """Disconnect."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._consumer.stop()

    def check(self) -> None:
        """Raise what made the reading end."""
        if self._reading is not None and self._reading.done():
            self._reading.result()

    async def catch_up(self) -> None:
        """Wait until all that is committed by now has been read."""
        partitions = list(self._consumer.assignment())
        ends = await self._consumer.end_offsets(partitions)
        async with asyncio.timeout(READ_TIMEOUT):
            for partition, end in ends.items():
                while await self._consumer.position(partition) < end:
                    self.check()
                    await asyncio.sleep(0.02)

    async def _read(self) -> None:
        while True:
            fetched = await self._consumer.getmany(timeout_ms=500)
            at = time.perf_counter()
            for records in fetched.values():
                for record in records:
                    change = orjson.loads(record.value)
                    if change["client_id"].startswith(self._run):
                        self.seen.append(Seen(change, at))
                        self._arrived(self.seen[-1])


async def read_table(arguments: Mapping[str, Any], topic: str, run: str) -> dict[str, dict[str, Any] | None]:
    """The last record of each client of a run on a compacted topic, as a late subscriber reads it."""
    consumer: Any = AIOKafkaConsumer(
        topic,
        **arguments,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    table: dict[str, dict[str, Any] | None] = {}
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        async with asyncio.timeout(READ_TIMEOUT):
            for partition, end in ends.items():
                while await consumer.position(partition) < end:
                    for records in (await consumer.getmany(partition, timeout_ms=200)).values():
                        for record in records:
                            client_id = record.key.decode()
                            if client_id.startswith(f"{run}-"):
                                table[client_id] = record.value and orjson.loads(record.value)
    finally:
        with suppress(KafkaError):
            await consumer.stop()
    return table
