"""The same stream through the handlers alone, in random batches on a real database: many seeds fast."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from datetime import UTC, datetime, timedelta
from random import Random

import asyncpg

from db import pool as pools
from db import positions
from events.record import Record
from tests.chaos.evidence import Evidence, country_of
from tests.chaos.overseer import Overseer
from tests.chaos.publisher import place
from tests.chaos.stream import Chunk, Plan, plan, setup
from tests.chaos.tables import groups, read_tables, runs
from tests.chaos.witness import watch_runs
from tests.support.model_decode import INPUTS, Raw
from workers.commands.handler import CommandHandler
from workers.handlers import BatchHandler, HandlerSettings
from workers.intake.batches import Batch, Slice
from workers.membership.rulesets import RuleSets
from workers.runs.runner import Runner
from workers.runs.scheduler import Scheduler

PARTITIONS = 3
ONE_PARTITION = frozenset({"group-commands", "provider-changed", "group-usage-changed"})
LANES = 4
RUNNERS = 3
Place = tuple[str, int]


class Logs:
    """The input topics in memory, with holes in the offsets as transactions leave them."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._ends: defaultdict[Place, int] = defaultdict(int)
        self._open: defaultdict[Place, deque[Record]] = defaultdict(deque)
        self._starts: defaultdict[Place, int] = defaultdict(int)
        self.inputs: dict[str, list[Raw]] = {topic: [] for topic in INPUTS}

    def append(self, chunk: Chunk) -> None:
        """Publish; what is aborted leaves only a hole."""
        for record in chunk.records:
            partitions = 1 if record.topic in ONE_PARTITION else PARTITIONS
            where = (record.topic, place(record, partitions))
            offset = self._ends[where]
            self._ends[where] += 1 + (self._rng.random() < 0.1)
            if chunk.transaction == "abort":
                continue
            parts = (*where, offset, record.timestamp_ms, record.key, record.value, record.headers)
            self._open[where].append(Record(*parts))
            self.inputs[record.topic].append(Raw(*parts))

    def take(self, busy: set[Place]) -> Batch:
        """Some records of some partitions that nobody has in hand."""
        slices = []
        for where in sorted(self._ends):
            if where in busy or self._rng.random() < 0.5:
                continue
            log = self._open[where]
            count = self._rng.choice([0, 1, 2, self._rng.randint(1, 80)])
            records = [log.popleft() for _ in range(min(count, len(log)))]
            start = self._starts[where]
            end = log[0].offset if log else self._ends[where]
            self._starts[where] = end
            slices.append(Slice(*where, start, end, records))
            busy.add(where)
        return Batch(tuple(slices))

    def waiting(self) -> int:
        """Records not taken yet."""
        return sum(map(len, self._open.values()))


class DryRun:
    """Handlers, runners and scheduler on one database, side by side."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], database_url: str, rng: Random) -> None:
        """The clock goes on by `minutes`."""
        self._pool = pool
        self._database_url = database_url
        self._rng = rng
        self.logs = Logs(rng)
        self._overseer = Overseer(rng, self._clock)
        self._now = datetime(2026, 1, 1, tzinfo=UTC)
        self._ending = False
        rulesets = RuleSets()

        def look_up(ip: str) -> tuple[str | None, int | None]:
            return country_of(ip), 1

        self._handler = BatchHandler(
            pool,
            rulesets,
            CommandHandler(rulesets, max_ahead=timedelta(minutes=5)),
            look_up,
            settings=HandlerSettings(trace_inputs=True),
            clock=self._clock,
        )
        self._runner = Runner(
            pool,
            rulesets,
            look_up,
            can_look_up=lambda: True,
            clock=self._clock,
            committed=_nobody_waits,
        )
        self._scheduler = Scheduler(
            pool, clock=self._clock, committed=_nobody_waits, held_for=timedelta(minutes=20)
        )

    def _clock(self) -> datetime:
        return self._now

    async def some(self) -> None:
        """One batch a lane and a few chunks side by side; now and then a look at the runs and the clock."""
        busy: set[Place] = set()
        batches = [self.logs.take(busy) for _ in range(LANES)]
        async with self._pool.acquire() as connection:
            await positions.create(connection, dict.fromkeys(busy, 0))
        chunks = [self._runner.step() for _ in range(self._rng.randrange(RUNNERS + 1))]
        outcomes = asyncio.gather(*map(self._handler.handle, batches))
        await asyncio.gather(outcomes, *chunks)
        for outcome in outcomes.result():
            assert not outcome.moved, outcome
        if not self._ending and self._rng.random() < 0.3:
            for command in self._overseer.look(await runs(self._database_url)):
                self.logs.append(Chunk((command,)))
        if self._rng.random() < 0.1:
            self._now += timedelta(minutes=1)
            await self._scheduler.tick()

    async def all(self) -> None:
        """Until nothing waits, and no run is going."""
        while self.logs.waiting() or await self._runner.step():
            await self.some()

    async def check_all(self) -> None:
        """Each group once more, when all is over and nobody undoes anything any more."""
        self._ending = True
        for group in await groups(self._database_url):
            self.logs.append(Chunk((self._overseer.check(group),)))
        await self.all()
        while held := self._overseer.approve_all(await runs(self._database_url)):
            for command in held:
                self.logs.append(Chunk((command,)))
            await self.all()


async def dry_run(database_url: str, seed: int, *, clients: int, events: int) -> Evidence:
    """All that the handlers leave in the database; what the relay would send stands in for the outputs."""
    rng = Random(seed)
    await watch_runs(database_url)
    pool = await pools.create(database_url)
    try:
        dry = DryRun(pool, database_url, rng)
        for step in setup():
            dry.logs.append(Chunk(tuple(step)))
            await dry.all()
        for chunk in plan(Plan(seed, clients, events)):
            dry.logs.append(chunk)
            if dry.logs.waiting() > rng.randint(0, 400):
                await dry.some()
        await dry.all()
        await dry.check_all()
        outputs = await _outputs(pool)
    finally:
        await pool.close()
    return Evidence(dry.logs.inputs, outputs, await read_tables(database_url))


def _nobody_waits() -> None:
    """For the log, here."""


async def _outputs(pool: asyncpg.Pool[asyncpg.Record]) -> dict[str, list[Raw]]:
    rows = await pool.fetch("SELECT * FROM outgoing_records WHERE kind = 'record' ORDER BY seq")
    outputs: dict[str, list[Raw]] = defaultdict(list)
    for row in rows:
        headers = tuple(zip(row["header_names"], row["header_values"], strict=True))
        outputs[row["topic"]].append(
            Raw(row["topic"], 0, row["seq"], row["timestamp_ms"] or 0, row["key"], row["value"], headers)
        )
    return outputs
