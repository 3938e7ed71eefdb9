"""Clients as after months, written by COPY: facts, payers, verifications, memberships, history.

The database's own triggers check what is written. Who is in which group is what the rules say, but for those
who are to join at the next check, and as many who are to leave. The same seed gives the same clients.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from random import Random
from typing import Any, Final, NamedTuple

import asyncpg

from db import groups as stored_groups
from db import pool as pools
from db.groups import StoredGroup
from events.groups import Group
from rules.model import Facts, GroupRules, Payer
from rules.ruleset import RuleSet
from tests.benchmarks.stream import BUSY_COUNTRIES, CHECKS, METHODS, PROVIDERS, QUIET_COUNTRIES, STATUSES
from workers.commands.group_records import group_of

PIECE: Final = 20_000
"""Clients in one COPY: made by one process while the one before is written."""
_WHEN: Final = "2026-01-01 00:00:00+00"
_BUILD: Final = 1_700_000_000
_COLUMNS: Final = {
    "clients": "client_id registered_at version country ip geoip_country geoip_build provider_id"
    " authorization_method request_parameters said_at said_order",
    "payers": "client_id payer_id status active deleted changed_at change_order",
    "verifications": "client_id method passed_at passed_order",
    "memberships": "client_id group_id source since source_at cause",
    "membership_history": "seq client_id version group_id joined source moment changed_at cause",
}
"""In an order in which the triggers let them in."""


@dataclass(frozen=True, slots=True)
class Population:
    """What is to be written."""

    clients: int
    groups: Sequence[dict[str, Any]]
    """As `put-group` takes them."""
    busy: float = 0.27
    """The share of the clients from countries that the stream's groups ask for."""
    campaigns: int = 0
    """Of so many one stands in each client's request parameters."""
    drift: float = 0.01
    """The share of the clients who are to join a group at the next check, and of who are to leave one."""


class Written(NamedTuple):
    """What came of it."""

    clients: int
    memberships: int
    to_join: int
    to_leave: int
    seconds: float


@dataclass(slots=True)
class _Piece:
    texts: dict[str, bytes]
    memberships: int = 0
    to_join: int = 0
    to_leave: int = 0


async def write(database_url: str, population: Population) -> Written:
    """Write it into a database without clients, before any worker has run. A minute for a million."""
    began = time.monotonic()
    connection = await asyncpg.connect(
        database_url, server_settings={**pools.BY_KEY, "synchronous_commit": "off", "timezone": "UTC"}
    )
    await pools.prepare(connection)
    total = _Piece({})
    loop = asyncio.get_running_loop()
    try:
        rules = await _write_groups(connection, population.groups)
        with ProcessPoolExecutor(1, initializer=_begin, initargs=(population, rules)) as maker:
            starts = range(0, population.clients, PIECE)
            coming = [loop.run_in_executor(maker, _make, start) for start in starts[:2]]
            for start in starts:
                piece = await coming.pop(0)
                if start + 2 * PIECE < population.clients:
                    coming.append(loop.run_in_executor(maker, _make, start + 2 * PIECE))
                for table, text in piece.texts.items():
                    await connection.copy_to_table(
                        table, source=io.BytesIO(text), columns=_COLUMNS[table].split()
                    )
                total.memberships += piece.memberships
                total.to_join += piece.to_join
                total.to_leave += piece.to_leave
        # What is there already is not to be sent by the worker's relay.
        last = max(total.memberships, 1)
        await connection.execute(f"SELECT setval('log_seq', {last})")
        await connection.execute("UPDATE relay_position SET next_seq = $1", last + 1)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    seconds = time.monotonic() - began
    return Written(population.clients, total.memberships, total.to_join, total.to_leave, seconds)


async def _write_groups(
    connection: asyncpg.Connection[asyncpg.Record], given: Sequence[dict[str, Any]]
) -> list[GroupRules]:
    now = datetime.now(UTC)
    async with connection.transaction():
        for each in given:
            group = group_of(Group.model_validate(each))
            await stored_groups.store(connection, StoredGroup(group, 1, now, "bench"), cause="bench/0/0")
    rules, _ = await stored_groups.rules_since(connection, 0)
    return rules


@dataclass(slots=True)
class _Maker:
    population: Population
    rules: RuleSet
    ids: list[str]
    next_seq: int = 1
    """Of the history: pieces are made one after another."""


_maker: _Maker | None = None
"""Of the process that makes pieces."""


def _begin(population: Population, rules: list[GroupRules]) -> None:
    global _maker  # noqa: PLW0603 - what a pool's process is begun with has no other place
    _maker = _Maker(population, RuleSet.compile(rules), [each.group for each in rules])


def _make(start: int) -> _Piece:
    """The clients from number `start` on, as the text that COPY takes."""
    assert _maker is not None
    population, rules, ids = _maker.population, _maker.rules, _maker.ids
    chance = Random(start)
    rows: dict[str, list[str]] = {table: [] for table in _COLUMNS}
    piece = _Piece({})
    every = population.drift and round(1 / population.drift)
    for number in range(start, min(start + PIECE, population.clients)):
        client = str(number)
        facts, payers = _facts(chance, population, number)
        groups = rules.decode(rules.evaluate(facts).surely)
        if every and groups and piece.to_join < (number - start + 1) / every:
            del groups[chance.randrange(len(groups))]
            piece.to_join += 1
        elif every and piece.to_leave < (number - start + 1) / every:
            extra = chance.choice(ids)
            if extra not in groups:
                groups.append(extra)
                piece.to_leave += 1
        parameters = ", ".join(f'"{name}": "{value}"' for name, value in facts.request_parameters.items())
        rows["clients"].append(
            f"{client}\t{_WHEN}\t{len(groups)}\t{facts.country}\t203.0.113.{number % 254}\t"
            f"{facts.geoip_country}\t{_BUILD}\t{facts.provider_id}\t{facts.authorization_method}\t"
            f"{{{parameters}}}\t{_WHEN}\t{number}"
        )
        rows["payers"] += [
            f"{client}\t{place}\t{each.status}\t{each.active}\tf\t{_WHEN}\t{number}"
            for place, each in enumerate(payers)
        ]
        rows["verifications"] += [
            f"{client}\t{method}\t{_WHEN}\t{number}" for method in sorted(facts.verification_methods)
        ]
        for place, group in enumerate(groups, 1):
            cause = f"client-registered/{number % 8}/{number}"
            rows["memberships"].append(f"{client}\t{group}\trule\t{_WHEN}\t{_WHEN}\t{cause}")
            rows["membership_history"].append(
                f"\t{client}\t{place}\t{group}\tt\trule\tregistration\t{_WHEN}\t{cause}"
            )
    rows["membership_history"] = [
        f"{seq}{row}" for seq, row in enumerate(rows["membership_history"], _maker.next_seq)
    ]
    piece.memberships = len(rows["memberships"])
    _maker.next_seq += piece.memberships
    piece.texts = {table: "".join(f"{row}\n" for row in found).encode() for table, found in rows.items()}
    return piece


def _facts(chance: Random, population: Population, number: int) -> tuple[Facts, list[Payer]]:
    draw = chance.random
    countries = BUSY_COUNTRIES if draw() < population.busy else QUIET_COUNTRIES
    parameters = {
        "fromsite": "true" if draw() < 0.5 else "false",
        "utm": ("spring-1", "spring-2", "summer-7", "winter-3")[int(draw() * 4)],
        "visit": str(int(draw() * 1_000_000)),
    }
    if population.campaigns:
        parameters["campaign"] = f"c{number % population.campaigns}"
    payers = [
        Payer(STATUSES[int(draw() * 3)], active=draw() < 0.8) for _ in range((0, 1, 1, 2)[int(draw() * 4)])
    ]
    mask = int(draw() * 16)
    facts = Facts(
        countries[int(draw() * len(countries))],
        ("DE", "FR", "US", "NL")[int(draw() * 4)],
        PROVIDERS[int(draw() * 4)],
        METHODS[int(draw() * 4)],
        parameters,
        frozenset(payers),
        _methods(mask),
    )
    return facts, payers


@lru_cache(maxsize=16)
def _methods(mask: int) -> frozenset[str]:
    return frozenset(method for place, method in enumerate(CHECKS) if mask >> place & 1)
