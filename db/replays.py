"""Dead letters that were put back, and the records that stand here as they are too large for a topic."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final, NamedTuple

from db.log import Outgoing
from db.queries import load

if TYPE_CHECKING:
    from db.connections import AnyConnection

_replays: Final = load("replays")


class LetterKey(NamedTuple):
    """What tells one record of an input from all others.

    The time too: offsets begin again where a topic is made anew.
    """

    partition: int
    offset: int
    timestamp: int
    """Milliseconds since the epoch."""


async def count(
    connection: AnyConnection, topic: str, letters: Collection[LetterKey], *, command: str
) -> dict[LetterKey, int]:
    """Note that records of `topic` are put back by a command, which is named by its cause.

    Answers how often each was put back by now, and leaves out what this command has put back already: a
    record that died twice has two dead letters.
    """
    keys = list(set(letters))
    rows = _replays.count(
        connection,
        topic=topic,
        command=command,
        partitions=[key.partition for key in keys],
        offsets=[key.offset for key in keys],
        timestamps=[key.timestamp for key in keys],
    )
    return {LetterKey(*row[:3]): row["times"] async for row in rows}


async def kept_record(connection: AnyConnection, kept_id: int) -> Outgoing | None:
    """The whole record that a small one stands for; None where there is none of this id."""
    row = await _replays.kept_record(connection, kept_id=kept_id)
    if row is None:
        return None
    headers = list(zip(row["header_names"], row["header_values"], strict=True))
    return Outgoing(row["topic"], row["key"], row["value"], headers, row["timestamp_ms"])
