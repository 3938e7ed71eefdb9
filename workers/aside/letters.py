"""Reads a dead letter topic in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from events.record import Record
from workers.kafka import record_of

PIECE_RECORDS: Final = 500
PIECE_BYTES: Final = 1_000_000
"""Of keys and values, and at most one fetch more."""
_TIMEOUT_S: Final = 10.0
"""To connect, or to read: a broker that is silent for this long is away."""
_READ_S: Final = 2.0
_FETCH_MS: Final = 200


class Piece(NamedTuple):
    """Records of a topic, and where the next piece begins."""

    records: list[Record]
    next: dict[int, int]
    """By partition. Where it is not below the end, the partition has been read."""


class LetterReader:
    """A consumer of one topic, without a group; to be used in `async with`, which closes it."""

    def __init__(self, arguments: Mapping[str, Any], topic: str) -> None:
        """`arguments` are those of workers.kafka.client_arguments. To be made inside a running event loop."""
        self._topic = topic
        self._consumer = AIOKafkaConsumer(
            **arguments,
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            # What retention has deleted meanwhile is passed over.
            auto_offset_reset="earliest",
        )

    async def __aenter__(self) -> Self:
        """Connect. Raises KafkaConnectionError or TimeoutError where no broker answers."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._consumer.start()
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._consumer.stop()

    async def bounds(self) -> tuple[dict[int, int], dict[int, int]] | None:
        """The first offset of each partition, and the one after its last committed record.

        None where there is no such topic. Raises KafkaError or TimeoutError.
        """
        async with asyncio.timeout(_TIMEOUT_S):
            if self._topic not in await self._consumer.topics():
                return None
            first = TopicPartition(self._topic, 0)
            self._consumer.assign([first])
            # aiokafka knows the partitions of a topic only when it has asked something about one of them.
            await self._consumer.beginning_offsets([first])
            numbers = self._consumer.partitions_for_topic(self._topic)
            partitions = [TopicPartition(self._topic, number) for number in numbers]
            begins = await self._consumer.beginning_offsets(partitions)
            ends = await self._consumer.end_offsets(partitions)
        return (
            {place.partition: offset for place, offset in begins.items()},
            {place.partition: offset for place, offset in ends.items()},
        )

    async def read(self, begin: Mapping[int, int], end: Mapping[int, int]) -> Piece:
        """A piece of what lies between offsets of each partition.

        Waits for it up to _READ_S; where nothing comes by then, the piece is empty and begins there again.
        Raises KafkaError or TimeoutError.
        """
        positions = dict(begin)
        left = [number for number, position in begin.items() if position < end[number]]
        places = [TopicPartition(self._topic, number) for number in left]
        records: list[Record] = []
        size = 0
        async with asyncio.timeout(_TIMEOUT_S):
            self._consumer.assign(places)
            for place in places:
                self._consumer.seek(place, begin[place.partition])
            loop = asyncio.get_running_loop()
            deadline = loop.time() + _READ_S
            while (
                any(positions[number] < end[number] for number in left)
                and len(records) < PIECE_RECORDS
                and size < PIECE_BYTES
                and loop.time() < deadline
            ):
                fetched = await self._consumer.getmany(
                    timeout_ms=_FETCH_MS, max_records=PIECE_RECORDS - len(records)
                )
                for place, some in fetched.items():
                    records += (record_of(each) for each in some if each.offset < end[place.partition])
                    size += sum(len(each.key or b"") + len(each.value or b"") for each in some)
                for place in places:
                    positions[place.partition] = await self._consumer.position(place)
        return Piece(records, positions)
