"""What a transaction makes different of its clients; written in one round trip, the log last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from db import locks, log, owed
from db.clients import Client, Membership, said_input
from db.evidence import PastFacts, PastPin, past_input
from db.log import HistoryRow, Outgoing
from db.owed import Owed
from db.queries import load

if TYPE_CHECKING:
    from db.connections import AnyConnection

_clients: Final = load("clients")
_NEVER: Final = (None, None)
Key = tuple[str, str]
"""A client's id, and that of what it has."""


@dataclass(slots=True)
class Net:
    """What is different of locked clients in the end. Clients hold what they are to be."""

    created: list[Client] = field(default_factory=list)
    """All clients that are `new`."""
    facts: list[Client] = field(default_factory=list)
    """Whose own row is different."""
    versions: list[Client] = field(default_factory=list)
    """Of whose own row only the version is different."""
    payers: list[tuple[Client, str]] = field(default_factory=list)
    payers_gone: list[Key] = field(default_factory=list)
    verifications: list[tuple[Client, str]] = field(default_factory=list)
    verifications_gone: list[Key] = field(default_factory=list)
    memberships: list[tuple[str, str, Membership]] = field(default_factory=list)
    memberships_gone: list[Key] = field(default_factory=list)
    pins: list[tuple[Client, str]] = field(default_factory=list)
    """Client and group, of pins that are different, or have something else beneath them."""
    pins_gone: list[Key] = field(default_factory=list)
    past_facts: list[PastFacts] = field(default_factory=list)
    """In the order of time for each client."""
    past_pins: list[PastPin] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)
    """Clients of whom all that is past is erased, before `past_facts` is written."""
    owed: list[Owed] = field(default_factory=list)
    settled: list[Key] = field(default_factory=list)
    """Client and group, of which no check is owed any more."""
    forgotten: list[str] = field(default_factory=list)
    """Clients to whom no check is owed any more."""
    history: list[HistoryRow] = field(default_factory=list)
    """In version order for each client."""
    snapshots: list[str] = field(default_factory=list)
    """Clients whose memberships are to be published though no version of theirs is new."""


async def write(
    connection: AnyConnection,
    net: Net,
    *,
    records: Sequence[Outgoing] = (),
    trace: Sequence[tuple[str, int, int]] = (),
) -> bool:
    """Write all that is different, the log last; answers whether anything was appended to the log.

    Waits for other transactions at the log, and holds it until the transaction ends: commit at once.
    Raises asyncpg.UniqueViolationError where another transaction has written a new client
    meanwhile: roll back and begin again (db.errors.is_transient says so).
    """
    if net.forgotten:
        await owed.forget_clients(connection, net.forgotten)
    if net.settled:
        await owed.settle(connection, net.settled)
    if net.owed:
        await owed.owe(connection, net.owed)
    await _clients.write_net(
        connection,
        # In id order, as everybody: two who meet on new clients do not wait for each other in a circle.
        created=[_row(client) for client in sorted(net.created, key=attrgetter("client_id"))],
        facts=[_row(client) for client in net.facts],
        versions=[(client.client_id, client.version) for client in net.versions],
        payers=[_payer(client, payer_id) for client, payer_id in net.payers],
        payers_gone=net.payers_gone,
        verifications=[_verification(client, method) for client, method in net.verifications],
        verifications_gone=net.verifications_gone,
        memberships=[(client_id, group, *membership) for client_id, group, membership in net.memberships],
        memberships_gone=net.memberships_gone,
        pins=[_pin(client, group) for client, group in net.pins],
        pins_gone=net.pins_gone,
        past_facts=[past_input(past) for past in net.past_facts],
        past_pins=net.past_pins,
        forgotten=net.erased,
        history=net.history,
        snapshots=net.snapshots,
        namespace=locks.NAMESPACE,
        log_lock=locks.LOG,
    )
    appended = await log.append(connection, records=records, trace=trace)
    return appended or bool(net.history or net.snapshots)


def _row(client: Client) -> tuple[Any, ...]:
    """PostgreSQL's type client_input."""
    shared, otherwise = said_input(client.stamps)
    return (
        client.client_id,
        client.registered_at,
        client.deleted_at,
        client.version,
        client.country,
        client.ip,
        client.geoip_country,
        client.geoip_build,
        client.provider_id,
        client.authorization_method,
        client.request_parameters,
        *(shared or _NEVER),
        otherwise,
    )


def _payer(client: Client, payer_id: str) -> tuple[Any, ...]:
    payer = client.payers[payer_id]
    return (client.client_id, payer_id, payer.status, payer.active, payer.deleted, *payer.stamp)


def _verification(client: Client, method: str) -> tuple[Any, ...]:
    kept = client.verifications[method]
    times = (kept.passed or _NEVER, kept.revoked or _NEVER, kept.failed or _NEVER)
    return (client.client_id, method, *times[0], *times[1], *times[2])


def _pin(client: Client, group: str) -> tuple[Any, ...]:
    """PostgreSQL's type pin_input. Of a membership by rule only that it is there is kept beneath."""
    pin, beneath = client.pins[group], client.memberships.get(group)
    return (
        client.client_id,
        group,
        pin.membership is not None,
        *pin[:-1],
        beneath and beneath.source,
        *(beneath[2:] if beneath is not None and beneath.source == "manual" else (None,) * 4),
    )
