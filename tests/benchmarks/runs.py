"""A run over all clients, beside reading the same, a query a group, and a loop; memory; events meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import psutil

from db import pool as pools
from db import runs
from db.runs import Order
from tests.benchmarks import kafka
from tests.benchmarks.latency import Arrivals, cause_of, percentiles
from tests.benchmarks.population import Population, Written, write
from tests.benchmarks.run_peers import floor, loop, query_a_group
from tests.benchmarks.singles import Singles
from tests.benchmarks.stand import ONE_PROCESS, Stand, until
from tests.benchmarks.stream import groups
from workers.handlers import utc_now
from workers.runs.records import new_run_id

CHANGES: Final = "membership-changed"
TIMEOUT: Final = 1_800.0  # seconds for a run
BETWEEN_S: Final = 0.03
"""Between two single events, about."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    clients: tuple[int, ...] = (100_000, 1_000_000)
    rounds: int = 3
    singles: int = 300
    """Events at rest, and as many as there is time for while a run goes."""
    queried_groups: int = 100
    looped_clients: int = 2_000


async def run(folder: Path, size: Size, say: Callable[[str], None]) -> dict[int, dict[str, Any]]:
    """Measure; answers a result for each number of clients. A stack is made for each, and removed."""
    found = {}
    for clients in size.clients:
        say(f"runs: writing {clients:,} clients")
        async with Stand(folder, records=()) as stand:
            database_url = stand.stack.database_url
            written = await write(database_url, Population(clients, _groups()))
            found[clients] = await _measure(stand, written, size, say)
    return found


def _groups() -> list[dict[str, Any]]:
    """The stream's, and nothing is held: who leaves one of them at random may be many of a small group."""
    switches = {"hold_leaves_over": None}
    return [{**group, "auto_assignment": {**group["auto_assignment"], **switches}} for group in groups()]


async def _measure(stand: Stand, written: Written, size: Size, say: Callable[[str], None]) -> dict[str, Any]:
    url = stand.stack.database_url
    clients = written.clients
    say(f"runs: a query a group, {size.queried_groups} of 100 groups")
    queried = await query_a_group(url, size.queried_groups)
    say("runs: a loop over clients and rules")
    looped = await loop(url, size.looped_clients)
    floors, seconds, done = [], [], []
    async with stand.workers(ONE_PROCESS) as children:
        (worker,) = children.values()
        assert worker.pid is not None
        process = psutil.Process(worker.pid)
        at_start = process.memory_info().rss
        for number in range(size.rounds):
            say(f"runs: round {number + 1} of {size.rounds} over {clients:,} clients")
            floors.append(await floor(url))
            before = process.cpu_times()
            told = await _run(url)
            after = process.cpu_times()
            seconds.append(told["seconds"])
            done.append(told | {"worker_cpu_s": after.user + after.system - before.user - before.system})
        peak = _peak(worker.pid)
        say("runs: single events at rest, then during a run")
        events = await _events(stand, size)
    least = median(floors)
    return {
        "written": written._asdict(),
        # The first run does the joins and leaves; those after it find all as it should be.
        "first": done[0],
        "rounds": [round(each, 2) for each in seconds],
        "worker_cpu_rounds": [round(each["worker_cpu_s"], 2) for each in done],
        "floor_rounds": [round(each, 2) for each in floors],
        "clients_per_second": round(clients / seconds[0]),
        "floor_seconds": round(least, 2),
        "ratio_to_floor": seconds[0] / least,
        "ratio_without_changes": median(seconds[1:] or seconds) / least,
        "queries": queried,
        "times_queries": queried["seconds"] / seconds[0],
        "loop": looped,
        "times_loop": looped["us_a_client"] / (seconds[0] / clients * 1e6),
        "memory_mib": {"at_start": at_start / 2**20, "peak": peak / 2**20},
        "events": events,
    }


async def _run(url: str, meanwhile: Callable[[], Any] | None = None) -> dict[str, Any]:
    """Start a run over all groups, as the scheduler does, and wait for its end."""
    pool = await pools.create(url, size=2)
    try:
        async with pool.acquire() as connection:
            ids = [
                row["group_id"] for row in await connection.fetch("SELECT group_id FROM groups ORDER BY 1")
            ]
            now = utc_now()
            run_id = new_run_id(now)
            began = time.perf_counter()
            order = Order("schedule", tuple(ids), {}, "schedule", "bench", None)
            async with connection.transaction():
                await runs.start(connection, run_id, order, now=now, client_ids=None)

            async def ended() -> bool:
                if meanwhile is not None:
                    await meanwhile()
                found = await runs.find(connection, run_id)
                return found is not None and found.state != "running"

            await until(ended, every=0.02, at_most=TIMEOUT)
            told = await runs.find(connection, run_id)
            assert told is not None
            return {
                "seconds": time.perf_counter() - began,
                "state": told.state,
                "checked": told.checked,
                "joined": told.joined,
                "left": told.left,
            }
    finally:
        await pool.close()


async def _events(stand: Stand, size: Size) -> dict[str, Any]:
    arrivals = Arrivals(cause_of)
    subscriber = await asyncio.to_thread(kafka.Subscriber, stand.bootstrap_servers, CHANGES, arrivals.seen)
    subscriber.start()
    try:
        async with Singles(stand, arrivals) as singles:
            at_rest = [await singles.once() for _ in range(size.singles)]
            during: list[float] = []

            async def one() -> None:
                during.append(await singles.once())

            told = await _run(stand.stack.database_url, one)
    finally:
        await asyncio.to_thread(subscriber.stop)
    rest, run = percentiles(at_rest), percentiles(during)
    return {"at_rest_ms": rest, "during_ms": run, "p99_ratio": run["p99"] / rest["p99"], "run": told}


def _peak(pid: int) -> int:
    """The most memory that a process has had resident. Bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * 1024
    return 0
