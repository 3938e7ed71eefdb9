"""What is kept to explain the past with: facts and pins as they were (written: db.net), for a time.

Facts of now are the client's own; of each state before it a row of `past_facts` says until when it held, and
which of the client's versions were decided by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from db.clients import Client, Payer, Verification, stamps_of
from db.queries import load
from db.stamps import Stamp

if TYPE_CHECKING:
    from asyncpg import Record

    from db.connections import AnyConnection

_evidence: Final = load("evidence")

PARAMETERS_KEPT: Final = 2_000
"""Characters of names and values of request parameters; a registration may bring 65,536."""


@dataclass(slots=True)
class PastFacts:
    """A state of a client's facts that ended."""

    client_id: str
    client: Client | None
    """With its facts, payers and verifications as they were; None: they are erased."""
    until: datetime
    last_version: int = 0
    """The versions up to here were decided by it or before, and those in `decided`."""
    decided: list[int] | None = None
    parameters_left_out: bool = False
    """The client had more request parameters than are kept."""


class PastPin(NamedTuple):
    """A pin that ended or was replaced: PostgreSQL's type past_pin_input."""

    client_id: str
    group_id: str
    held_in: bool
    said_at: datetime
    until: datetime
    expires_at: datetime | None
    actor: str
    reason: str | None


def as_it_is(client: Client) -> Client:
    """A copy of the facts that stays as it is when the client is changed."""
    return Client(
        client.client_id,
        client.registered_at,
        client.deleted_at,
        client.version,
        client.country,
        None,
        client.geoip_country,
        client.geoip_build,
        client.provider_id,
        client.authorization_method,
        client.request_parameters,
        dict(client.stamps),
        dict(client.payers),
        dict(client.verifications),
    )


def kept_parameters(
    given: Mapping[str, str] | None, read_by_rules: Set[str]
) -> tuple[dict[str, str] | None, bool]:
    """The request parameters that are kept, those that rules read first; and whether some are left out."""
    if not given:
        return None, False
    kept: dict[str, str] = {}
    room = PARAMETERS_KEPT
    for name in sorted(given, key=lambda each: each not in read_by_rules):
        size = len(name) + len(given[name])
        if size <= room:
            room -= size
            kept[name] = given[name]
    return kept, len(kept) < len(given)


def alike_payers(payers: Mapping[str, Payer]) -> dict[str, Payer]:
    """Of the payers that rules can see, one for each that is different to them: the one said last."""
    newest: dict[tuple[str | None, bool], tuple[str, Payer]] = {}
    for payer_id, payer in payers.items():
        if payer.deleted or payer.status is None:
            continue
        kind = (payer.status, payer.active)
        if kind not in newest or payer.stamp > newest[kind][1].stamp:
            newest[kind] = (payer_id, payer)
    return dict(newest.values())


async def at_time(connection: AnyConnection, client_id: str, at: datetime) -> PastFacts | None:
    """The state that held at a time; None: the one of now, or the client was not registered then."""
    return _past(await _evidence.at_time(connection, client_id=client_id, at=at))


async def of_version(connection: AnyConnection, client_id: str, version: int) -> PastFacts | None:
    """The state that a version of the client was decided by; None: the one of now."""
    return _past(await _evidence.of_version(connection, client_id=client_id, version=version))


async def pin_at(connection: AnyConnection, client_id: str, group: str, at: datetime) -> PastPin | None:
    """The pin that has ended since and held at a time."""
    row = await _evidence.pin_at(connection, client_id=client_id, group_id=group, at=at)
    return None if row is None else PastPin(*row)


class Version(NamedTuple):
    """Where a client's history was at a moment."""

    version: int
    changed_at: datetime
    rules_version: int | None
    """Of the rule set; None where it was not kept."""


async def version_at(connection: AnyConnection, client_id: str, at: datetime) -> Version | None:
    """The last of a client's versions up to a time; None: there was none yet."""
    row = await _evidence.version_at(connection, client_id=client_id, at=at)
    return None if row is None else Version(*row)


async def version(connection: AnyConnection, client_id: str, number: int) -> Version | None:
    """One of a client's versions; None: there is no such one."""
    row = await _evidence.version(connection, client_id=client_id, version=number)
    return None if row is None else Version(*row)


async def going_to_leave(connection: AnyConnection, client_id: str, group: str) -> str | None:
    """The run that collected the client's leave of the group, and waits with it."""
    run_id: str | None = await _evidence.going_to_leave(connection, client_id=client_id, group_id=group)
    return run_id


async def oldest(connection: AnyConnection) -> datetime | None:
    """The oldest moment that can be explained; None: all can. To be read after what it is about."""
    moment: datetime | None = await _evidence.oldest(connection)
    return moment


async def prune(connection: AnyConnection, before: datetime, limit: int) -> int:
    """Delete some of what ended before a time; answers how many rows. At most twice `limit`."""
    await _evidence.raise_horizon(connection, before=before)
    pruned: int = await _evidence.prune(connection, before=before, row_limit=limit)
    return pruned


def _past(row: Record | None) -> PastFacts | None:
    if row is None:
        return None
    client_id, until, last_version, decided, erased, registered_at, *facts = row
    if erased:
        return PastFacts(client_id, None, until, last_version, decided)
    country, geoip_country, build, provider_id, method, parameters, left_out, *said, payers, checks = facts
    client = Client(
        client_id,
        registered_at,
        country=country,
        geoip_country=geoip_country,
        geoip_build=build,
        provider_id=provider_id,
        authorization_method=method,
        request_parameters=parameters,
        stamps=stamps_of(*said),
        payers={
            payer_id: Payer(status, active, deleted=False, stamp=_stamp(at, order))
            for payer_id, status, active, at, order in payers or ()
        },
        verifications={method: Verification(_stamp(*passed)) for method, passed in (checks or {}).items()},
    )
    return PastFacts(client_id, client, until, last_version, decided, left_out)


def _stamp(at: str, order: int) -> Stamp:
    return Stamp(datetime.fromisoformat(at), order)


def payers_kept(payers: Mapping[str, Payer]) -> list[list[Any]] | None:
    """As past_facts has them."""
    return [
        [payer_id, payer.status, payer.active, payer.stamp.at.isoformat(), payer.stamp.order]
        for payer_id, payer in alike_payers(payers).items()
    ] or None


def verifications_kept(verifications: Iterable[tuple[str, Verification]]) -> dict[str, list[Any]] | None:
    """As past_facts has them."""
    return {
        method: [kept.passed.at.isoformat(), kept.passed.order]
        for method, kept in verifications
        if kept.passed is not None and kept.is_passed
    } or None
