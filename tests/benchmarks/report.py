"""The results as one table with the aims, and as JSON with facts of the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import orjson
import psutil
from rich.console import Console
from rich.table import Table

from tests.benchmarks import report_scale
from tests.benchmarks.report_aims import Aim
from tests.benchmarks.stand import SETUPS
from tests.benchmarks.throughput import BARE, PLAIN

PACKAGES: Final = ("aiokafka", "asyncpg", "confluent-kafka", "faust-streaming", "pydantic", "uvloop")
AIM_RATIO: Final = 2.0
AIM_GROWTH: Final = 1.3
AIM_LATENCY: Final = 4.0
AIM_EXPLAIN_MS: Final = 100.0

Row = tuple[str, str, str]


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "platform": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def aims(results: dict[str, Any]) -> list[Aim]:
    """Of what was measured."""
    found = []
    if "throughput" in results:
        ratio = results["throughput"]["quiet"]["ratio_to_bare"]
        wanted = f"worker at 0.2 changes an event >= {AIM_RATIO:g} x bare Faust agent"
        found.append(Aim(wanted, ratio, ratio >= AIM_RATIO))
    if "evaluator" in results:
        growth = results["evaluator"]["growth_100_to_1000"]
        wanted = f"evaluator from 100 to 1,000 rules <= {AIM_GROWTH:g} x"
        found.append(Aim(wanted, growth, growth <= AIM_GROWTH))
    if "latency" in results:
        for moment, name in (("at_rest", "at rest"), ("under_load", "under load")):
            ratio = results["latency"][results["latency_headline"]][moment]["p99_ratio"]
            wanted = f"p99 {name} <= {AIM_LATENCY:g} x that of a bare transaction"
            found.append(Aim(wanted, ratio, ratio <= AIM_LATENCY))
    if "evidence" in results:
        slowest = max(each["p99"] for each in results["evidence"]["explain_ms"].values())
        wanted = f"p99 of explain <= {AIM_EXPLAIN_MS:g} ms, as a part of that"
        found.append(Aim(wanted, slowest / AIM_EXPLAIN_MS, slowest <= AIM_EXPLAIN_MS))
    return found + report_scale.aims(results)


def show(console: Console, results: dict[str, Any]) -> None:
    """Print it all."""
    table = Table("measured", "figure", "beside", title="Benchmarks", title_justify="left")
    sections = (
        _throughput,
        _evaluator,
        _latency,
        report_scale.runs,
        report_scale.scale,
        _evidence,
        _aims,
    )
    for section in sections:
        rows = list(section(results))
        if rows:
            for row in rows:
                table.add_row(*row)
            table.add_section()
    console.print(table)
    facts = results["machine"]
    console.print(
        f"{facts['cores']} cores, load {facts['load_before']:.1f} before the run, Python {facts['python']}"
    )


def write(path: Path, results: dict[str, Any]) -> None:
    """As JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))


def _throughput(results: dict[str, Any]) -> Iterator[Row]:
    for name, found in results.get("throughput", {}).items():
        rates, headline = found["events_per_second"], found["headline"]
        yield (
            f"[bold]{name} stream, {found['changes_per_event']:.2f} changes an event[/]",
            "",
            f"{found['events']:,} events, median of {len(found['rounds'][headline])} rounds",
        )
        for label, which in (("(a)", BARE), ("(b)", PLAIN), *(("(c)", setup) for setup in SETUPS)):
            processor = found["processor_us_per_event"][which]
            times = ", ".join(f"{process} {used:.0f}" for process, used in processor.items())
            mark = f"; {found['ratio_to_bare']:.2f} x (a), {found['ratio_to_plain']:.0f} x (b)"
            yield (
                f"{label} {which}",
                f"{rates[which]:,} events/s",
                f"CPU µs/event: {times}{mark if which == headline else ''}",
            )


def _evaluator(results: dict[str, Any]) -> Iterator[Row]:
    if "evaluator" in results:
        yield "[bold]evaluator[/]", "", ""
    for size, found in results.get("evaluator", {}).get("sizes", {}).items():
        yield (
            f"{int(size):,} rules",
            f"{found['client_us']:.1f} µs a client",
            f"loop over the rules {found['loop_us']:,.0f} µs: {found['times_faster']:.0f} x",
        )


def _latency(results: dict[str, Any]) -> Iterator[Row]:
    for setup, found in results.get("latency", {}).items():
        headline = " (headline)" if setup == results["latency_headline"] else ""
        yield f"[bold]latency, {setup}[/]{headline}", "", ""
        for moment, name in (("at_rest", "one event at rest"), ("under_load", "under load")):
            each = found[moment]
            rate = f", {each['events_per_second']:,} events/s" if moment == "under_load" else ""
            event, floor = each["event_ms"], each["floor_ms"]
            yield (
                f"{name}{rate} ({event['count']:,})",
                f"p50 {event['p50']:.1f} ms, p99 {event['p99']:.1f} ms",
                f"bare transaction ({floor['count']:,}) p50 {floor['p50']:.1f} ms, p99 {floor['p99']:.1f} ms:"
                f" p99 {each['p99_ratio']:.1f} x",
            )


def _evidence(results: dict[str, Any]) -> Iterator[Row]:
    found = results.get("evidence")
    if not found:
        return
    yield "[bold]what the past is explained with[/]", "", "batches through the handler, without Kafka"
    for name, each in found["keeping"].items():
        rates = each["events_per_second"]
        yield (
            f"{name} stream, keeping it",
            f"{rates['with']:,} events/s",
            f"without {rates['without']:,}; CPU {each['processor_us_per_event']['with']:.0f} µs an event,"
            f" without {each['processor_us_per_event']['without']:.0f}: {each['cost']:+.1%};"
            f" {each['rows_per_event']:.2f} rows of {each['bytes_per_row']} bytes an event",
        )
    for kind, each in found["explain_ms"].items():
        yield (
            f"explain, {kind}",
            f"p50 {each['p50']:.1f} ms, p99 {each['p99']:.1f} ms",
            f"max {each['max']:.1f} ms",
        )


def _aims(results: dict[str, Any]) -> Iterator[Row]:
    if results["aims"]:
        yield "[bold]aims[/]", "", ""
    for aim in results["aims"]:
        verdict = "[green]met[/]" if aim["met"] else "[red]not met[/]"
        yield aim["wanted"], f"{aim['measured']:.2f} {aim['unit']}", verdict
