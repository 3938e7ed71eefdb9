"""Clients: their facts, payers, verifications and memberships, locked and read in bulk (written: db.net)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from db.connections import AnyConnection
from db.queries import load
from db.stamps import Stamp

if TYPE_CHECKING:
    from asyncpg import Record

_clients: Final = load("clients")
_NOT_READ: Final = datetime.min.replace(tzinfo=UTC)


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


class Membership(NamedTuple):
    """A client is in a group."""

    source: str
    since: datetime | None
    """When the client joined. None: it is in the database, and was not read, as nothing depends on it."""
    source_at: datetime
    """When it came to be by this source: the time of the record that said so."""
    cause: str
    actor: str | None = None
    reason: str | None = None


_BY_RULE: Final = Membership("rule", None, _NOT_READ, "")
"""Of a membership by rule only that it is there is read: nothing depends on the rest, and most are so."""


class Pin(NamedTuple):
    """A client is held in a group or out of it, whatever the rules say (mission B6)."""

    said_at: datetime
    """The time of the command."""
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
    """Those that would be without pins."""
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
    rows = _clients.lock(connection, client_ids="\n".join(client_ids))
    clients = {row[0]: _client(row) async for row in rows}
    for client_id in client_ids:
        if client_id not in clients:
            clients[client_id] = Client(client_id, new=True)
    return clients


def client_of(row: Sequence[Any]) -> Client:
    """The facts, payers and verifications of a client, as queries give them; the memberships are left out."""
    *facts, said_at, said_order, otherwise, payers, verifications = row
    client = Client(*facts)
    client.stamps = stamps_of(said_at, said_order, otherwise)
    for payer_id, status, active, deleted, at, order in payers or ():
        client.payers[payer_id] = Payer(status, active, deleted, Stamp(at, order))
    for method, *times in verifications or ():
        client.verifications[method] = Verification(*map(_stamp, times[::2], times[1::2]))
    return client


def _client(row: Record) -> Client:
    *known, by_rule, by_others, pins = row
    client = client_of(known)
    if by_rule:
        client.memberships = dict.fromkeys(by_rule, _BY_RULE)
    for group, *membership in by_others or ():
        client.memberships[group] = Membership(*membership)
    for group, is_in, said_at, expires_at, cause, actor, reason, *beneath in pins or ():
        held_in = client.memberships.pop(group) if is_in else None
        client.pins[group] = Pin(said_at, expires_at, cause, actor, reason, held_in)
        match beneath:
            case "rule", *_:
                client.memberships[group] = _BY_RULE
            case "manual" as source, source_at, *rest:
                client.memberships[group] = Membership(source, None, source_at, *rest)
    return client


def stamps_of(
    at: datetime | None, order: int | None, otherwise: Mapping[str, Any] | None
) -> dict[str, Stamp]:
    """When each fact was said, from the stamp that most share and those of the others."""
    if at is None or order is None:
        return {}
    stamps = dict.fromkeys(FACT_FIELDS, Stamp(at, order))
    for name, stamp in (otherwise or {}).items():
        if stamp is None:
            del stamps[name]
        else:
            stamps[name] = Stamp(datetime.fromisoformat(stamp[0]), stamp[1])
    return stamps


def said_input(stamps: dict[str, Stamp]) -> tuple[Stamp | None, dict[str, Any] | None]:
    """One stamp that facts share, and those of the others."""
    if not stamps:
        return None, None
    # Nearly all facts come with the registration, and parameters with nothing else.
    shared = stamps.get("request_parameters") or next(iter(stamps.values()))
    others = {name: stamp for name in FACT_FIELDS if (stamp := stamps.get(name)) != shared}
    # Times as they are: the codec writes them in a fraction of what isoformat takes.
    return shared, {name: stamp and [*stamp] for name, stamp in others.items()} or None


async def pinned_to(connection: AnyConnection, group: str, client_ids: Sequence[str]) -> set[str]:
    """Which of these clients are pinned to a group, in or out."""
    rows = _clients.pinned_to(connection, group_id=group, client_ids=list(client_ids))
    return {row["client_id"] async for row in rows}


async def with_expired_pins(connection: AnyConnection, now: datetime, limit: int) -> set[str]:
    """Some of the clients that have pins that have expired, those that expired first; at most `limit`."""
    return {row["client_id"] async for row in _clients.with_expired_pins(connection, now=now, limit=limit)}


def _stamp(at: datetime | None, order: int | None) -> Stamp | None:
    return None if at is None or order is None else Stamp(at, order)
