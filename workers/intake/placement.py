"""Where to begin reading each partition, by the database, and whether the log still has that place."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from db import positions


@dataclass(frozen=True, slots=True)
class Placement:
    """The position of one partition, and the first and the next offset that its log has."""

    position: int
    first: int
    end: int

    @property
    def problem(self) -> str | None:
        """A sentence for an operator if the position is outside the log; else None."""
        if self.position < self.first:
            return (
                f"the position {self.position} is below the first offset {self.first} that Kafka still has:"
                f" {self.first - self.position} offsets were deleted by retention before they were read"
            )
        if self.position > self.end:
            return (
                f"the position {self.position} is above the end {self.end} of the log:"
                " the topic was made anew, or the brokers lost records"
            )
        return None


async def place(
    consumer: AIOKafkaConsumer,
    pool: asyncpg.Pool[asyncpg.Record],
    partitions: Collection[TopicPartition],
) -> dict[TopicPartition, Placement]:
    """Read the position of each partition; one that has none gets its log's first offset.

    Blocks until database and brokers have answered. Raises their errors.
    """
    # The database first: an end read before the position could be below it, as another worker may
    # still be finishing its batch.
    held = await positions.read(pool, partitions)
    first = await consumer.beginning_offsets(list(partitions))
    end = await consumer.end_offsets(list(partitions))
    async with pool.acquire() as connection:
        new = {
            (tp.topic, tp.partition): first[tp] for tp in partitions if held[tp.topic, tp.partition] is None
        }
        if new:
            await positions.create(connection, new)
            held |= await positions.read(connection, new)
    found = {}
    for tp in partitions:
        position = held[tp.topic, tp.partition]
        assert position is not None
        found[tp] = Placement(position, first[tp], end[tp])
    return found
