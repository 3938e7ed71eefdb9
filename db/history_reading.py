"""The membership history as operators look at it: newest first, in pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from db.queries import load

if TYPE_CHECKING:
    from db.connections import AnyConnection

_reading: Final = load("history_reading")

NEWEST: Final = 2**63 - 1
"""A place above all others."""


class PastChange(NamedTuple):
    """A client joined or left a group."""

    client_id: str
    group_id: str
    joined: bool
    version: int
    source: str
    moment: str
    changed_at: datetime
    cause: str
    actor: str | None
    reason: str | None
    run_id: str | None
    place: int
    """In the list asked for: for a client the version, for a group that in the log. Newer is greater."""


async def of_client(
    connection: AnyConnection, client_id: str, group_id: str | None, before: int, limit: int
) -> list[PastChange]:
    """Changes of a client (in one group, where that is given) from below the place `before`, newest first."""
    rows = _reading.of_client(
        connection, client_id=client_id, group_id=group_id, before=before, row_limit=limit
    )
    return [PastChange(*row) async for row in rows]


async def last(connection: AnyConnection) -> int:
    """The place of the newest change of all, 0 where there is none."""
    place: int = await _reading.last(connection)
    return place


async def places_of_group(
    connection: AnyConnection, group_id: str, *, lowest: int, before: int, limit: int
) -> list[int]:
    """Where the changes of a group stand from `before` down to `lowest`, newest first, at most `limit`.

    Looks at every change between: half a second for a million.
    """
    rows = _reading.places_of_group(
        connection, group_id=group_id, lowest=lowest, before=before, row_limit=limit
    )
    return [row["seq"] async for row in rows]


async def at_places(connection: AnyConnection, places: Sequence[int]) -> list[PastChange]:
    """The changes at these places in the log, newest first."""
    return [PastChange(*row) async for row in _reading.at_places(connection, places=list(places))]
