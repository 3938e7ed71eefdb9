"""For tests of jobs: a worker's parts on real servers, each moved by hand, on inputs that begin empty."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from db import positions
from events.replays import restored
from events.topics import DEAD_LETTERS, INPUTS
from tests.support.driver import Driver
from tests.support.jobs import JobStep, do
from tests.support.relay import relaying
from workers.aside.jobs import Step
from workers.intake.batches import Batch, Slice
from workers.kafka import record_of
from workers.relay.service import Relay
from workers.topics import ensure_topics


@dataclass
class Plant:
    """Handlers on a real database, a relay, and a consumer that hands them what comes on the inputs."""

    driver: Driver
    bootstrap_servers: str
    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer
    relay: Relay
    taken: Counter[str] = field(default_factory=Counter)
    """Records by topic, those put back too."""

    async def publish(
        self,
        topic: str,
        value: dict[str, Any] | bytes | None,
        *,
        headers: Sequence[tuple[str, bytes]] = (),
        at: datetime | None = None,
        key: bytes | None = b"key",
    ) -> str:
        """Send a record and wait until it was handled; answers its `topic/partition/offset`."""
        sent = await self.producer.send_and_wait(
            topic,
            value if value is None or isinstance(value, bytes) else orjson.dumps(value),
            key,
            headers=list(headers),
            timestamp_ms=None if at is None else int(at.timestamp() * 1000),
        )
        await self.take(1)
        return f"{topic}/{sent.partition}/{sent.offset}"

    async def take(self, count: int) -> None:
        """Handle the next `count` records that come on the inputs."""
        async with asyncio.timeout(20):
            while count > 0:
                fetched = await self.consumer.getmany(timeout_ms=100)
                slices = []
                for place, some in fetched.items():
                    records = [restored(record_of(each)) for each in some]
                    slices.append(
                        Slice(
                            place.topic, place.partition, records[0].offset, records[-1].offset + 1, records
                        )
                    )
                    count -= len(records)
                    self.taken[place.topic] += len(records)
                if slices:
                    await self._handle(Batch(tuple(slices)))
        assert count == 0, "more records came than were waited for"

    async def nothing_comes(self) -> None:
        """Look for a moment whether something comes on the inputs; fail if so."""
        assert not await self.consumer.getmany(timeout_ms=700)

    async def _handle(self, batch: Batch) -> None:
        pool = self.driver.pool
        for part in batch.slices:
            await positions.set_position(pool, part.topic, part.partition, part.start)
        outcome = await self.driver.handler.handle(batch)
        assert not outcome.moved
        self.relay.wake()

    async def letters(self, topic: str, count: int) -> list[Any]:
        """The dead letters of an input, when there are `count`."""
        place = TopicPartition(f"{topic}.dlt", 0)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap_servers, isolation_level="read_committed"
        )
        await consumer.start()
        try:
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            found: list[Any] = []
            async with asyncio.timeout(20):
                while len(found) < count:
                    found += (await consumer.getmany(timeout_ms=100)).get(place, [])
        finally:
            await consumer.stop()
        assert len(found) == count
        return found

    async def do(self, job: JobStep, command: str, **fields: Any) -> Step:
        """Do a command to its end; answers its last step."""
        return await do(self.driver, job, command, self.relay.wake, **fields)


@asynccontextmanager
async def plant(driver: Driver, bootstrap_servers: str, namespace: str, url: str) -> AsyncIterator[Plant]:
    await ensure_topics({"bootstrap_servers": bootstrap_servers}, 1)
    await _empty(bootstrap_servers, [topic.name for topic in DEAD_LETTERS])
    # Compressed, a record may be far larger than what its topic takes.
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers, max_request_size=2**24, compression_type="lz4"
    )
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, isolation_level="read_committed", enable_auto_commit=False
    )
    await producer.start()
    try:
        await consumer.start()
        places = [
            TopicPartition(topic.name, number) for topic in INPUTS for number in range(topic.partitions)
        ]
        consumer.assign(places)
        await consumer.seek_to_end(*places)
        for place in places:
            await consumer.position(place)
        async with relaying(url, bootstrap_servers, namespace) as relay:
            yield Plant(driver, bootstrap_servers, producer, consumer, relay)
    finally:
        await consumer.stop()
        await producer.stop()


async def _empty(bootstrap_servers: str, topics: Sequence[str]) -> None:
    """Delete the records that other tests have left."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        # A topic that was just made may have no leader yet.
        await AsyncRetrying(
            retry=retry_if_exception_type(KafkaError), wait=wait_fixed(0.1), stop=stop_after_delay(20)
        )(admin.delete_records, {TopicPartition(topic, 0): RecordsToDelete(-1) for topic in topics})
    finally:
        await admin.close()
