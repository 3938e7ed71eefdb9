"""The next offset to take of each input partition. It moves in the transaction that does the work."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from db.queries import load

Partition = tuple[str, int]
"""A topic and the number of one of its partitions."""


async def read(connection: Any, partitions: Iterable[Partition]) -> dict[Partition, int | None]:
    """The position of each partition asked for; None where there is none yet."""
    asked = list(partitions)
    topics, numbers = _columns(asked)
    rows = [
        row async for row in load("positions").read_positions(connection, topics=topics, partitions=numbers)
    ]
    found = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
    return {partition: found.get(partition) for partition in asked}


async def read_all(connection: Any) -> dict[Partition, int]:
    """All positions there are, sorted by topic and partition."""
    rows = [row async for row in load("positions").list_positions(connection)]
    return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def create(connection: Any, positions: Mapping[Partition, int]) -> None:
    """Give partitions their first position. One that exists by now stays as it is: read it again."""
    topics, numbers = _columns(positions)
    await load("positions").create_positions(
        connection, topics=topics, partitions=numbers, next_offsets=list(positions.values())
    )


async def advance(connection: Any, slices: Sequence[tuple[str, int, int, int]]) -> set[Partition]:
    """Move positions from `start` to `end` for each (topic, partition, start, end).

    Part of the caller's transaction.

    Returns the partitions that moved. One that is missing from the result was not at `start` (another
    worker has it, or an earlier batch failed): its records must not be worked on. Blocks while another
    transaction holds one of the rows; the rows are locked in one order, so two callers cannot deadlock here.
    """
    topics, numbers = _columns((topic, partition) for topic, partition, _, _ in slices)
    rows = [
        row
        async for row in load("positions").advance_positions(
            connection,
            topics=topics,
            partitions=numbers,
            starts=[start for _, _, start, _ in slices],
            ends=[end for _, _, _, end in slices],
        )
    ]
    return {(row["topic"], row["partition"]) for row in rows}


async def set_position(connection: Any, topic: str, partition: int, next_offset: int) -> int | None:
    """Set one position whatever it was, for an operator who knows what is skipped or done again.

    Returns what it was; None if there was none. A worker that has the partition notices within seconds.
    """
    before: int | None = await load("positions").set_position(
        connection, topic=topic, partition=partition, next_offset=next_offset
    )
    return before


async def relay_backlog(connection: Any) -> int:
    """How many rows of the log the relay has not sent yet, by its mirror, which may lag a little."""
    backlog: int = await load("positions").relay_backlog(connection)
    return backlog


def _columns(partitions: Iterable[Partition]) -> tuple[list[str], list[int]]:
    topics: list[str] = []
    numbers: list[int] = []
    for topic, number in partitions:
        topics.append(topic)
        numbers.append(number)
    return topics, numbers
