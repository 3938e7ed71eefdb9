"""Publishes chunks in their order: the same stream gives the same logs, record for record."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from tests.chaos.stream import Chunk, Planned

REQUEST_TIMEOUT_MS = 30_000


class Publisher:
    """One producer for each compression, with and without transactions."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._producers: dict[tuple[str, bool], AIOKafkaProducer] = {}
        self.published: Counter[str] = Counter()
        """Records by topic, without those of aborted transactions."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for key in list(self._producers):
            await self._drop(key)

    async def publish(self, chunk: Chunk) -> None:
        """Publish it; again from the start where a broker went away meanwhile (records may repeat then)."""
        while True:
            key = (chunk.codec, bool(chunk.transaction))
            try:
                await self._publish(chunk, await self._producer(*key))
            except (KafkaError, TimeoutError):
                await self._drop(key)
                await asyncio.sleep(0.5)
                continue
            if chunk.transaction != "abort":
                self.published.update(record.topic for record in chunk.records)
            return

    async def _publish(self, chunk: Chunk, producer: AIOKafkaProducer) -> None:
        if not chunk.transaction:
            await _send(chunk, producer)
            return
        await producer.begin_transaction()
        await _send(chunk, producer)
        if chunk.transaction == "commit":
            await producer.commit_transaction()
        else:
            await producer.abort_transaction()

    async def _producer(self, codec: str, transactional: bool) -> AIOKafkaProducer:
        key = (codec, transactional)
        if key not in self._producers:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap_servers,
                compression_type=None if codec == "none" else codec,
                transactional_id=f"upstream-{codec}" if transactional else None,
                enable_idempotence=True,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
                retry_backoff_ms=20,
            )
            await producer.start()
            self._producers[key] = producer
        return self._producers[key]

    async def _drop(self, key: tuple[str, bool]) -> None:
        producer = self._producers.pop(key, None)
        if producer is not None:
            await producer.stop()


async def _send(chunk: Chunk, producer: AIOKafkaProducer) -> None:
    acknowledged = []
    for record in chunk.records:
        partitions = await producer.partitions_for(record.topic)
        acknowledged.append(
            await producer.send(
                record.topic,
                record.value,
                record.key,
                partition=place(record, len(partitions)),
                timestamp_ms=record.timestamp_ms,
                headers=list(record.headers),
            )
        )
    await asyncio.gather(*acknowledged)


def place(record: Planned, partitions: int) -> int:
    """Where Java producers put it; a record without a key anywhere."""
    if record.key is None:
        return record.luck % partitions
    position: int = murmur2(record.key) & 0x7FFFFFFF
    return position % partitions


async def keep_forever(bootstrap_servers: str, topics: Iterable[str]) -> None:
    """Switch retention off: the stream's times lie far back, and retention would take it for old."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "-1"}) for topic in topics]
        )
    finally:
        await admin.close()
