"""Clients as operators look at them: without locks, so that nobody waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from db.clients import Client, client_of
from db.queries import load

if TYPE_CHECKING:
    from db.connections import AnyConnection

_reading: Final = load("client_reading")


class MembershipInForce(NamedTuple):
    """How and since when a client is in a group, pins counted."""

    source: str
    since: datetime
    source_at: datetime
    """When it came to be by this source."""
    actor: str | None
    reason: str | None


class PinInForce(NamedTuple):
    """How a client is held in a group or out of it."""

    held_in: bool
    said_at: datetime
    expires_at: datetime | None
    actor: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class ClientAsItIs:
    """A client and where it is, at one moment."""

    client: Client
    """Its facts, payers and verifications only."""
    memberships: dict[str, MembershipInForce]
    pins: dict[str, PinInForce]


async def find(connection: AnyConnection, client_id: str) -> ClientAsItIs | None:
    """One client, or None where nothing was ever heard of it."""
    row = await _reading.card(connection, client_id=client_id)
    if row is None:
        return None
    *facts, memberships, pins = row
    return ClientAsItIs(
        client_of(facts),
        {
            group: MembershipInForce(source, since, source_at, actor, reason)
            for group, source, since, source_at, _, actor, reason in memberships or ()
        },
        {
            group: PinInForce(held_in, said_at, expires_at, actor, reason)
            for group, held_in, said_at, expires_at, _, actor, reason, *_ in pins or ()
        },
    )


async def exists(connection: AnyConnection, client_id: str) -> bool:
    """Whether anything was ever heard of a client."""
    known: bool = await _reading.exists(connection, client_id=client_id)
    return known


async def not_located(connection: AnyConnection, limit: int) -> list[Client]:
    """Registered clients whose country by address is not known, with their facts only; at most `limit`."""
    return [client_of(row) async for row in _reading.not_located(connection, row_limit=limit)]
