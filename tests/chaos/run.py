"""One run: stack, topics, migrations, workers that die, the stream, and then the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import asyncpg
from rich.console import Console

from db import pool as pools
from deploy.local import Stack
from tests.chaos import reader, tables
from tests.chaos.evidence import Evidence
from tests.chaos.fleet import ROOT, Fleet, UnexpectedEndError, Worker, base_environment, command
from tests.chaos.judge import judge
from tests.chaos.overseer import Overseer
from tests.chaos.publisher import Publisher, keep_forever
from tests.chaos.stream import Chunk, Plan, Planned, plan, setup
from tests.chaos.witness import watch_runs
from tests.support.evidence import assert_history_is_explained
from tests.support.model_decode import INPUTS, Raw

SETTLE_SECONDS: Final = 180.0
RELAY_GROUP: Final = "membership-relay"
OUTPUTS: Final = (
    "membership-changed",
    "client-memberships",
    "client-groups",
    "group-command-results",
    "assignment-runs",
    *(f"{topic}.dlt" for topic in INPUTS),
)
LOOK_SECONDS: Final = 0.2
"""Between two looks at the runs."""
PROGRESS_EVERY: Final = 5.0  # seconds


@dataclass(frozen=True)
class Options:
    """How much of what. The same seed, clients and events give the same stream."""

    kills: int = 50
    seed: int = 1
    clients: int = 2500
    events: int = 25_000
    workers: int = 2
    broker_restarts: int = 0


class NotSettledError(Exception):
    """The workers don't get to the end of the inputs, or the relay not to the end of the log."""


class Run:
    """Everything of one run in `folder`. `run()` raises Difference, NotSettledError or UnexpectedEndError."""

    def __init__(self, options: Options, folder: Path, console: Console) -> None:
        self._options = options
        self._folder = folder
        self._console = console
        self._rng = Random(options.seed + 1)
        self._plan = Plan(options.seed, options.clients, options.events)
        self._stack = Stack(folder / "stack", environ={})
        self._overseer = Overseer(Random(options.seed + 2), lambda: datetime.now(UTC))
        self._published = 0
        self._restarts: Counter[str] = Counter()
        self._fleet = Fleet([], self._rng, 0)
        self._explained = 0
        self.evidence: Evidence | None = None

    async def run(self) -> dict[str, object]:
        """The counts of a run in which all held; `evidence` is there then."""
        began = time.monotonic()
        await asyncio.to_thread(self._stack.start)
        workers: list[Worker] = []
        try:
            environment = base_environment(self._stack.environment)
            for subcommand in ("migrate", "topics"):
                await self._command(subcommand, environment)
            await watch_runs(self._stack.database_url)
            await keep_forever(self._stack.bootstrap_servers, INPUTS)
            workers = [Worker(number, environment, self._folder) for number in range(self._options.workers)]
            self._fleet = Fleet(workers, self._rng, self._options.kills)
            await self._chaos()
            self.evidence = evidence = await self._settle()
            codes = [await worker.stop() for worker in workers]
            if any(codes):
                raise UnexpectedEndError(f"on SIGTERM the workers ended with {codes}")
        finally:
            for worker in workers:
                worker.kill_now()
            await asyncio.to_thread(self._stack.stop)
        for end in self._fleet.unexpected_ends:
            self._console.print(f"note: {end}", markup=False)
        self._console.print("all is consumed and sent; judging ...")
        judge(evidence)
        return self._counts(evidence, time.monotonic() - began)

    async def _command(self, subcommand: str, environment: dict[str, str]) -> None:
        process = await asyncio.create_subprocess_exec(
            *command(subcommand),
            env=environment,
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        if process.returncode:
            raise UnexpectedEndError(
                f"client-groups {subcommand} ended with {process.returncode}:\n{said.decode()}"
            )

    async def _chaos(self) -> None:
        """Publish while workers die; returns when all is published and every worker runs."""
        async with asyncio.TaskGroup() as group:
            progress = group.create_task(self._show_progress())
            lives = group.create_task(self._fleet.live_and_die())
            restarts = group.create_task(self._restart_servers())
            async with Publisher(self._stack.bootstrap_servers) as publisher:
                for step in setup():
                    await publisher.publish(Chunk(tuple(step)))
                    await until(partial(self._taken, step))
                overseeing = group.create_task(self._oversee())
                await self._publish_all(publisher)
            await restarts
            await lives
            overseeing.cancel()
            progress.cancel()

    async def _taken(self, step: list[Planned]) -> bool:
        """Whether a step of the setup stands: groups name providers, and steady groups see every event."""
        counts = Counter(record.topic for record in step)
        reached = await tables.positions(self._stack.database_url)
        return all(reached.get((topic, 0), 0) >= count for topic, count in counts.items())

    async def _publish_all(self, publisher: Publisher) -> None:
        """Spread over the deaths: no more of the stream than of the kills is over, and a little."""
        for chunk in plan(self._plan):
            await until(self._may_publish)
            await publisher.publish(chunk)
            self._published += len(chunk.records)
            await asyncio.sleep(0.02)

    async def _oversee(self) -> None:
        async with Publisher(self._stack.bootstrap_servers) as publisher:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                for command in self._overseer.look(await self._runs()):
                    await publisher.publish(Chunk((command,)))

    async def _runs(self) -> list[tables.Row]:
        """None while the database is away."""
        try:
            return await tables.runs(self._stack.database_url)
        except (OSError, asyncpg.PostgresError):
            return []

    async def _may_publish(self) -> bool:
        share = self._published / self._options.events
        done = self._fleet.done
        return done >= self._options.kills or share <= (done + 1) / self._options.kills

    async def _restart_servers(self) -> None:
        """Kafka and PostgreSQL in turn, in order or by a crash, spread over the deaths."""
        count = self._options.broker_restarts
        for number in range(2 * count):
            await until(partial(self._died, (number + 0.5) * self._options.kills / (2 * count)))
            graceful = self._rng.random() < 0.5
            server = (self._stack.kafka, self._stack.postgres)[number % 2]
            self._fleet.pause.clear()
            await asyncio.to_thread(server.restart, graceful)
            self._fleet.pause.set()
            self._restarts[f"{server.name} {'restarted' if graceful else 'crashed'}"] += 1

    async def _died(self, count: float) -> bool:
        return self._fleet.done >= count

    async def _show_progress(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_EVERY)
            kills, wanted = self._fleet.done, self._options.kills
            self._console.print(f"kills {kills} of {wanted}, published {self._published:,} records")

    async def _settle(self) -> Evidence:
        """Wait until all is done, have each group checked once more, wait again, and read everything."""
        keep_alive = asyncio.create_task(self._fleet.keep_alive())
        try:
            await self._all_is_done(keep_alive)
            await self._check_all(keep_alive)
            inputs = await self._all_is_done(keep_alive)
            await asyncio.sleep(1.0)  # whatever would still go out twice
            outputs = await asyncio.to_thread(reader.read, self._stack.bootstrap_servers, *OUTPUTS)
            async with await pools.create(self._stack.database_url) as pool:
                self._explained = await assert_history_is_explained(pool)
            return Evidence(inputs, outputs, await tables.read_tables(self._stack.database_url))
        finally:
            keep_alive.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keep_alive

    async def _check_all(self, keep_alive: asyncio.Task[None]) -> None:
        """Each group, and whatever is held then is approved."""
        async with Publisher(self._stack.bootstrap_servers) as publisher:
            for group in await tables.groups(self._stack.database_url):
                await publisher.publish(Chunk((self._overseer.check(group),)))
            while held := await self._held(keep_alive):
                for command in self._overseer.approve_all(held):
                    await publisher.publish(Chunk((command,)))

    async def _held(self, keep_alive: asyncio.Task[None]) -> list[tables.Row]:
        await self._all_is_done(keep_alive)
        return [run for run in await tables.runs(self._stack.database_url) if run["state"] == "held"]

    async def _all_is_done(self, keep_alive: asyncio.Task[None]) -> dict[str, list[Raw]]:
        """Wait until every input record is taken, no run is going and the log is sent; answers the inputs."""
        servers, database = self._stack.bootstrap_servers, self._stack.database_url
        inputs = await asyncio.to_thread(reader.read, servers, *INPUTS)
        ends: Counter[tuple[str, int]] = Counter()
        for found in inputs.values():
            for raw in found:
                ends[raw.topic, raw.partition] = max(ends[raw.topic, raw.partition], raw.offset + 1)
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            if keep_alive.done():
                await keep_alive
            reached = await tables.positions(database)
            open_ends = {
                place: (reached.get(place), end) for place, end in ends.items() if reached.get(place, 0) < end
            }
            going = [run["run_id"] for run in await tables.runs(database) if run["state"] == "running"]
            last = await tables.last_seq(database)
            sent = await asyncio.to_thread(reader.committed, servers, RELAY_GROUP, "relay-position")
            if not open_ends and not going and sent > last:
                return inputs
            if time.monotonic() > deadline:
                raise NotSettledError(f"after {SETTLE_SECONDS:g} s: {open_ends=}, {going=}, {sent=}, {last=}")
            await asyncio.sleep(0.3)

    def _counts(self, evidence: Evidence, seconds: float) -> dict[str, object]:
        return {
            "events": len(evidence.records),
            "clients": len(evidence.model.clients),
            "transactions that took them": len(evidence.batches),
            "changes": len(evidence.tables.history),
            "  judged again by what is kept": self._explained,
            "memberships": len(evidence.tables.memberships),
            "answers": len(evidence.model.answers),
            "dead letters": len(evidence.model.dead),
            "kills": self._fleet.done,
            **{f"  at {place}": count for place, count in sorted(self._fleet.kills.items())},
            "runs": len(evidence.tables.runs),
            **{
                f"  {kind} {state}": count
                for (kind, state), count in sorted(
                    Counter((row["kind"], row["state"]) for row in evidence.tables.runs).items()
                )
            },
            **{f"  {name}": count for name, count in sorted(self._overseer.given.items())},
            "changes by runs": sum(row["run_id"] is not None for row in evidence.tables.history),
            **dict(self._restarts),
            "workers that ended by themselves": len(self._fleet.unexpected_ends),
            "seconds": round(seconds),
        }


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again."""
    while True:
        if await holds():
            return
        await asyncio.sleep(0.1)
