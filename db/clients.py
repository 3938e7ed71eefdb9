"""Clients: their facts, payers, verifications and memberships, locked, read and written in bulk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from db.connections import AnyConnection
from db.queries import load
from db.stamps import Stamp

if TYPE_CHECKING:
    from asyncpg import Record

_clients: Final = load("clients")
_memberships: Final = load("memberships")


@dataclass(slots=True)
class Payer:
    """One payer, also a deleted one: an older record must not bring it back."""

    status: str | None
    active: bool
    deleted: bool
    stamp: Stamp


@dataclass(slots=True)
class Verification:
    """One verification method: the newest record of each result."""

    passed: Stamp | None = None
    revoked: Stamp | None = None
    failed: Stamp | None = None

    @property
    def is_passed(self) -> bool:
        """Whether it was passed and not revoked since."""
        return self.passed is not None and (self.revoked is None or self.passed > self.revoked)


@dataclass(frozen=True, slots=True)
class Membership:
    """A client is in a group."""

    source: str
    since: datetime
    source_at: datetime
    """When it came to be by this source: the time of the record that said so."""
    cause: str
    actor: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Pin:
    """A client is held in a group or out of it, whatever the rules say (mission B6)."""

    said_at: datetime
    expires_at: datetime | None
    cause: str
    actor: str
    reason: str | None
    membership: Membership | None
    """As what it holds the client in; None: it holds the client out."""


@dataclass(slots=True)
class Client:
    """All that is kept of one client. Mutable: a batch folds its events into it."""

    client_id: str
    registered_at: datetime | None = None
    deleted_at: datetime | None = None
    version: int = 0
    country: str | None = None
    ip: str | None = None
    geoip_country: str | None = None
    geoip_build: int | None = None
    provider_id: str | None = None
    authorization_method: str | None = None
    request_parameters: dict[str, str] | None = None
    stamps: dict[str, Stamp] = field(default_factory=dict)
    """When each of FACT_FIELDS was last said; one that is missing never was."""
    payers: dict[str, Payer] = field(default_factory=dict)
    verifications: dict[str, Verification] = field(default_factory=dict)
    memberships: dict[str, Membership] = field(default_factory=dict)
    """As they would be without pins."""
    pins: dict[str, Pin] = field(default_factory=dict)
    new: bool = False
    """There is no row of it yet."""

    @property
    def memberships_in_force(self) -> dict[str, Membership]:
        """The groups that the client is in, pins counted. Not to be changed."""
        if not self.pins:
            return self.memberships
        in_force = {group: each for group, each in self.memberships.items() if group not in self.pins}
        for group, pin in self.pins.items():
            if pin.membership is not None:
                in_force[group] = pin.membership
        return in_force


FACT_FIELDS: Final = ("country", "ip", "provider_id", "authorization_method", "request_parameters")
_PIN: Final = "pin"
_NEVER: Final = (None, None)
_NOTHING: Final = (None,) * 6
_MEMBERSHIP: Final = attrgetter("source", "since", "source_at", "cause", "actor", "reason")


def _stamp(at: datetime | None, order: int | None) -> Stamp | None:
    return None if at is None or order is None else Stamp(at, order)


def _client(row: Record) -> Client:
    *facts, said_at, said_order, otherwise = row
    client = Client(*facts)
    if said_at is not None:
        stamps = client.stamps = dict.fromkeys(FACT_FIELDS, Stamp(said_at, said_order))
        for name, stamp in (otherwise or {}).items():
            if stamp is None:
                del stamps[name]
            else:
                stamps[name] = Stamp(datetime.fromisoformat(stamp[0]), stamp[1])
    return client


def _said(client: Client) -> tuple[Stamp | None, dict[str, Any] | None]:
    """The stamp that most facts share, and those of the others."""
    stamps = client.stamps
    if not stamps:
        return None, None
    if len(stamps) == len(FACT_FIELDS) and len(set(stamps.values())) == 1:
        return next(iter(stamps.values())), None
    ((shared, _),) = Counter(stamps.values()).most_common(1)
    others = {name: stamps.get(name) for name in FACT_FIELDS if stamps.get(name) != shared}
    return shared, {name: stamp and [stamp.at.isoformat(), stamp.order] for name, stamp in others.items()}


def _add_membership(client: Client, row: Record, held: dict[tuple[str, str], Membership]) -> None:
    """Rows of memberships come before those of pins; `held` keeps between them as what pins hold in."""
    group = row["group_id"]
    membership = row["source"] and Membership(*row[2:8])
    if row["held_in"] is not None:
        client.pins[group] = Pin(
            row["said_at"],
            row["expires_at"],
            row["pin_cause"],
            row["pin_actor"],
            row["pin_reason"],
            held[client.client_id, group] if row["held_in"] else None,
        )
    elif membership.source == _PIN:
        held[client.client_id, group] = membership
        return
    if membership:
        client.memberships[group] = membership


def _input(client: Client) -> tuple[Any, ...]:
    """PostgreSQL's type client_input."""
    shared, otherwise = _said(client)
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
        shared and shared.at,
        shared and shared.order,
        otherwise,
    )


async def lock(connection: AnyConnection, client_ids: Collection[str]) -> dict[str, Client]:
    """Lock clients until the transaction ends and read all that is kept of them.

    Waits for other transactions that hold one of them; rows are locked in id order, so that two of
    these never wait for each other. Clients not seen before come `new`: what is not there cannot be
    locked, but to write it fails, with an error that passes, if another transaction did so first. So
    each `new` client is to be written, even if nothing is to be said of it: only then is it sure that
    it was not there.
    """
    # One text in place of an array: the driver looks at every element of an array, twice. Ids hold
    # no control characters, so that a newline can part them.
    ids = "\n".join(sorted(client_ids))
    clients = {row["client_id"]: _client(row) async for row in _clients.lock(connection, client_ids=ids)}
    if clients:
        # Each statement sees what is committed by then: also of clients that the first one did not find.
        async for row in _clients.payers(connection, client_ids=ids):
            if row["client_id"] not in clients:
                continue
            clients[row["client_id"]].payers[row["payer_id"]] = Payer(
                row["status"], row["active"], row["deleted"], Stamp(row["changed_at"], row["change_order"])
            )
        async for row in _clients.verifications(connection, client_ids=ids):
            if row["client_id"] not in clients:
                continue
            clients[row["client_id"]].verifications[row["method"]] = Verification(
                _stamp(row["passed_at"], row["passed_order"]),
                _stamp(row["revoked_at"], row["revoked_order"]),
                _stamp(row["failed_at"], row["failed_order"]),
            )
        held: dict[tuple[str, str], Membership] = {}
        async for row in _memberships.of_clients(connection, client_ids=ids):
            client = clients.get(row["client_id"])
            if client is not None:
                _add_membership(client, row, held)
    for client_id in client_ids:
        if client_id not in clients:
            clients[client_id] = Client(client_id, new=True)
    return clients


async def insert(connection: AnyConnection, clients: Collection[Client]) -> None:
    """Write clients not seen before, in id order, before what refers to them.

    Raises asyncpg.UniqueViolationError where another transaction has written one of them meanwhile:
    roll back and begin again (db.errors.is_transient says so).
    """
    if clients:
        rows = [_input(client) for client in sorted(clients, key=attrgetter("client_id"))]
        await _clients.insert_clients(connection, clients=rows)


async def store_facts(connection: AnyConnection, clients: Sequence[Client]) -> None:
    """Write the rows of locked clients: facts and version."""
    if not clients:
        return
    await _clients.store_facts(connection, clients=[_input(client) for client in clients])


async def store_versions(connection: AnyConnection, clients: Sequence[Client]) -> None:
    """Write only the versions of locked clients."""
    if clients:
        await _clients.store_versions(
            connection,
            client_ids=[client.client_id for client in clients],
            version=[client.version for client in clients],
        )


async def store_payers(
    connection: AnyConnection, changed: Collection[tuple[Client, str]], erased: Collection[tuple[str, str]]
) -> None:
    """Write the named payers of locked clients, and erase others."""
    if erased:
        await _clients.erase_payers(
            connection, client_ids=[key[0] for key in erased], payer_ids=[key[1] for key in erased]
        )
    if changed:
        rows = []
        for client, payer_id in changed:
            payer = client.payers[payer_id]
            rows.append((client.client_id, payer_id, payer.status, payer.active, payer.deleted, *payer.stamp))
        await _clients.store_payers(connection, payers=rows)


async def store_verifications(
    connection: AnyConnection, changed: Collection[tuple[Client, str]], erased: Collection[tuple[str, str]]
) -> None:
    """Write the named verification methods of locked clients, and erase others."""
    if erased:
        await _clients.erase_verifications(
            connection, client_ids=[key[0] for key in erased], method=[key[1] for key in erased]
        )
    if changed:
        rows = []
        for client, method in changed:
            kept = client.verifications[method]
            rows.append(
                (
                    client.client_id,
                    method,
                    *(kept.passed or _NEVER),
                    *(kept.revoked or _NEVER),
                    *(kept.failed or _NEVER),
                )
            )
        await _clients.store_verifications(connection, verifications=rows)


async def store_memberships(
    connection: AnyConnection,
    changed: Collection[tuple[str, str, Membership]],
    erased: Collection[tuple[str, str]],
) -> None:
    """Write memberships of locked clients, and erase others."""
    if erased:
        await _memberships.erase(
            connection, client_ids=[key[0] for key in erased], group_ids=[key[1] for key in erased]
        )
    if changed:
        await _memberships.store(
            connection,
            memberships=[
                (client_id, group_id, *_MEMBERSHIP(membership)) for client_id, group_id, membership in changed
            ],
        )


async def store_pins(
    connection: AnyConnection, changed: Collection[tuple[Client, str]], erased: Collection[tuple[str, str]]
) -> None:
    """Write the pins of locked clients on the named groups, with what is beneath them, and erase others."""
    if erased:
        await _memberships.erase_pins(
            connection, client_ids=[key[0] for key in erased], group_ids=[key[1] for key in erased]
        )
    if changed:
        rows = []
        for client, group in changed:
            pin, beneath = client.pins[group], client.memberships.get(group)
            rows.append(
                (
                    client.client_id,
                    group,
                    pin.membership is not None,
                    pin.said_at,
                    pin.expires_at,
                    pin.cause,
                    pin.actor,
                    pin.reason,
                    *(_MEMBERSHIP(beneath) if beneath is not None else _NOTHING),
                )
            )
        await _memberships.store_pins(connection, pins=rows)


async def expired_pins(connection: AnyConnection, now: datetime, limit: int) -> set[str]:
    """Some clients that have pins that have expired, at most `limit`."""
    return {row["client_id"] async for row in _memberships.expired_pins(connection, now=now, limit=limit)}


async def next_expiry(connection: AnyConnection) -> datetime | None:
    """When the next pin expires; None where none does."""
    expiry: datetime | None = await _memberships.next_expiry(connection)
    return expiry
