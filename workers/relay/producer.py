"""The relay's side of Kafka: one transactional producer, and the position that moves in its transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    InvalidTimestampError,
    KafkaConnectionError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from aiokafka.partitioner import murmur2
from aiokafka.structs import OffsetAndMetadata

from events.topics import RELAY_POSITION
from workers.crashpoints import reach
from workers.relay.messages import Message

_POSITION: Final = TopicPartition(RELAY_POSITION.name, 0)
_REFUSALS: Final = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTimestampError)
LARGEST_RECORD: Final = 16 * 1024 * 1024
"""Bytes. No topic takes so much; a broker closes the connection on a request above its
socket.request.max.bytes (100 MB) without an answer, and the producer would try it again forever."""
STOP_TIMEOUT_S: Final = 2.0
"""A producer without work stops in milliseconds."""
_LOOK_FOR_BROKERS_S: Final = 0.5
"""A transaction takes 10 to 50 ms; one that takes longer may have lost its broker."""


@dataclass(frozen=True, slots=True)
class ProducerSettings:
    """How the relay speaks to Kafka."""

    kafka: Mapping[str, Any]
    """How to reach it: workers.kafka.client_arguments."""
    transactional_id: str
    group: str
    transaction_timeout_ms: int
    retry_backoff_ms: int
    compression_type: str | None
    batch_bytes: int
    """Where a batch is full. A record that is larger by itself goes alone."""


class RefusedError(Exception):
    """A topic refuses a batch for what is in it, and always will; nothing of the transaction is committed."""

    def __init__(self, topic: str, messages: Sequence[Message], size: int, *, too_large: bool = True) -> None:
        super().__init__(f"{topic} refuses a batch of {len(messages)} records, {size} bytes")
        self.messages = messages
        self.size = size
        self.too_large = too_large


class PositionUnreadableError(Exception):
    """Kafka did not say what the committed position is."""


@lru_cache(maxsize=65_536)
def _key_hash(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


def partition_of(key: bytes | None, partitions: int) -> int:
    """Where a record goes: by its key as Java's producers do it, without one to partition 0."""
    return _key_hash(key) % partitions if key else 0


class _Lane:
    """The batches of one partition, in order."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partition: int, *, one_by_one: bool) -> None:
        self._producer = producer
        self._topic = topic
        self._partition = partition
        self._one_by_one = one_by_one
        self._batches: list[tuple[Any, list[Message]]] = []

    def append(self, message: Message) -> None:
        """Put a message behind the others. Raises RefusedError when it is larger than any topic takes."""
        if self._batches and not self._one_by_one and self._put(*self._batches[-1], message):
            return
        batch, messages = self._producer.create_batch(), list[Message]()
        self._put(batch, messages, message)  # the first always fits
        if batch.size() > LARGEST_RECORD:
            raise RefusedError(self._topic, messages, batch.size())
        self._batches.append((batch, messages))

    @staticmethod
    def _put(batch: Any, messages: list[Message], message: Message) -> bool:
        if (
            batch.append(
                timestamp=message.timestamp_ms, key=message.key, value=message.value, headers=message.headers
            )
            is None
        ):
            return False
        messages.append(message)
        return True

    async def send(self) -> None:
        """Hand over all batches and wait until all are delivered. Raises RefusedError or KafkaError."""
        delivered = []
        for batch, messages in self._batches:
            # Waits until the batch before is on its way: one partition's batches go one at a time.
            future = await self._producer.send_batch(batch, self._topic, partition=self._partition)
            delivered.append((future, messages, batch))
        for future, messages, batch in delivered:
            try:
                await future
            except _REFUSALS as exc:
                too_large = not isinstance(exc, InvalidTimestampError)
                raise RefusedError(self._topic, messages, batch.size(), too_large=too_large) from exc


class RelayProducer:
    """One producer from its start to the first error; then it is dropped and another one started."""

    def __init__(self, settings: ProducerSettings) -> None:
        self._settings = settings
        self._producer = AIOKafkaProducer(
            **settings.kafka,
            transactional_id=settings.transactional_id,
            transaction_timeout_ms=settings.transaction_timeout_ms,
            # Later than that the broker has aborted the transaction anyway.
            request_timeout_ms=settings.transaction_timeout_ms,
            # The wait between a commit and the next transaction's first step, too: 100 ms by default.
            retry_backoff_ms=settings.retry_backoff_ms,
            acks="all",
            compression_type=settings.compression_type,
            max_batch_size=settings.batch_bytes,
        )

    async def start(self) -> int | None:
        """Fence every predecessor, then read the position; None when none is committed.

        In this order: after it no predecessor can commit any more, and what one had begun to commit
        is finished. Raises KafkaError (KafkaConnectionError when no broker answers) or
        PositionUnreadableError.
        """
        await self._producer.start()
        admin = AIOKafkaAdminClient(
            **self._settings.kafka,
            request_timeout_ms=self._settings.transaction_timeout_ms,
        )
        try:
            await admin.start()
            offsets = await admin.list_consumer_group_offsets(self._settings.group, partitions=[_POSITION])
        finally:
            await admin.close()
        if _POSITION not in offsets:
            # aiokafka drops an error of the group as a whole, and answers with no offsets. To take that
            # for "none committed" would be to send again what was sent.
            raise PositionUnreadableError(f"no answer about group {self._settings.group}")
        committed: int = offsets[_POSITION].offset
        return committed if committed >= 0 else None

    async def transact(self, next_seq: int, messages: Sequence[Message], *, one_by_one: bool = False) -> None:
        """Commit messages and position in one transaction.

        Returns when it is committed. After any exception (RefusedError, KafkaError, cancellation) it is
        not known whether it is: only a new producer can tell. Raises KafkaConnectionError soon after
        all brokers have gone; other troubles aiokafka tries to get over by itself, for ever.
        """
        work = asyncio.create_task(self._transact(next_seq, messages, one_by_one=one_by_one))
        try:
            while not (await asyncio.wait({work}, timeout=_LOOK_FOR_BROKERS_S))[0]:
                # Without a broker aiokafka tries every retry_backoff_ms, with a line in the log each time.
                if not await self._has_broker():
                    raise KafkaConnectionError("no broker answers")
            work.result()
        finally:
            work.cancel()
            await asyncio.wait({work})

    async def _transact(self, next_seq: int, messages: Sequence[Message], *, one_by_one: bool) -> None:
        lanes = await self._lanes(messages, one_by_one=one_by_one)
        await self._producer.begin_transaction()
        # The position first: aiokafka goes wrong when it comes behind messages (aio-libs/aiokafka #1004).
        await self._producer.send_offsets_to_transaction(
            {_POSITION: OffsetAndMetadata(next_seq, "")}, self._settings.group
        )
        await asyncio.gather(*(lane.send() for lane in lanes))
        # Only now: aiokafka commits even when a delivery failed.
        reach("relay-after-send")
        await self._producer.commit_transaction()

    async def _has_broker(self) -> bool:
        client = self._producer.client
        for broker in client.cluster.brokers():
            if await client.ready(broker.nodeId):
                return True
        return False

    async def _lanes(self, messages: Sequence[Message], *, one_by_one: bool) -> list[_Lane]:
        topics = {message.topic for message in messages}
        partitions = {topic: len(await self._producer.partitions_for(topic)) for topic in topics}
        lanes: dict[tuple[str, int], _Lane] = {}
        for message in messages:
            topic = message.topic
            place = (topic, partition_of(message.key, partitions[topic]))
            lane = lanes.get(place)
            if lane is None:
                lane = lanes[place] = _Lane(self._producer, *place, one_by_one=one_by_one)
            lane.append(message)
        return list(lanes.values())

    async def drop(self) -> None:
        """Let go of the producer, whatever state it is in; takes at most about 1.2 * STOP_TIMEOUT_S.

        Nothing more is sent. A transaction that is open stays open: the next start() ends it.
        """
        # stop() alone would first wait for deliveries, for ever where there is no broker. So its sender
        # is cancelled, twice: the first time it begins to wait for its requests, the second ends that.
        sender = self._producer._sender.sender_task  # noqa: SLF001 - there is no public way to give up
        for _ in range(2):
            if sender is not None and not sender.done():
                sender.cancel()
                await asyncio.wait({sender}, timeout=STOP_TIMEOUT_S / 10)
        stopping = asyncio.create_task(self._producer.stop())
        await asyncio.wait({stopping}, timeout=STOP_TIMEOUT_S)
        if stopping.done():
            stopping.exception()  # of no interest any more; asked for, so that asyncio does not report it
        else:
            stopping.cancel()
