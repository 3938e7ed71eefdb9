"""What stands while measurements are made: the stack, the database, the processes and what they cost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import asyncpg
import psutil

from deploy.local import Stack
from deploy.local.maven import KAFKA as KAFKA_JARS
from deploy.local.ports import free_port
from deploy.local.processes import Child
from tests.benchmarks import kafka
from tests.benchmarks.stream import Input, commands
from tests.chaos.fleet import ROOT, answers_ready, command

READY_SECONDS: Final = 60.0
PREPARE_SECONDS: Final = 120.0
ONE_PROCESS: Final = "one process"
TWO_PROCESSES: Final = "intake + relay"
SETUPS: Final[dict[str, dict[str, str]]] = {
    ONE_PROCESS: {"worker": "intake,relay"},
    TWO_PROCESSES: {"worker": "intake", "relay": "relay"},
}
"""The processes of each setup, and their ROLES."""
WORK_OFF_SECONDS: Final = 300.0
TABLES: Final = (
    "clients",
    "payers",
    "verifications",
    "memberships",
    "membership_history",
    "outgoing_records",
    "past_facts",
)
"""In an order in which they can be filled."""
LEFT: Final = """
SELECT count(*) FROM unnest($1::text[], $2::int[], $3::bigint[]) AS wanted (topic, partition, next_offset)
LEFT JOIN input_positions AS reached USING (topic, partition)
WHERE coalesce(reached.next_offset, 0) < wanted.next_offset
"""
"""How many partitions are not taken up to a place; see kafka.Backlog.wanted."""
SENT: Final = """
SELECT (SELECT next_seq FROM relay_position) >
       greatest((SELECT max(seq) FROM membership_history), (SELECT max(seq) FROM outgoing_records), 0)
"""


class StandError(Exception):
    """A measurement cannot be made; the text says why."""


class Stand:
    """A stack of its own in `folder`, which is made anew: tables are truncated again and again here."""

    def __init__(self, folder: Path, *, records: Sequence[Input] | None = None) -> None:
        """A worker works off `records` first; without them those that make the stream's groups."""
        self.folder = folder
        self._records = list(commands()) if records is None else list(records)
        # Never servers that the environment names: they may hold somebody's data.
        self.stack = Stack(folder, environ={})

    async def __aenter__(self) -> Stand:
        """Blocks for 10 to 20 s."""
        shutil.rmtree(self.folder, ignore_errors=True)
        await asyncio.to_thread(self.stack.start)
        try:
            for step in ("topics", "migrate"):
                await self._prepare(step)
            if self._records:
                await self.work_off(self._records)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stack.stop)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def bootstrap_servers(self) -> str:
        """host:port of Kafka."""
        return self.stack.bootstrap_servers

    async def connect(self) -> asyncpg.Connection[asyncpg.Record]:
        """A connection to the worker's database."""
        return await asyncpg.connect(self.stack.database_url)

    async def clear(self) -> None:
        """No clients, and an empty history."""
        connection = await self.connect()
        try:
            await connection.execute(f"TRUNCATE {', '.join(TABLES)}")
        finally:
            await connection.close()

    async def keep(self) -> None:
        """Remember the clients as they are now, for `restore`."""
        connection = await self.connect()
        try:
            await connection.execute("DROP SCHEMA IF EXISTS kept CASCADE; CREATE SCHEMA kept")
            for table in TABLES:
                await connection.execute(f"CREATE TABLE kept.{table} AS TABLE {table}")
        finally:
            await connection.close()

    async def restore(self, starts: Mapping[kafka.Place, int]) -> None:
        """The clients are as they were kept, and the inputs are to be read from `starts` on."""
        await self.clear()
        connection = await self.connect()
        try:
            for table in TABLES:
                await connection.execute(f"INSERT INTO {table} SELECT * FROM kept.{table}")
            await connection.executemany(
                "INSERT INTO input_positions (topic, partition, next_offset) VALUES ($1, $2, $3)"
                " ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset",
                [(*place, offset) for place, offset in starts.items()],
            )
            await connection.execute(f"ANALYZE {', '.join(TABLES)}")
        finally:
            await connection.close()
        # Each run begins with the same write-ahead log behind it.
        await asyncio.to_thread(self.stack.postgres.psql, "CHECKPOINT", role="postgres")

    async def work_off(self, records: list[Input]) -> None:
        """Publish records and let a worker take and relay them all."""
        backlog = await asyncio.to_thread(kafka.prepare, self.bootstrap_servers, records)
        connection = await self.connect()
        try:
            async with self.workers(ONE_PROCESS):

                async def all_is_taken() -> bool:
                    return not await connection.fetchval(LEFT, *backlog.wanted)

                async def all_is_sent() -> bool:
                    return bool(await connection.fetchval(SENT))

                await until(all_is_taken, at_most=WORK_OFF_SECONDS)
                await until(all_is_sent, at_most=WORK_OFF_SECONDS)
        finally:
            await connection.close()

    @contextlib.asynccontextmanager
    async def workers(self, setup: str, *, wait: bool = True) -> AsyncIterator[dict[str, Child]]:
        """The processes of a setup, ready; without `wait` only those that take no events are."""
        children: dict[str, Child] = {}
        ports: dict[str, int] = {}
        try:
            for name, roles in SETUPS[setup].items():
                ports[name] = free_port(avoid=set(ports.values()))
                environment = {"ROLES": roles, "HTTP_PORT": str(ports[name])}
                children[name] = self.child(name, command("worker"), environment)
                await asyncio.to_thread(children[name].start)
            for name, child in children.items():
                if wait or "intake" not in SETUPS[setup][name]:
                    await self._until_ready(child, ports[name])
            yield children
        finally:
            for child in children.values():
                await asyncio.to_thread(child.stop)

    def child(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Child:
        """A process of the working tree that ends with this one."""
        return Child(
            name,
            arguments,
            self.folder / f"{name}.log",
            env={**os.environ, **self.stack.environment, **(environment or {})},
            cwd=ROOT,
            hold=self.stack.hold,
        )

    def processor_time(self, children: Mapping[str, Child]) -> dict[str, float]:
        """Seconds of processor time that each of these and the servers have used until now."""
        pids = {name: child.pid for name, child in children.items()}
        pids |= {"PostgreSQL": self.stack.postgres.pid, "Kafka": self.stack.kafka.pid}
        return {name: used(pid) for name, pid in pids.items() if pid is not None}

    async def versions(self) -> dict[str, str]:
        """Of the servers."""
        connection = await self.connect()
        try:
            server: str = await connection.fetchval("SHOW server_version")
        finally:
            await connection.close()
        return {
            "postgresql": server,
            "kafka": KAFKA_JARS[0].rpartition(":")[2],
        }

    async def _until_ready(self, child: Child, port: int) -> None:
        async def ready() -> bool:
            if not child.running:
                raise StandError(str(child.failure("ended by itself")))
            return await answers_ready(port)

        await until(ready, at_most=READY_SECONDS)

    async def _prepare(self, step: str) -> None:
        done = await asyncio.to_thread(
            subprocess.run,
            command(step),
            cwd=ROOT,
            env={**os.environ, **self.stack.environment},
            capture_output=True,
            text=True,
            timeout=PREPARE_SECONDS,
            check=False,
        )
        if done.returncode:
            raise StandError(f"client-groups {step} failed:\n{done.stderr.strip()}")


async def until(holds: Callable[[], Awaitable[object]], *, at_most: float, every: float = 0.05) -> None:
    """Wait until it holds; it is asked every so many seconds. Raises StandError."""
    for _ in range(int(at_most / every)):
        if await holds():
            return
        await asyncio.sleep(every)
    raise StandError(f"waited in vain for {at_most:g} s")


def used(pid: int) -> float:
    """Seconds of processor time of a process and of all its children, also of those that have ended."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # its time is in the parent's from now on
            spent = child.cpu_times()
            total += spent.user + spent.system
    return float(total)
