"""What is kept to explain the past with: facts and pins as they were (written: db.net), for a time.

Facts of now are the client's own; of each state before it a row of `past_facts` says until when it held, and
which of the client's versions were decided by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from db.clients import Client, Payer, Verification, said_input, stamps_of
from db.queries import load
from db.stamps import Stamp

if TYPE_CHECKING:
    from asyncpg import Record

    from db.connections import AnyConnection

_evidence: Final = load("evidence")

PARAMETERS_KEPT: Final = 2_000
"""Characters of names and values of request parameters; a registration may bring 65,536."""

PAYERS_KEPT: Final = 6
"""As many kinds as rules tell apart."""


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
    given: dict[str, str] | None, read_by_rules: Set[str]
) -> tuple[dict[str, str] | None, bool]:
    """The request parameters that are kept, those that rules read first; and whether some are left out."""
    if not given:
        return None, False
    if sum(map(len, given)) + sum(map(len, given.values())) <= PARAMETERS_KEPT:
        return given, False
    kept: dict[str, str] = {}
    room = PARAMETERS_KEPT
    for name in sorted(given, key=lambda each: each not in read_by_rules):
        size = len(name) + len(given[name])
        if size <= room:
            room -= size
            kept[name] = given[name]
    return kept, len(kept) < len(given)


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


def past_input(past: PastFacts) -> tuple[Any, ...]:
    """PostgreSQL's type past_facts_input."""
    client = past.client
    ended = (past.client_id, past.until, past.last_version, past.decided)
    if client is None:
        return (*ended, None)
    said, otherwise = said_input(client.stamps)
    facts = orjson.dumps(
        (
            client.registered_at,
            client.country,
            client.geoip_country,
            client.geoip_build,
            client.provider_id,
            client.authorization_method,
            client.request_parameters,
            past.parameters_left_out,
            said and said[:],  # a slice is a plain tuple, which the encoder takes
            otherwise,
            _payers_kept(client.payers),
            _verifications_kept(client.verifications),
        )
    )
    return (*ended, facts)


def _past(row: Record | None) -> PastFacts | None:
    """The inverse of `past_input`."""
    if row is None:
        return None
    client_id, until, last_version, decided, facts = row
    if facts is None:
        return PastFacts(client_id, None, until, last_version, decided)
    registered_at, country, geoip_country, build, *facts = orjson.loads(facts)
    provider_id, method, parameters, left_out, said, otherwise, payers, verifications = facts
    client = Client(
        client_id,
        datetime.fromisoformat(registered_at),
        country=country,
        geoip_country=geoip_country,
        geoip_build=build,
        provider_id=provider_id,
        authorization_method=method,
        request_parameters=parameters,
        stamps={} if said is None else stamps_of(*_stamp(said), otherwise),
        payers={key: Payer(status, active, False, _stamp(stamp)) for key, status, active, stamp in payers},
        verifications={method: Verification(_stamp(stamp)) for method, stamp in verifications.items()},
    )
    return PastFacts(client_id, client, until, last_version, decided, left_out)


def _stamp(kept: tuple[str, int]) -> Stamp:
    at, order = kept
    return Stamp(datetime.fromisoformat(at), order)


def _payers_kept(payers: Mapping[str, Payer]) -> list[tuple[Any, ...]]:
    """Those that rules can see, and of many only one for each kind that rules tell apart."""
    seen = [(key, each) for key, each in payers.items() if not each.deleted and each.status is not None]
    if len(seen) > PAYERS_KEPT:
        # The one said last is kept of each.
        seen.sort(key=lambda one: one[1].stamp)
        seen = list({(each.status, each.active): (key, each) for key, each in seen}.values())
    return [(key, each.status, each.active, each.stamp[:]) for key, each in seen]


def _verifications_kept(verifications: Mapping[str, Verification]) -> dict[str, tuple[Any, ...]]:
    return {
        method: kept.passed[:]
        for method, kept in verifications.items()
        if kept.is_passed and kept.passed is not None
    }
