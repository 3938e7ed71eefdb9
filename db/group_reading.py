"""Groups as operators look at them: without locks, so that nobody waits."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from db import groups
from db.groups import StoredGroup
from db.providers import Provider
from db.queries import load

if TYPE_CHECKING:
    from db.connections import AnyConnection

_reading: Final = load("group_reading")


class Summary(NamedTuple):
    """A group in a list; the columns of the query."""

    group: str
    name: str
    version: int
    updated_at: datetime
    updated_by: str
    upon_registration: bool
    upon_change: bool
    periodic: bool
    conditions: int
    members: int
    used_by: int
    warnings: int
    """How many values of its conditions no active provider is or has."""


class Member(NamedTuple):
    """A client in a group."""

    client_id: str
    source: str
    since: datetime


async def summaries(
    connection: AnyConnection, after: str, limit: int, offered_by: Collection[Provider]
) -> list[Summary]:
    """The groups behind the id `after`, in the order of ids, at most `limit`."""
    rows = _reading.summaries(
        connection,
        after=after,
        row_limit=limit,
        providers=[each.provider_id for each in offered_by],
        methods=list({method for each in offered_by for method in each.authorization_methods}),
    )
    return [Summary(*row) async for row in rows]


async def find(connection: AnyConnection, group_id: str) -> StoredGroup | None:
    """One group as one transaction left it, or None where there is none (any more)."""
    # A group takes two statements to read, and may be put between them. A lock would have its writer wait,
    # and all batches behind that; so it is read until it comes out the same twice.
    stored = await groups.find(connection, group_id)
    while stored != (again := await groups.find(connection, group_id)):
        stored = again
    return stored if stored is not None and stored.state == "active" else None


async def member_count(connection: AnyConnection, group_id: str) -> int:
    """How many are in a group."""
    members: int = await _reading.member_count(connection, group_id=group_id)
    return members


async def members(connection: AnyConnection, group_id: str, after: str, limit: int) -> list[Member]:
    """The clients in a group behind the id `after`, in the order of ids, at most `limit`."""
    rows = _reading.members(connection, group_id=group_id, after=after, row_limit=limit)
    return [Member(*row) async for row in rows]
