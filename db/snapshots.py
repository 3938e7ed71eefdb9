"""Whom a snapshot is to name, in pieces in the order of ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from db.queries import load

if TYPE_CHECKING:
    from db.connections import AnyConnection

_snapshots: Final = load("snapshots")


class Seen(NamedTuple):
    """A client that was come by."""

    client_id: str
    published: bool
    """Whether client-memberships has ever said something of it."""


async def group_ids(connection: AnyConnection, after: str, row_limit: int) -> list[str]:
    """The next groups behind the id `after`, deleted ones too; none at the end."""
    return [row[0] async for row in _snapshots.group_ids(connection, after=after, row_limit=row_limit)]


async def clients(connection: AnyConnection, after: str, row_limit: int) -> list[Seen]:
    """The next clients behind the id `after`; none at the end."""
    rows = _snapshots.client_ids(connection, after=after, row_limit=row_limit)
    return [Seen(*row) async for row in rows]
