"""Commands on a grown database: how long they take, and what events wait while a large group is deleted."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from tests.benchmarks import kafka
from tests.benchmarks.latency import Arrivals, cause_of, percentiles
from tests.benchmarks.population import Population, write
from tests.benchmarks.runs import CHANGES
from tests.benchmarks.singles import Singles
from tests.benchmarks.stand import ONE_PROCESS, Stand, StandError, until
from tests.chaos.fleet import ROOT, command
from workers.cli.session import pages
from workers.console import Console
from workers.kafka import client_arguments
from workers.settings import load_kafka

EVERYBODY: Final = "everybody"
TIMEOUT: Final = 60.0  # seconds for an answer
DELETION_TIMEOUT: Final = 3_600.0
ALL_SECONDS: Final = 1.0
"""What `groups` and `client` should take at the most."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    clients: int = 1_000_000
    groups: int = 10_000
    times: int = 10
    """Each command is asked so often."""
    singles: int = 200
    """Events at rest; while the group is deleted as many as there is time for."""


def groups(count: int) -> list[dict[str, Any]]:
    """One for each campaign, one that all are in, and one for those who register later."""
    upon_registration = {"upon_registration": True}
    return [
        *(
            _group(f"campaign-{number:05}", "equals", "campaign", {"value": f"c{number}"}, {"exclude": True})
            for number in range(count)
        ),
        _group(EVERYBODY, "is_set", "campaign", {}, {}),
        _group("newcomers", "is_not_set", "campaign", {}, upon_registration),
    ]


def _group(
    group: str, comparison: str, parameter: str, value: Mapping[str, Any], switches: Mapping[str, Any]
) -> dict[str, Any]:
    condition = {"condition_group": 1, "type": "request_parameter", "parameter": parameter}
    return {
        "group": group,
        "name": group,
        "auto_assignment": dict(switches),
        "conditions": [{**condition, "comparison": comparison, **value}],
    }


async def run(folder: Path, size: Size, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure on a stack that is made and removed."""
    say(f"scale: writing {size.clients:,} clients and {size.groups:,} groups")
    async with Stand(folder, records=()) as stand:
        population = Population(size.clients, groups(size.groups), campaigns=size.groups, drift=0)
        written = await write(stand.stack.database_url, population)
        async with stand.workers(ONE_PROCESS):
            say("scale: commands")
            found = await _commands(stand, size)
            say("scale: deleting the group that all are in, while events pass")
            deletion = await _deletion(stand, size)
    return {"written": written._asdict(), "seconds": found, "deletion": deletion}


async def _commands(stand: Stand, size: Size) -> dict[str, dict[str, float]]:
    """Seconds from the command until its answer, by what was asked; the first time counts too."""
    arguments = client_arguments(load_kafka(kafka_bootstrap_servers=stand.bootstrap_servers))
    a_group = groups(size.groups)[size.groups // 2]
    a_client = str(size.clients // 2)
    asked: dict[str, Mapping[str, Any]] = {
        "list-groups, a page of 100": {"command": "list-groups", "limit": 100},
        "show-group": {"command": "show-group", "group": a_group["group"]},
        "show-group, of all clients": {"command": "show-group", "group": EVERYBODY},
        "show-client": {"command": "show-client", "client_id": a_client},
        "list-members, 1,000": {"command": "list-members", "group": EVERYBODY, "limit": 1000},
        "history of a client": {"command": "history", "client_id": a_client, "limit": 100},
        "history of a small group": {"command": "history", "group": a_group["group"], "limit": 100},
    }
    found: dict[str, list[float]] = {}
    async with Console(arguments) as console:

        async def timed(name: str, body: Mapping[str, Any]) -> None:
            began = time.perf_counter()
            answer = await console.ask(body, TIMEOUT)
            if answer.status == "rejected":
                raise StandError(f"{name} was rejected: {answer.errors[0].message}")
            found.setdefault(name, []).append(time.perf_counter() - began)

        for number in range(size.times):
            for name, body in asked.items():
                await timed(name, body)
            changed = {**a_group, "description": f"round {number}"}
            await timed("put-group, conditions as they were", {"command": "put-group", **changed})
            other = [{**a_group["conditions"][0], "value": f"c{number}"}]
            await timed(
                "put-group, other conditions", {"command": "put-group", **changed, "conditions": other}
            )
            added = {**a_group, "group": f"added-{number}"}
            await timed("put-group, a new group", {"command": "put-group", **added})
            began = time.perf_counter()
            async for _ in pages(console, {"command": "list-groups"}, "groups", limit=None, timeout=TIMEOUT):
                pass
            found.setdefault("list-groups, all pages", []).append(time.perf_counter() - began)
    for words in (("groups",), ("client", a_client)):
        for _ in range(size.times):
            name = f"client-groups {words[0]}"
            first, seconds = await asyncio.to_thread(_cli, stand, *words)
            found.setdefault(f"{name}, first rows", []).append(first)
            found.setdefault(name, []).append(seconds)
    return {name: {"median": median(each), "most": max(each)} for name, each in found.items()}


def _cli(stand: Stand, *words: str) -> tuple[float, float]:
    """Seconds from the start of a command line until it says something, and until its end."""
    began = time.perf_counter()
    with subprocess.Popen(
        (*command(words[0]), *words[1:]),
        cwd=ROOT,
        env={**os.environ, **stand.stack.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        first = time.perf_counter() - began
        _, err = process.communicate(timeout=TIMEOUT)
    if process.returncode:
        raise StandError(f"client-groups {words[0]} failed: {err.decode().strip()}")
    return first, time.perf_counter() - began


async def _deletion(stand: Stand, size: Size) -> dict[str, Any]:
    arrivals = Arrivals(cause_of)
    subscriber = await asyncio.to_thread(kafka.Subscriber, stand.bootstrap_servers, CHANGES, arrivals.seen)
    subscriber.start()
    arguments = client_arguments(load_kafka(kafka_bootstrap_servers=stand.bootstrap_servers))
    connection = await stand.connect()
    during: list[float] = []
    try:
        async with Console(arguments) as console, Singles(stand, arrivals) as singles:
            at_rest = [await singles.once() for _ in range(size.singles)]
            began = time.perf_counter()
            answer = await console.ask({"command": "delete-group", "group": EVERYBODY}, TIMEOUT)
            answered = time.perf_counter() - began

            async def ended() -> bool:
                during.append(await singles.once())
                left: bool = await connection.fetchval(
                    "SELECT state = 'deleted' FROM groups WHERE group_id = $1", EVERYBODY
                )
                return left

            await until(ended, every=0.01, at_most=DELETION_TIMEOUT)
            seconds = time.perf_counter() - began
    finally:
        await connection.close()
        await asyncio.to_thread(subscriber.stop)
    rest, run = percentiles(at_rest), percentiles(during)
    return {
        "answer": answer.status,
        "answered_seconds": answered,
        "seconds": seconds,
        "at_rest_ms": rest,
        "during_ms": run,
        "p99_ratio": run["p99"] / rest["p99"],
    }
