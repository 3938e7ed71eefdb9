"""What it costs to keep what the past is explained with, and how soon an explanation is there.

The cost: batches through the handler on the database, without Kafka, in turns as it is and with a worker
that keeps no past facts. How soon: beside a million clients with ten changes each, written by COPY.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from statistics import median
from typing import Any, Final
from unittest.mock import patch

import asyncpg

from db import pool as pools
from db import positions
from db.clients import FACT_FIELDS, Client
from db.evidence import PastFacts, past_input
from db.stamps import Stamp
from events.commands import Explain
from events.record import Record
from tests.benchmarks.stand import Stand
from tests.benchmarks.stream import BUSY, QUIET, TOPICS, Input, Mix, Stream
from workers.commands.handler import CommandHandler
from workers.explaining.explanations import explain_membership
from workers.handlers import BatchHandler
from workers.intake.batches import Batch, Slice
from workers.membership.rulesets import RuleSets
from workers.membership.touched import Touched

PARTITION: Final = 999
"""That no topic has."""
BATCH: Final = 1_000
PIECE: Final = 50_000
"""Clients in one COPY."""
CHANGES: Final = 10
"""Of each client."""
_WHEN: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    events: int = 40_000
    population: int = 20_000
    rounds: int = 3
    mixes: tuple[Mix, ...] = (QUIET, BUSY)
    clients: int = 1_000_000
    asked: int = 300
    """Explanations of each kind."""


async def run(stand: Stand, size: Size, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure both."""
    found: dict[str, Any] = {"keeping": {}}
    for mix in size.mixes:
        say(f"evidence, {mix.name} stream: preparing {size.population:,} clients")
        found["keeping"][mix.name] = await _keeping(stand, mix, size, say)
    say(f"explain: writing {size.clients:,} clients with {size.clients * CHANGES:,} changes")
    await stand.clear()
    began = time.monotonic()
    pool = await pools.create(stand.stack.database_url)
    try:
        await _grow(pool, size.clients)
        say(f"explain: asking, after {time.monotonic() - began:.0f} s")
        found["explain_ms"] = await _ask(pool, size)
    finally:
        await pool.close()
    await stand.clear()
    return found


async def _keeping(stand: Stand, mix: Mix, size: Size, say: Callable[[str], None]) -> dict[str, Any]:
    stream = Stream(mix, seed=2, prefix=f"evidence-{mix.name}")
    await stand.clear()
    await stand.work_off(stream.population(size.population))
    await stand.keep()
    records = stream.take(size.events)
    rates: dict[str, list[float]] = {"with": [], "without": []}
    processor: dict[str, list[float]] = {"with": [], "without": []}
    rows = size_of_row = 0
    for number in range(size.rounds):
        for way in ("with", "without") if number % 2 else ("without", "with"):
            say(f"evidence, {mix.name} stream, round {number + 1} of {size.rounds}: {way}")
            await stand.restore({})
            pool = await pools.create(stand.stack.database_url)
            try:
                before = _processor_time(stand)
                with _keeping_nothing() if way == "without" else _as_it_is():
                    rates[way].append(await _throughput(pool, records))
                processor[way].append((_processor_time(stand) - before) * 1e6 / len(records))
                if way == "with":
                    rows = await pool.fetchval("SELECT count(*) FROM past_facts")
                    size_of_row = await pool.fetchval(
                        "SELECT coalesce(avg(pg_column_size(p)), 0)::int FROM past_facts AS p"
                    )
            finally:
                await pool.close()
    return {
        "events": size.events,
        "events_per_second": {way: round(median(found)) for way, found in rates.items()},
        "rounds": {way: [round(rate) for rate in found] for way, found in rates.items()},
        "processor_us_per_event": {way: median(found) for way, found in processor.items()},
        # By the processor time: on a busy machine the rates say more about what else goes on.
        "cost": median(processor["with"]) / median(processor["without"]) - 1,
        "rows_per_event": rows / size.events,
        "bytes_per_row": size_of_row,
    }


def _processor_time(stand: Stand) -> float:
    """Seconds that this process and PostgreSQL have used."""
    return time.process_time() + stand.processor_time({})["PostgreSQL"]


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


@contextmanager
def _keeping_nothing() -> Iterator[None]:
    """A worker that does all but keep past facts."""
    with (
        patch("workers.membership.work.as_it_is", lambda client: client),
        patch.object(Touched, "facts_ended", lambda *_: None),
    ):
        yield


async def _throughput(pool: asyncpg.Pool[asyncpg.Record], records: list[Input]) -> float:
    rulesets = RuleSets()
    handler = BatchHandler(
        pool, rulesets, CommandHandler(rulesets, max_ahead=timedelta(minutes=5)), lambda _: ("DE", 1)
    )
    batches = list(_batches(records))
    async with pool.acquire() as connection:
        await connection.execute("DELETE FROM input_positions WHERE partition = $1", PARTITION)
        await positions.create(connection, {(topic, PARTITION): 0 for topic in TOPICS})
    began = time.perf_counter()
    for batch in batches:
        outcome = await handler.handle(batch)
        assert not outcome.moved
    return len(records) / (time.perf_counter() - began)


def _batches(records: list[Input]) -> Iterator[Batch]:
    offsets = dict.fromkeys(TOPICS, 0)
    now = int(time.time() * 1_000)
    for some in _parts(records):
        by_topic: dict[str, list[Record]] = {}
        for topic, key, value in some:
            of_topic = by_topic.setdefault(topic, [])
            of_topic.append(Record(topic, PARTITION, offsets[topic] + len(of_topic), now, key, value, ()))
        slices = []
        for topic, of_topic in by_topic.items():
            start = offsets[topic]
            offsets[topic] = start + len(of_topic)
            slices.append(Slice(topic, PARTITION, start, offsets[topic], of_topic))
        yield Batch(tuple(slices))


def _parts(records: list[Input]) -> Iterator[list[Input]]:
    rest = iter(records)
    while some := list(islice(rest, BATCH)):
        yield some


async def _grow(pool: asyncpg.Pool[asyncpg.Record], clients: int) -> None:
    """Clients who went in and out of the first group, with their countries of those times."""
    async with pool.acquire() as connection:
        await connection.execute("SET synchronous_commit = off")
        group = await connection.fetchval("SELECT group_id FROM groups ORDER BY group_id")
        # It was there all the time.
        rules = await connection.fetchval(
            "UPDATE group_versions SET changed_at = $2 WHERE group_id = $1 RETURNING rules_version",
            group,
            _WHEN,
        )
        for start in range(0, clients, PIECE):
            for table, columns, text in _piece(start, min(start + PIECE, clients), group, rules):
                await connection.copy_to_table(
                    table, source=io.BytesIO(text.encode()), columns=columns.split(), timeout=600
                )
        await connection.execute("ANALYZE", timeout=600)


def _piece(start: int, end: int, group: str, rules: int) -> Iterator[tuple[str, str, str]]:
    numbers = range(start, end)
    yield (
        "clients",
        "client_id registered_at version country provider_id said_at said_order",
        "".join(f"c{number}\t{_WHEN}\t{CHANGES}\tUS\t1\t{_WHEN}\t{number}\n" for number in numbers),
    )
    times = [_WHEN + timedelta(days=place) for place in range(1, CHANGES + 1)]
    yield (
        "membership_history",
        "seq client_id version group_id joined source moment changed_at cause rules_version",
        "".join(
            f"{number * CHANGES + place}\tc{number}\t{place}\t{group}\t{'ft'[place % 2]}\trule\tchange\t"
            f"{at}\tclient-changed/1/{number}\t{rules}\n"
            for number in numbers
            for place, at in enumerate(times, 1)
        ),
    )
    facts = {country: _facts(country) for country in ("DE", "FR")}
    yield (
        "past_facts",
        "client_id until last_version facts",
        "".join(
            f"c{number}\t{at}\t{place}\t\\\\x{facts[('FR', 'DE')[place % 2]]}\n"
            for number in numbers
            for place, at in enumerate(times[1::3], 1)
        ),
    )


def _facts(country: str) -> str:
    """In hexadecimal digits."""
    client = Client("", _WHEN, country=country, provider_id="1")
    client.stamps = dict.fromkeys(FACT_FIELDS, Stamp(_WHEN, 1))
    facts: bytes = past_input(PastFacts("", client, _WHEN))[-1]
    return facts.hex()


async def _ask(pool: asyncpg.Pool[asyncpg.Record], size: Size) -> dict[str, dict[str, float]]:
    chance = Random(1)
    group = await pool.fetchval("SELECT group_id FROM groups ORDER BY group_id")
    found = {}
    for kind in ("now", "version", "at"):
        took = []
        for _ in range(size.asked):
            then: dict[str, Any] = {}
            if kind == "version":
                then = {"version": chance.randint(1, CHANGES)}
            elif kind == "at":
                then = {"at": (_WHEN + timedelta(hours=chance.randint(1, 24 * CHANGES))).isoformat()}
            client = f"c{chance.randrange(size.clients)}"
            command = Explain.model_validate(
                {"command": "explain", "client_id": client, "group": group, **then}
            )
            began = time.perf_counter()
            async with pool.acquire() as connection, connection.transaction():
                await explain_membership(connection, command, None, datetime.now(UTC))
            took.append((time.perf_counter() - began) * 1_000)
        took.sort()
        found[kind] = {"p50": median(took), "p99": took[len(took) * 99 // 100], "max": took[-1]}
    return found
