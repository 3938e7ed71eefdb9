"""What a check of all clients reads: facts and memberships of a range of them, in one snapshot, unlocked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from db.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from db.connections import AnyConnection

_sweeps: Final = load("sweeps")

RANGE: Final = 2_000
"""Clients in a range: tens of milliseconds. Fewer cost more round trips, more hold the rules longer."""
_STATUSES: Final = ("legal_entity", "individual", "sole_proprietor")
PAYERS: Final = tuple((status, active) for active in (True, False) for status in _STATUSES)
"""Status and whether active, by their bit in `Seen.payers`."""
METHODS: Final = ("email", "phone", "manual", "payment_method")
"""By their bit in `Seen.verifications`."""


class Reads(NamedTuple):
    """What is read beside the client's own row; what is not read comes as if there were none."""

    parameters: bool = True
    payers: bool = True
    verifications: bool = True


EVERYTHING: Final = Reads()


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
    payers: int | None
    """The kinds of payers it has, as bits: see PAYERS."""
    verifications: int | None
    """The methods passed, as bits: see METHODS."""
    by_rule: str | None
    """Of the groups asked for, those it is in by rule, parted by newlines."""
    by_hand: str | None
    pinned: bool
    """It is pinned to one of the groups asked for."""
    has_failed_lookup: bool
    """It has an address that was never looked up: what is unknown of it is owed."""


async def read(
    connection: AnyConnection, after_id: str, last_id: str, groups: Sequence[str], reads: Reads = EVERYTHING
) -> list[Seen]:
    """The registered clients whose id is beyond `after_id` and up to `last_id`, in order. Locks nothing."""
    asked = _asked(after_id, groups, reads)
    return [Seen._make(row) async for row in _sweeps.read_clients(connection, last_id=last_id, **asked)]


async def read_next(
    connection: AnyConnection, after_id: str, groups: Sequence[str], reads: Reads = EVERYTHING
) -> list[Seen]:
    """The next RANGE registered clients whose id is beyond `after_id`, in order. Locks nothing."""
    asked = _asked(after_id, groups, reads)
    return [Seen._make(row) async for row in _sweeps.read_next_clients(connection, row_limit=RANGE, **asked)]


def _asked(after_id: str, groups: Sequence[str], reads: Reads) -> dict[str, object]:
    """What both queries are asked."""
    return {
        "after_id": after_id,
        "groups": list(groups),
        "with_parameters": reads.parameters,
        "with_payers": reads.payers,
        "with_verifications": reads.verifications,
    }


async def count(connection: AnyConnection) -> int:
    """How many clients are registered. Takes about a tenth of a second for each million."""
    registered: int = await _sweeps.count_clients(connection)
    return registered
