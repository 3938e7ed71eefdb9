"""The demo: `make demo`, or `python -m deploy.local.demo`. Ends by itself; exit status 0 when all is well.

Servers and worker in a temporary folder (or the servers that KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL name),
groups from demo_groups.yaml by `client-groups apply`, a few events to watch, a burst, a summary and a check.
"""

import asyncio
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import asyncpg
import typer
import yaml
from aiokafka.errors import KafkaError

from db import positions
from deploy.local import demo_check
from deploy.local.demo_screen import Screen
from deploy.local.demo_traffic import Publisher, Seen, Subscriber, read_table
from deploy.local.demo_world import World
from deploy.local.errors import StackError
from deploy.local.maven import kafka_jars
from deploy.local.ports import keep_ports
from deploy.local.stack import BOOTSTRAP_VARIABLE, DATABASE_VARIABLE, Stack
from deploy.local.worker import Worker, client_groups
from events.topics import CLIENT_MEMBERSHIPS
from workers.exits import ConfigurationError
from workers.kafka import client_arguments
from workers.settings import load_kafka

GROUPS: Final = Path(__file__).with_name("demo_groups.yaml")
AT_REST: Final = "at rest, one event at a time"
IN_BURST: Final = "in the burst, waiting in line included"
PAUSE: Final = 0.25  # seconds between two events that are watched
STUCK: Final = 30.0  # seconds without progress
STOP_TIMEOUT: Final = 5.0  # seconds
INTERRUPTED: Final = 130  # exit status, as shells have it

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Demo:
    """One run on servers and a worker that are there."""

    def __init__(self, stack: Stack, worker: Worker, screen: Screen, seed: int) -> None:
        self._stack = stack
        self._worker = worker
        self._screen = screen
        self._world = World(f"demo-{secrets.token_hex(3)}", seed)
        arguments = client_arguments(load_kafka(kafka_bootstrap_servers=stack.bootstrap_servers))
        self._arguments: Mapping[str, Any] = arguments
        self._watching = True

    async def run(self, watched: int, burst: int) -> None:
        """Publish, watch, sum up. Raises StackError when anything is not as it should be."""
        guard = asyncio.create_task(self._guard())
        steps = asyncio.create_task(self._steps(watched, burst))
        await asyncio.wait({guard, steps}, return_when=asyncio.FIRST_COMPLETED)
        ended = guard if guard.done() else steps
        for task in {guard, steps} - {ended}:
            task.cancel()
            # Clients whose broker is gone would wait for it.
            await asyncio.wait({task}, timeout=STOP_TIMEOUT)
        try:
            ended.result()
        except (KafkaError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            says = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise StackError(f"the demo cannot go on: {says}") from error

    async def _guard(self) -> None:
        """Raise StackError when a server or the worker has ended."""
        while True:
            self._stack.check()
            if not self._worker.running:
                raise self._worker.failure("has ended by itself")
            await asyncio.sleep(0.2)

    async def _steps(self, watched: int, burst: int) -> None:
        async with AsyncExitStack() as exits:
            publisher = Publisher(self._arguments)
            subscriber = Subscriber(
                self._arguments, self._world.run, lambda seen: self._show(seen, publisher)
            )
            for client in (publisher, subscriber):
                exits.push_async_callback(client.stop)
                await client.start()
            database = await asyncpg.connect(self._stack.database_url)
            exits.push_async_callback(database.close)

            await publisher.publish(self._world.providers(), "before")
            await self._settle(database, publisher, subscriber)  # the groups name them
            self._screen.step("Applying the groups: client-groups apply deploy/local/demo_groups.yaml")
            await self._apply()

            self._screen.step(f"Publishing {watched} events, one by one")
            for event in islice(self._world.story(), watched):
                self._screen.event(event)
                await publisher.publish([event], AT_REST)
                await asyncio.sleep(PAUSE)
            await self._settle(database, publisher, subscriber)

            self._watching = False
            self._screen.step(f"Publishing a burst of {burst:,} events")
            began, before = time.perf_counter(), len(subscriber.seen)
            telling = asyncio.create_task(self._tell(publisher, subscriber))
            exits.callback(telling.cancel)
            await publisher.publish(self._world.burst(burst), IN_BURST)
            await self._settle(database, publisher, subscriber)
            telling.cancel()
            ended = max((seen.at for seen in subscriber.seen[before:]), default=time.perf_counter())
            await self._sum_up(publisher, subscriber, burst, ended - began, len(subscriber.seen) - before)

    async def _apply(self) -> None:
        environment = {**os.environ, **self._stack.environment}
        command = [client_groups(), "apply", str(GROUPS), "--actor", "demo"]
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdin=asyncio.subprocess.DEVNULL
        )
        if await process.wait():
            raise StackError(f"client-groups apply ended with exit status {process.returncode}")

    def _show(self, seen: Seen, publisher: Publisher) -> None:
        if self._watching:
            name = self._world.name_of(seen.change["client_id"])
            self._screen.change(seen, name, publisher.sent.get(seen.change["cause"]))

    async def _tell(self, publisher: Publisher, subscriber: Subscriber) -> None:
        while True:
            await asyncio.sleep(1)
            sent, arrived = publisher.by_topic.total(), len(subscriber.seen)
            self._screen.progress(f"{sent:,} events sent, {arrived:,} changes arrived so far")

    async def _settle(self, database: Any, publisher: Publisher, subscriber: Subscriber) -> None:
        """Wait until every event is taken, every change sent and every change read."""
        wanted, total = publisher.ends, sum(publisher.ends.values())
        last, moved = -1, time.monotonic()
        while True:
            now = await positions.read(database, wanted)
            left = sum(max(0, end - (now[place] or 0)) for place, end in wanted.items())
            backlog = await positions.relay_backlog(database)
            if left == 0 and backlog <= 0:
                break
            progress = total - left - backlog
            if progress != last:
                last, moved = progress, time.monotonic()
            if time.monotonic() - moved > STUCK:
                raise self._worker.failure(
                    f"has done nothing for {STUCK:.0f} s, with {left:,} events to take"
                )
            subscriber.check()
            await asyncio.sleep(0.05)
        await subscriber.catch_up()

    async def _sum_up(
        self, publisher: Publisher, subscriber: Subscriber, burst: int, seconds: float, changes: int
    ) -> None:
        folded = demo_check.fold(subscriber.seen)
        self._screen.step("Done")
        groups = yaml.safe_load(GROUPS.read_bytes())["groups"]
        names = {group["group"]: group["name"] for group in groups}
        self._screen.counts(publisher.by_topic, folded, names)
        self._screen.latency(
            {
                phase: demo_check.latencies(subscriber.seen, publisher.sent, phase)
                for phase in (AT_REST, IN_BURST)
            }
        )
        say = self._screen.console.print
        say(
            f"Burst: {burst:,} events and {changes:,} changes in {seconds:.1f} s:"
            f" {burst / seconds:,.0f} events/s."
        )
        published = await read_table(self._arguments, CLIENT_MEMBERSHIPS.name, self._world.run)
        if found := demo_check.differences(folded, published):
            shown = "; ".join(found[:3])
            raise StackError(f"the changes and client-memberships disagree in {len(found)} places: {shown}")
        if not subscriber.seen:
            raise StackError("no change arrived at all")
        say(
            f"Checked: {len(subscriber.seen):,} changes of {len(folded.versions):,} clients, each exactly"
            " once and in order, give the same groups as client-memberships.",
            style="bold green",
        )


def run(*, watched: int, burst: int, seed: int) -> None:
    """Set up, run and stop everything. Raises StackError with one sentence; logs are kept then."""
    screen = Screen()
    folder = Path(tempfile.mkdtemp(prefix="client-groups-demo-"))
    kept = False
    try:
        _serve(folder, screen, watched=watched, burst=burst, seed=seed)
    except StackError as error:
        kept = True
        raise StackError(f"{error}\nLogs are kept in {folder}") from error
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


def _serve(folder: Path, screen: Screen, *, watched: int, burst: int, seed: int) -> None:
    stack = Stack(folder)
    worker: Worker | None = None
    if given := [name for name in (BOOTSTRAP_VARIABLE, DATABASE_VARIABLE) if os.environ.get(name)]:
        screen.step(f"Using the servers that {' and '.join(given)} name")
    else:
        screen.step("Fetching Apache Kafka, if it is not here yet")
        kafka_jars()
    try:
        screen.step("Starting Kafka and PostgreSQL")
        stack.start()
        screen.step("Creating topics and tables, starting the worker")
        port = keep_ports(folder / "worker-port.json", ("http",))["http"]
        worker = Worker(folder, {**os.environ, **stack.environment}, port=port, hold=stack.hold)
        worker.prepare()
        worker.start()
        worker.wait_until_ready()
        asyncio.run(Demo(stack, worker, screen, seed).run(watched, burst))
    finally:
        # A second Ctrl-C must not interrupt the orderly end.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        screen.step("Stopping")
        if worker is not None:
            worker.stop()
        stack.stop()


@app.command()
def main(
    burst: Annotated[int, typer.Option(min=1, help="Events of the burst.")] = 20_000,
    watched: Annotated[int, typer.Option(min=1, help="Events published one by one before it.")] = 40,
    seed: Annotated[int, typer.Option(help="Another seed, other events.")] = 1,
) -> None:
    """Show the whole at work on a stack of its own; ends by itself."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(watched=watched, burst=burst, seed=seed)
    except (StackError, ConfigurationError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)
        raise typer.Exit(INTERRUPTED) from None


if __name__ == "__main__":
    sys.exit(app())
