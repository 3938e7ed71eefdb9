"""Commands that were taken and are done aside, each as the record that it came in."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from db.queries import load

if TYPE_CHECKING:
    from db.connections import AnyConnection

_aside: Final = load("aside")


class Waiting(NamedTuple):
    """A command that is not answered yet."""

    aside_id: int
    command_id: str | None
    """What names the command, so that it is done once; None where only its record does."""
    topic: str
    partition: int
    kafka_offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes | None]]
    taken_at: datetime
    """The worker's clock when the command was taken."""
    progress: dict[str, Any] | None
    """None: it was not begun."""


async def put(
    connection: AnyConnection,
    *,
    command_id: str | None,
    topic: str,
    partition: int,
    kafka_offset: int,
    timestamp_ms: int,
    key: bytes | None,
    value: bytes,
    headers: list[tuple[str, bytes | None]],
    taken_at: datetime,
    long: bool,
) -> None:
    """Put a command aside. Two of one `command_id` are done in turn; `long` ones are claimed apart."""
    await _aside.put(
        connection,
        command_id=command_id,
        topic=topic,
        partition=partition,
        kafka_offset=kafka_offset,
        timestamp_ms=timestamp_ms,
        key=key,
        value=value,
        header_names=[name for name, _ in headers],
        header_values=[content for _, content in headers],
        taken_at=taken_at,
        long=long,
    )


async def claim(connection: AnyConnection, *, long: bool) -> Waiting | None:
    """The command whose turn it is, held until the transaction ends; None where there is none to be had.

    Does not wait: commands that other transactions hold are passed over.
    """
    row = await _aside.claim(connection, long=long)
    if row is None:
        return None
    *record, names, values, taken_at, progress = row
    headers = list(zip(names, values, strict=True))
    return Waiting(*[*record, headers, taken_at, progress])


async def keep(connection: AnyConnection, aside_id: int, progress: dict[str, Any] | None) -> None:
    """Keep how far a command got; the others have their turn before it goes on."""
    await _aside.keep(connection, aside_id=aside_id, progress=progress)


async def defer(connection: AnyConnection, aside_id: int) -> None:
    """Let the others have their turn before a command is tried again."""
    await _aside.defer(connection, aside_id=aside_id)


async def remove(connection: AnyConnection, aside_id: int) -> None:
    """Forget a command that was answered."""
    await _aside.remove(connection, aside_id=aside_id)


async def fail(connection: AnyConnection, aside_id: int) -> int:
    """Let the others have their turn after a failed step; answers how many failed in a row, 0: gone."""
    failures: int | None = await _aside.fail(connection, aside_id=aside_id)
    return failures or 0
