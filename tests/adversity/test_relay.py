"""The relay when it dies, or loses the database or the broker: nothing is lost, nothing comes twice."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from db.relay import notify
from deploy.local import Stack
from deploy.local.ports import free_port
from tests.support.relay import (
    GROUPS,
    LogWriter,
    Reader,
    Seen,
    connected,
    relay_settings,
    relaying,
    until,
)
from tests.support.relay_process import relay_process
from workers.relay.producer import RelayProducer
from workers.relay.service import State


@asynccontextmanager
async def writing(writer: LogWriter, namespace: str, clients: int = 20) -> AsyncIterator[None]:
    """Changes all the while, a transaction every 10 ms."""
    enough = asyncio.Event()

    async def write() -> None:
        for turn in itertools.count():
            if enough.is_set():
                return
            some = [f"{namespace}-{(turn * 7 + number) % clients}" for number in range(5)]
            await writer.toggle(some, GROUPS[turn % len(GROUPS)])
            await notify(writer.connection)
            await asyncio.sleep(0.01)

    task = asyncio.create_task(write())
    try:
        yield
    finally:
        enough.set()
        await task


def all_there(seen: Seen, writer: LogWriter) -> bool:
    return seen.count >= sum(writer.versions.values())


def check(seen: Seen, writer: LogWriter) -> None:
    """Each change once and in order; changes folded = tables = snapshots."""
    snapshots = {client: value for client, value in seen.snapshots.items() if value is not None}
    assert seen.count == sum(writer.versions.values())
    assert seen.folded() == writer.members
    assert {client: set(value["groups"]) for client, value in snapshots.items()} == writer.members
    assert {client: value["version"] for client, value in snapshots.items()} == writer.versions


@pytest.mark.parametrize("crash_at", ["relay-after-send", "relay-after-commit"])
async def test_killed_again_and_again(
    crash_at: str,
    writer: LogWriter,
    reader: Reader,
    database_url: str,
    bootstrap_servers: str,
    kafka_namespace: str,
) -> None:
    async with writing(writer, kafka_namespace):
        for count in (1, 4):
            async with (
                relay_process(
                    database_url, bootstrap_servers, kafka_namespace, crash_at=f"{crash_at}:{count}"
                ) as process,
                asyncio.timeout(30),
            ):
                assert await process.wait() == -signal.SIGKILL
    async with relaying(database_url, bootstrap_servers, kafka_namespace):
        check(await reader.until(lambda seen: all_there(seen, writer)), writer)


async def test_of_two_the_active_one_is_killed(
    writer: LogWriter, reader: Reader, database_url: str, bootstrap_servers: str, kafka_namespace: str
) -> None:
    async with relay_process(
        database_url, bootstrap_servers, kafka_namespace, crash_at="relay-after-send:8"
    ) as first:
        await writer.toggle([f"{kafka_namespace}-0"])
        await reader.until(lambda seen: seen.count > 0)
        async with relaying(database_url, bootstrap_servers, kafka_namespace, standby_s=0.05) as second:
            await until(lambda: second.doing is State.STANDING_BY)
            async with writing(writer, kafka_namespace), asyncio.timeout(30):
                assert await first.wait() == -signal.SIGKILL
                await until(lambda: second.is_active)
                await asyncio.sleep(0.2)
            check(await reader.until(lambda seen: all_there(seen, writer)), writer)


async def test_fenced_it_begins_again(
    writer: LogWriter, reader: Reader, database_url: str, bootstrap_servers: str, kafka_namespace: str
) -> None:
    """As after a lock that was lost unnoticed: two believe to be the one relay, and only one can commit."""
    settings = relay_settings(kafka_namespace)
    async with (
        relaying(database_url, bootstrap_servers, kafka_namespace) as relay,
        writing(writer, kafka_namespace),
    ):
        for _ in range(3):
            await until(lambda: relay.is_active)
            intruder = RelayProducer(settings.producer({"bootstrap_servers": bootstrap_servers}))
            assert await intruder.start() is not None
            await until(lambda: not relay.is_active)
            await intruder.drop()
        await until(lambda: relay.is_active)
    async with relaying(database_url, bootstrap_servers, kafka_namespace):
        check(await reader.until(lambda seen: all_there(seen, writer)), writer)


async def test_the_connection_to_the_database_is_lost(
    writer: LogWriter, reader: Reader, database_url: str, bootstrap_servers: str, kafka_namespace: str
) -> None:
    async with (
        relaying(database_url, bootstrap_servers, kafka_namespace, rows=20) as relay,
        connected(database_url) as operator,
    ):
        async with writing(writer, kafka_namespace):
            for _ in range(5):
                await until(lambda: relay.is_active)
                await asyncio.sleep(0.1)
                assert await operator.fetchval(
                    "SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE application_name = 'client-groups relay' AND datname = current_database()"
                )
                await until(lambda: not relay.is_active)
        check(await reader.until(lambda seen: all_there(seen, writer)), writer)


@pytest.mark.parametrize("graceful", [True, False], ids=["restarted", "killed"])
async def test_the_broker_goes_and_comes_back(
    graceful: bool,
    stack: Stack,
    writer: LogWriter,
    reader: Reader,
    database_url: str,
    bootstrap_servers: str,
    kafka_namespace: str,
) -> None:
    async with relaying(database_url, bootstrap_servers, kafka_namespace, stall_s=5.0) as relay:
        async with writing(writer, kafka_namespace):
            await reader.until(lambda seen: seen.count > 50)
            await asyncio.to_thread(stack.kafka.restart, graceful)
            position = relay.position
            await until(lambda: relay.position != position, 30)
        check(await reader.until(lambda seen: all_there(seen, writer), 40), writer)


async def test_while_there_is_no_broker_it_waits_and_can_be_stopped(
    writer: LogWriter, database_url: str, kafka_namespace: str
) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    async with relaying(database_url, nobody, kafka_namespace) as relay:
        await until(lambda: relay.doing is State.WAITING)
        assert relay.position is None
    assert relay.doing is State.STOPPED
    assert not relay.crashed
