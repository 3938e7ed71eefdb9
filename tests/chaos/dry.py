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
from tests.chaos.publisher import place
from tests.chaos.stream import Chunk, Plan, plan, setup
from tests.chaos.tables import read_tables
from tests.support.model_decode import INPUTS, Raw
from workers.batches import Batch, Slice
from workers.commands import CommandHandler
from workers.handlers import BatchHandler, HandlerSettings
from workers.rulesets import RuleSets

PARTITIONS = 3
ONE_PARTITION = frozenset({"group-commands", "provider-changed", "group-usage-changed"})
LANES = 4
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


async def dry_run(database_url: str, seed: int, *, clients: int, events: int) -> Evidence:
    """All that the handlers leave in the database; what the relay would send stands in for the outputs."""
    rng = Random(seed)
    logs = Logs(rng)
    pool = await pools.create(database_url)
    try:
        rulesets = RuleSets()
        handler = BatchHandler(
            pool,
            rulesets,
            CommandHandler(rulesets, max_ahead=timedelta(minutes=5)),
            lambda ip: (country_of(ip), 1),
            settings=HandlerSettings(trace_inputs=True),
            clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        )
        for step in setup():
            logs.append(Chunk(tuple(step)))
            while logs.waiting():
                await _some(pool, handler, logs)
        for chunk in plan(Plan(seed, clients, events)):
            logs.append(chunk)
            if logs.waiting() > rng.randint(0, 400):
                await _some(pool, handler, logs)
        while logs.waiting():
            await _some(pool, handler, logs)
        outputs = await _outputs(pool)
    finally:
        await pool.close()
    return Evidence(logs.inputs, outputs, await read_tables(database_url))


async def _some(pool: asyncpg.Pool[asyncpg.Record], handler: BatchHandler, logs: Logs) -> None:
    """One batch a lane, side by side."""
    busy: set[Place] = set()
    batches = [logs.take(busy) for _ in range(LANES)]
    async with pool.acquire() as connection:
        await positions.create(connection, dict.fromkeys(busy, 0))
    for outcome in await asyncio.gather(*map(handler.handle, batches)):
        assert not outcome.moved, outcome


async def _outputs(pool: asyncpg.Pool[asyncpg.Record]) -> dict[str, list[Raw]]:
    rows = await pool.fetch("SELECT * FROM outgoing_records WHERE kind = 'record' ORDER BY seq")
    outputs: dict[str, list[Raw]] = defaultdict(list)
    for row in rows:
        headers = tuple(zip(row["header_names"], row["header_values"], strict=True))
        outputs[row["topic"]].append(
            Raw(row["topic"], 0, row["seq"], row["timestamp_ms"] or 0, row["key"], row["value"], headers)
        )
    return outputs
