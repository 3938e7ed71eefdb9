"""What a check of all clients reads: facts and memberships of a range of them, in one snapshot, unlocked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from db.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from db.connections import AnyConnection

_sweeps: Final = load("sweeps")


class Seen(NamedTuple):
    """A registered client as a check sees it."""

    client_id: str
    country: str | None
    looked_up: bool
    """Whether `geoip_country` is known, be it that there is none."""
    geoip_country: str | None
    provider_id: str | None
    authorization_method: str | None
    request_parameters: Mapping[str, str] | None
    payers: Sequence[str] | None
    """Each kind once: its status, with `-` behind it where it is not active."""
    verifications: Sequence[str] | None
    """The methods passed."""
    by_rule: Sequence[str] | None
    """Of the groups asked for, those it is in by rule."""
    by_hand: Sequence[str] | None
    pinned: bool
    """It is pinned to one of the groups asked for."""
    has_failed_lookup: bool
    """It has an address that was never looked up: what is unknown of it is owed."""


async def read(connection: AnyConnection, after_id: str, last_id: str, groups: Sequence[str]) -> list[Seen]:
    """The registered clients whose id is beyond `after_id` and up to `last_id`. Locks nothing."""
    rows = _sweeps.read_clients(connection, after_id=after_id, last_id=last_id, groups=list(groups))
    return [Seen(*row) async for row in rows]


async def read_next(
    connection: AnyConnection, after_id: str, limit: int, groups: Sequence[str]
) -> list[Seen]:
    """The next `limit` registered clients whose id is beyond `after_id`, by id. Locks nothing."""
    rows = _sweeps.read_next_clients(connection, after_id=after_id, row_limit=limit, groups=list(groups))
    return [Seen(*row) async for row in rows]


async def count(connection: AnyConnection) -> int:
    """How many clients are registered. Takes about a tenth of a second for each million."""
    registered: int = await _sweeps.count_clients(connection)
    return registered
