"""Records in, log out, synchronously and without Kafka: the handlers on a real database, a hand-moved clock.

The idea is Kafka Streams' TopologyTestDriver. What stands between the handlers and Kafka (intake and
relay) has tests of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import asyncpg
import orjson
import pytest

from db import pool as pools
from db import positions
from events.record import Record
from workers.commands.handler import CommandHandler
from workers.handlers import BatchHandler, HandlerSettings
from workers.intake.batches import Batch, Outcome, Slice
from workers.membership.rulesets import RuleSets
from workers.runs.geoip_watch import GeoIPWatch
from workers.runs.pin_expiry import PinExpiry
from workers.runs.runner import Runner
from workers.runs.scheduler import Scheduler

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
COUNTRIES = {"192.0.2": "DE", "198.51.100": "FR", "203.0.113": "US"}
GEOIP_BUILD = 1_700_000_000
HELD_FOR = timedelta(days=7)


@dataclass
class GeoIPTable:
    """Addresses by their first three parts; `readable` off = a database that is missing or broken."""

    readable: bool = True

    def __call__(self, ip: str) -> tuple[str | None, int | None]:
        if not self.readable:
            return None, None
        return COUNTRIES.get(ip.rpartition(".")[0]), GEOIP_BUILD


@dataclass
class Driver:
    """Drives one BatchHandler. Offsets count up by topic; everything has one partition."""

    pool: asyncpg.Pool[asyncpg.Record]
    handler: BatchHandler
    runner: Runner
    expiry: PinExpiry
    scheduler: Scheduler
    geoip_watch: GeoIPWatch
    geoip: GeoIPTable
    now: datetime = START
    offsets: dict[str, int] = field(default_factory=dict)

    def at(self, seconds: float) -> str:
        """A time so many seconds after the start, as it goes over the wire."""
        return (START + timedelta(seconds=seconds)).isoformat()

    def record(
        self,
        topic: str,
        value: Mapping[str, Any] | bytes,
        *,
        headers: Sequence[tuple[str, bytes | None]] = (),
        timestamp: datetime | None = None,
    ) -> Record:
        """The next record of a topic; its timestamp is the clock unless given."""
        offset = self.offsets.get(topic, 0)
        self.offsets[topic] = offset + 1
        return Record(
            topic,
            0,
            offset,
            int((timestamp or self.now).timestamp() * 1000),
            None,
            value if isinstance(value, bytes) else orjson.dumps(value),
            headers,
        )

    async def handle(self, *records: Record) -> Outcome:
        """Handle records as one batch."""
        by_topic: dict[str, list[Record]] = {}
        for record in records:
            by_topic.setdefault(record.topic, []).append(record)
        slices = []
        for topic, of_topic in by_topic.items():
            assert all(first.offset < second.offset for first, second in pairwise(of_topic))
            slices.append(Slice(topic, 0, of_topic[0].offset, of_topic[-1].offset + 1, of_topic))
        async with self.pool.acquire() as connection:
            await positions.create(connection, {(part.topic, 0): part.start for part in slices})
        return await self.handler.handle(Batch(tuple(slices)))

    async def publish(self, topic: str, **value: Any) -> None:
        """Handle one event or command, a second later than the one before."""
        self.now += timedelta(seconds=1)
        outcome = await self.handle(self.record(topic, value))
        assert not outcome.moved

    async def command(self, command: str, **fields: Any) -> dict[str, Any]:
        """Carry out one command; returns its answer."""
        await self.publish("group-commands", command=command, **fields)
        return (await self.sent("group-command-results"))[-1]

    async def run_all(self) -> int:
        """Do all that runs have to do; answers in how many steps."""
        steps = 0
        while await self.runner.step():
            steps += 1
        return steps

    async def expire_pins(self) -> None:
        """Take away the pins that have expired by the clock."""
        while await self.expiry.step():
            pass

    async def pins(self, client_id: str) -> dict[str, str]:
        """A client's pins, as `in` or `out`."""
        rows = await self.fetch(
            "SELECT group_id, CASE WHEN held_in THEN 'in' ELSE 'out' END FROM pins"
            " WHERE client_id = $1 ORDER BY group_id",
            client_id,
        )
        return dict(rows)

    async def fetch(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        return [tuple(row) for row in await self.pool.fetch(query, *arguments)]

    async def changes(self, client_id: str) -> list[str]:
        """A client's history, as `1 joined eu (rule, registration)`."""
        rows = await self.fetch(
            "SELECT version, joined, group_id, source, moment FROM membership_history"
            " WHERE client_id = $1 ORDER BY seq",
            client_id,
        )
        return [
            f"{version} {'joined' if joined else 'left'} {group} ({source}, {moment})"
            for version, joined, group, source, moment in rows
        ]

    async def groups(self, client_id: str) -> dict[str, str]:
        """A client's groups, with the source of each."""
        rows = await self.fetch(
            "SELECT group_id, source FROM memberships WHERE client_id = $1 ORDER BY group_id", client_id
        )
        return dict(rows)

    async def sent(self, topic: str) -> list[dict[str, Any]]:
        """The values put into the log for a topic."""
        rows = await self.fetch("SELECT value FROM outgoing_records WHERE topic = $1 ORDER BY seq", topic)
        return [orjson.loads(value) for (value,) in rows]

    async def snapshots(self) -> list[str]:
        """The clients whose memberships were ordered to be published though no version is new."""
        rows = await self.fetch(
            "SELECT key FROM outgoing_records WHERE kind = 'client_snapshot' ORDER BY seq"
        )
        return [key.decode() for (key,) in rows]


@asynccontextmanager
async def driver(database_url: str, *, trace_inputs: bool = False) -> AsyncIterator[Driver]:
    """A driver on a migrated database."""
    pool = await pools.create(database_url)
    rulesets = RuleSets()
    geoip = GeoIPTable()
    made: Driver

    def clock() -> datetime:
        return made.now

    def committed() -> None:
        """Nobody waits for the log here."""

    handler = BatchHandler(
        pool,
        rulesets,
        CommandHandler(rulesets, max_ahead=timedelta(minutes=5)),
        geoip,
        settings=HandlerSettings(trace_inputs=trace_inputs, longest_wait_s=0.2),
        clock=clock,
    )
    runner = Runner(
        pool,
        rulesets,
        geoip,
        can_look_up=lambda: geoip.readable,
        clock=clock,
        committed=committed,
    )
    expiry = PinExpiry(pool, rulesets, clock=clock, committed=committed)
    watch = GeoIPWatch(pool, lambda: geoip.readable, clock=clock, committed=committed)
    scheduler = Scheduler(pool, clock=clock, committed=committed, held_for=HELD_FOR)
    made = Driver(pool, handler, runner, expiry, scheduler, watch, geoip)
    try:
        yield made
    finally:
        await pool.close()


def condition(
    type: str,  # noqa: A002 - the field's name on the wire
    comparison: str = "equals",
    value: Any = None,
    group: int = 1,
    **more: Any,
) -> dict[str, Any]:
    """A condition as it goes over the wire."""
    given = {"condition_group": group, "type": type, "comparison": comparison, **more}
    return given if value is None else given | {"value": value}


@pytest.fixture
async def work(database_url: str) -> AsyncIterator[Driver]:
    """One on a database of its own."""
    async with driver(database_url) as made:
        yield made
