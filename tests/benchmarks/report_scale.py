"""The rows and aims of the measurements on a grown database: runs over all clients, commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tests.benchmarks.report_aims import Aim

AIM_FLOOR: Final = 2.0
AIM_QUERIES: Final = 10.0
AIM_MEMORY: Final = 1.2
AIM_EVENTS: Final = 3.0
AIM_ANSWER_S: Final = 1.0
ANSWERS: Final = ("client-groups groups, first rows", "client-groups groups", "client-groups client")

Row = tuple[str, str, str]


def aims(results: dict[str, Any]) -> list[Aim]:
    """Of what was measured."""
    found = []
    if "runs" in results:
        sizes = results["runs"]
        smallest, largest = sizes[min(sizes)], sizes[max(sizes)]
        ratio, queries = largest["ratio_to_floor"], largest["times_queries"]
        found.append(Aim(f"run over all clients <= {AIM_FLOOR:g} x reading", ratio, ratio <= AIM_FLOOR))
        wanted = f"run over all clients >= {AIM_QUERIES:g} x as fast as a query a group"
        found.append(Aim(wanted, queries, queries >= AIM_QUERIES))
        growth = largest["memory_mib"]["peak"] / smallest["memory_mib"]["peak"]
        wanted = f"memory from {min(sizes):,} to {max(sizes):,} clients <= {AIM_MEMORY:g} x"
        found.append(Aim(wanted, growth, growth <= AIM_MEMORY))
        events = largest["events"]["p99_ratio"]
        wanted = f"p99 of events during a run <= {AIM_EVENTS:g} x that at rest"
        found.append(Aim(wanted, events, events <= AIM_EVENTS))
    if "scale" in results:
        for name in ANSWERS:
            seconds = results["scale"]["seconds"][name]["median"]
            found.append(Aim(f"{name} < {AIM_ANSWER_S:g} s", seconds, seconds < AIM_ANSWER_S, "s"))
    return found


def runs(results: dict[str, Any]) -> Iterator[Row]:
    """A section for each number of clients."""
    for clients, found in results.get("runs", {}).items():
        first, queries, looped = found["first"], found["queries"], found["loop"]
        yield (
            f"[bold]run over {clients:,} clients, 100 groups[/]",
            f"{found['clients_per_second']:,} clients/s",
            f"{first['seconds']:.1f} s: {first['joined']:,} joined, {first['left']:,} left",
        )
        ratio, without = found["ratio_to_floor"], found["ratio_without_changes"]
        floor = f"{found['floor_seconds']:.1f} s"
        yield "(a) reading the same", floor, f"the run takes {ratio:.2f} x, without changes {without:.2f} x"
        yield (
            "(b) a query a group",
            f"{queries['seconds']:.1f} s",
            f"{queries['groups']} groups measured; the run is {found['times_queries']:.1f} x as fast",
        )
        yield (
            "(c) a loop over clients and rules",
            f"{looped['us_a_client']:,.0f} µs a client",
            f"{looped['clients']:,} clients measured; the run is {found['times_loop']:.0f} x as fast",
        )
        memory, events = found["memory_mib"], found["events"]
        yield "memory of the worker", f"{memory['peak']:.0f} MiB", f"at start {memory['at_start']:.0f} MiB"
        yield _events("one event during a run", events)


def scale(results: dict[str, Any]) -> Iterator[Row]:
    """Commands, then events while a group is deleted."""
    if "scale" not in results:
        return
    found = results["scale"]
    written, deletion = found["written"], found["deletion"]
    yield f"[bold]{written['clients']:,} clients, {written['memberships']:,} memberships[/]", "", ""
    for name, seconds in found["seconds"].items():
        yield name, f"{seconds['median'] * 1e3:,.0f} ms", f"at most {seconds['most'] * 1e3:,.0f} ms"
    yield "delete-group, of all clients", f"{deletion['seconds']:.0f} s", ""
    yield _events("one event meanwhile", deletion)


def _events(name: str, found: dict[str, Any]) -> Row:
    rest, during = found["at_rest_ms"], found["during_ms"]
    return (
        f"{name} ({during['count']:,})",
        f"p50 {during['p50']:.1f} ms, p99 {during['p99']:.1f} ms",
        f"at rest ({rest['count']:,}) p50 {rest['p50']:.1f} ms, p99 {rest['p99']:.1f} ms:"
        f" p99 {found['p99_ratio']:.1f} x",
    )
