"""Measures the worker beside baselines, in one run on one stack of its own. See docs/benchmarks.md.

python -m tests.benchmarks [--quick] [--only evaluator throughput latency runs scale evidence]
                           [--events N] [--rounds N] [--clients N ...] [--groups N]
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import uvloop
from rich.console import Console

from deploy.local import StackError
from tests.benchmarks import evaluator, evidence, latency, report, runs, scale, throughput
from tests.benchmarks.stand import ONE_PROCESS, Stand, StandError
from tests.benchmarks.stream import QUIET
from tests.chaos.fleet import ROOT

PARTS: Final = ("evaluator", "throughput", "latency", "runs", "scale", "evidence")
QUICK_THROUGHPUT: Final = throughput.Size(
    events=2_000, population=1_000, rounds=1, plain_seconds=1.0, mixes=(QUIET,)
)
QUICK_LATENCY: Final = latency.Size(singles=10, rate=200, seconds=2.0, population=500, setups=(ONE_PROCESS,))
QUICK_EVIDENCE: Final = evidence.Size(
    events=2_000, population=1_000, rounds=1, mixes=(QUIET,), clients=2_000, asked=10
)

QUICK_RUNS: Final = runs.Size(
    clients=(5_000, 20_000), rounds=1, singles=20, queried_groups=10, looped_clients=100
)
QUICK_SCALE: Final = scale.Size(clients=20_000, groups=200, times=2, singles=20)


def main() -> int:
    """The exit code: 0 also where an aim is not met, as this measures and does not judge."""
    options = _options()
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    console = Console(soft_wrap=True, highlight=False)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            results = runner.run(_measure(options, console))
    except (StackError, StandError) as error:
        console.print(f"Error: {error}", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted")
        return 130
    report.show(Console(width=max(console.width, 150), highlight=False), results)
    report.write(options.json, results)
    console.print(f"The same as JSON: {options.json}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to measure")
    parser.add_argument("--events", type=int, help="events in each stream")
    parser.add_argument("--rounds", type=int, help="rounds of the throughput")
    parser.add_argument(
        "--clients", type=int, nargs="+", help="clients of the runs, several sizes; of the scale the last"
    )
    parser.add_argument("--groups", type=int, help="groups of the scale")
    parser.add_argument(
        "--quick", action="store_true", help="some minutes, to see that it works; figures mean little"
    )
    parser.add_argument(
        "--json", type=Path, default=ROOT / ".local" / "bench.json", help="default %(default)s"
    )
    parser.add_argument(
        "--folder", type=Path, default=ROOT / ".local" / "bench", help="for the stack; made anew"
    )
    return parser.parse_args()


async def _measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    began = time.monotonic()

    def say(what: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:5.0f} s[/]  {what}")

    results: dict[str, Any] = {"quick": options.quick, "machine": report.machine()}
    if "evaluator" in options.only:
        say("evaluator against a loop over the rules")
        results["evaluator"] = await asyncio.to_thread(evaluator.run)
    if {"throughput", "latency", "evidence"} & set(options.only):
        say("starting a stack")
        async with Stand(options.folder) as stand:
            results["machine"] |= await stand.versions()
            if "throughput" in options.only:
                results["throughput"] = await throughput.run(stand, _throughput_size(options), say)
            if "latency" in options.only:
                size = QUICK_LATENCY if options.quick else latency.Size()
                results["latency"] = found = await latency.run(stand, size, say)
                # Judged is what is the headline above, so that both figures are of one worker.
                best = results.get("throughput", {}).get("quiet", {}).get("headline", ONE_PROCESS)
                results["latency_headline"] = best if best in found else ONE_PROCESS
            if "evidence" in options.only:
                evidence_size = QUICK_EVIDENCE if options.quick else evidence.Size()
                results["evidence"] = await evidence.run(stand, evidence_size, say)
    if "runs" in options.only:
        results["runs"] = await runs.run(options.folder, _runs_size(options), say)
    if "scale" in options.only:
        results["scale"] = await scale.run(options.folder, _scale_size(options), say)
    results["aims"] = [aim._asdict() for aim in report.aims(results)]
    results["seconds"] = round(time.monotonic() - began)
    return results


def _throughput_size(options: argparse.Namespace) -> throughput.Size:
    size = QUICK_THROUGHPUT if options.quick else throughput.Size()
    given = {"events": options.events, "rounds": options.rounds}
    return replace(size, **{name: value for name, value in given.items() if value is not None})


def _runs_size(options: argparse.Namespace) -> runs.Size:
    size = QUICK_RUNS if options.quick else runs.Size()
    return size if options.clients is None else replace(size, clients=tuple(options.clients))


def _scale_size(options: argparse.Namespace) -> scale.Size:
    size = QUICK_SCALE if options.quick else scale.Size()
    given = {"clients": options.clients and options.clients[-1], "groups": options.groups}
    return replace(size, **{name: value for name, value in given.items() if value is not None})


if __name__ == "__main__":
    sys.exit(main())
