"""Peers and the worker over the same records, in turn, several rounds."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from tests.benchmarks import job, kafka
from tests.benchmarks.stand import SETUPS, Stand, StandError, until
from tests.benchmarks.stream import BUSY, QUIET, Mix, Stream

BARE: Final = "bare Faust agent"
PLAIN: Final = "plain Faust agent"
PEERS: Final = {BARE: "bare_faust", PLAIN: "plain_faust"}
PEER_START_SECONDS: Final = 60.0
BARE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    events: int = 60_000
    population: int = 30_000
    """Clients who are there before the first event."""
    rounds: int = 3
    plain_seconds: float = 6.0
    """A peer that takes hundreds of events a second is not waited for."""
    mixes: tuple[Mix, ...] = (QUIET, BUSY)


@dataclass
class Runs:
    """All runs over one stream."""

    mix: Mix
    peers: dict[str, list[dict[str, float]]] = field(default_factory=lambda: {name: [] for name in PEERS})
    jobs: dict[str, list[job.Measured]] = field(default_factory=lambda: {name: [] for name in SETUPS})

    def result(self) -> dict[str, Any]:
        """Medians, with the rates of all rounds beside them."""
        rates = {
            **{name: [run["events"] / run["seconds"] for run in runs] for name, runs in self.peers.items()},
            **{name: [run.rate for run in runs] for name, runs in self.jobs.items()},
        }
        middle = {name: median(found) for name, found in rates.items()}
        best = max(SETUPS, key=lambda name: middle[name])
        return {
            "changes_per_event": median(run.changes / run.events for run in self.jobs[best]),
            "events": self.jobs[best][0].events,
            "headline": best,
            "ratio_to_bare": median(ours / bare for ours, bare in zip(rates[best], rates[BARE], strict=True)),
            "ratio_to_plain": median(
                ours / plain for ours, plain in zip(rates[best], rates[PLAIN], strict=True)
            ),
            "events_per_second": {name: round(rate) for name, rate in middle.items()},
            "rounds": {name: [round(rate) for rate in found] for name, found in rates.items()},
            "processor_us_per_event": {
                **{
                    name: {"worker": median(run["processor_us"] for run in runs)}
                    for name, runs in self.peers.items()
                },
                **{
                    name: {
                        process: median(run.processor[process] for run in runs)
                        for process in runs[0].processor
                    }
                    for name, runs in self.jobs.items()
                },
            },
        }


async def run(stand: Stand, size: Size, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure; answers a result for each stream by its name."""
    await asyncio.to_thread(kafka.create_topic, stand.bootstrap_servers, "bench-plain-changes", 8)
    results = {}
    for mix in size.mixes:
        say(f"{mix.name} stream: preparing {size.population:,} clients and {size.events:,} events")
        stream = Stream(mix, seed=1, prefix=mix.name)
        await stand.clear()
        await stand.work_off(stream.population(size.population))
        await stand.keep()
        backlog = await asyncio.to_thread(kafka.prepare, stand.bootstrap_servers, stream.take(size.events))
        runs = Runs(mix)
        for number in range(size.rounds):
            # The order turns round by round, so that whatever else the machine does hits all alike.
            steps: list[str] = [*PEERS, *SETUPS]
            turn = number % len(steps)
            for name in steps[turn:] + steps[:turn]:
                say(f"{mix.name} stream, round {number + 1} of {size.rounds}: {name}")
                if name in PEERS:
                    seconds = BARE_SECONDS if name == BARE else size.plain_seconds
                    runs.peers[name].append(await _peer(stand, backlog, name, number, seconds))
                else:
                    runs.jobs[name].append(await job.run(stand, backlog, name))
        results[mix.name] = runs.result()
    return results


async def _peer(
    stand: Stand, backlog: kafka.Backlog, name: str, number: int, seconds: float
) -> dict[str, float]:
    """One run of a peer program."""
    program = PEERS[name]
    group = f"{program}-{min(backlog.starts.values())}-{max(backlog.ends.values())}-{number}"
    await asyncio.to_thread(kafka.place_group, stand.bootstrap_servers, group, backlog.starts)
    result = stand.folder / f"{group}.json"
    options = {
        "--bootstrap": stand.bootstrap_servers,
        "--group": group,
        "--events": str(backlog.events),
        "--seconds": str(seconds),
        "--folder": str(stand.folder),
        "--result": str(result),
        "--database": stand.stack.database_url,
    }
    arguments = [part for option in options.items() for part in option]
    child = stand.child(
        program,
        (sys.executable, "-m", f"tests.benchmarks.peers.{program}", *arguments, "--topics", *backlog.topics),
    )
    await asyncio.to_thread(child.start)
    try:

        async def ended() -> bool:
            if not child.running:
                raise StandError(str(child.failure("ended by itself")))
            return result.exists()

        await until(ended, every=0.1, at_most=PEER_START_SECONDS + seconds)
    finally:
        await asyncio.to_thread(child.kill)
    found: dict[str, float] = json.loads(result.read_text())
    return found
