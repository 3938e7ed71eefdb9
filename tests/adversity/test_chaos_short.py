"""A short chaos run (the long one is `make chaos`), and proof that its judge sees what it should see."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.chaos.dry import dry_run
from tests.chaos.evidence import Difference, Evidence
from tests.chaos.judge import judge, judge_without_relay
from tests.chaos.run import Options, Run
from tests.support.model_decode import Raw

pytestmark = pytest.mark.timeout(300)  # the run itself takes less than a minute on an idle machine

OPTIONS = Options(kills=4, seed=4, clients=120, events=1200)


@pytest.fixture(scope="module")
def evidence() -> Iterator[Evidence]:
    """What a run leaves in which all held."""
    folder = Path(tempfile.mkdtemp(prefix="client-groups-chaos-"))
    try:
        run = Run(OPTIONS, folder, Console(quiet=True))
        counts = asyncio.run(run.run())
        assert counts["kills"] == OPTIONS.kills
        assert run.evidence is not None
        yield run.evidence
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_kills_lose_and_repeat_nothing(evidence: Evidence) -> None:
    assert len(evidence.records) > OPTIONS.events
    assert len(evidence.tables.history) > 300
    assert len(evidence.model.dead) > 10
    assert sum(run.joined + run.left for run in evidence.model.runs.all.values()) > 10


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_random_batches_side_by_side_give_what_the_model_gives(database_url: str, seed: int) -> None:
    judge_without_relay(await dry_run(database_url, seed, clients=80, events=1200))


def without_one(found: list[Any]) -> list[Any]:
    return found[: len(found) // 2] + found[len(found) // 2 + 1 :]


def twice(found: list[Any]) -> list[Any]:
    return [*found, found[len(found) // 2]]


def outputs(topic: str, change: Callable[[list[Raw]], list[Raw]]) -> Callable[[Evidence], Evidence]:
    def tamper(evidence: Evidence) -> Evidence:
        found = {**evidence.outputs, topic: change(evidence.outputs[topic])}
        return Evidence(evidence.inputs, found, evidence.tables)

    return tamper


def table(name: str, change: Callable[[list[Any]], list[Any]]) -> Callable[[Evidence], Evidence]:
    def tamper(evidence: Evidence) -> Evidence:
        rows = [dict(row) for row in getattr(evidence.tables, name)]
        return Evidence(evidence.inputs, evidence.outputs, replace(evidence.tables, **{name: change(rows)}))

    return tamper


def every_value(**fields: Any) -> Callable[[list[Raw]], list[Raw]]:
    def change(found: list[Raw]) -> list[Raw]:
        bodies = [json.loads(raw.value or b"{}") for raw in found]
        values = [
            raw.value if raw.value is None else json.dumps(body | fields).encode()
            for raw, body in zip(found, bodies, strict=True)
        ]
        return [replace(raw, value=value) for raw, value in zip(found, values, strict=True)]

    return change


def every_row(**columns: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda rows: [{**row, **columns} for row in rows]


def both(*tampers: Callable[[Evidence], Evidence]) -> Callable[[Evidence], Evidence]:
    def tamper(evidence: Evidence) -> Evidence:
        for one in tampers:
            evidence = one(evidence)
        return evidence

    return tamper


def other_byte(found: list[Raw]) -> list[Raw]:
    return [replace(found[0], value=(found[0].value or b"") + b" "), *found[1:]]


def exchanged(found: list[Raw]) -> list[Raw]:
    """Two changes of one client in the wrong order."""
    for at, (one, other) in enumerate(pairwise(found)):
        if one.key == other.key:
            return [*found[:at], other, one, *found[at + 2 :]]
    raise AssertionError("no client with two changes in a row")


def of_no_run(found: list[Raw]) -> list[Raw]:
    return every_value(run_id=None)(found)


def a_join_less(rows: list[Any]) -> list[Any]:
    """Without the first join that a run made."""
    at = next(at for at, row in enumerate(rows) if row["run_id"] is not None and row["joined"])
    return rows[:at] + rows[at + 1 :]


def first_note(rows: list[Any], source: str) -> int:
    return next(at for at, row in enumerate(rows) if row["source"] == source)


def a_chunk_again(rows: list[Any]) -> list[Any]:
    """The first chunk that was done is done twice; one whose run does not move was swept up after its end."""
    moved = {(row["batch"], json.loads(row["now"])["run_id"]) for row in rows if row["source"] == "runs"}
    at = next(
        at
        for at, row in enumerate(rows)
        if (row["source"], row["operation"]) == ("run_chunks", "DELETE")
        and (row["batch"], json.loads(row["was"])["run_id"]) in moved
    )
    return [*rows[: at + 1], *rows[at:]]


def otherwise(rows: list[Any], source: str, **fields: Any) -> list[Any]:
    """The first note of a table says something else."""
    at = first_note(rows, source)
    now = json.dumps(json.loads(rows[at]["now"]) | fields)
    return [*rows[:at], {**rows[at], "now": now}, *rows[at + 1 :]]


def without_leaves(rows: list[Any]) -> list[Any]:
    return [row for row in rows if row["source"] != "run_leaves"]


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(tamper, id=name)
        for name, tamper in {
            "a change is lost": outputs("membership-changed", without_one),
            "a change comes twice": outputs("membership-changed", twice),
            "changes out of order": outputs("membership-changed", exchanged),
            "changes without their history": table("history", without_one),
            "another moment": both(
                outputs("membership-changed", every_value(moment="forced")),
                table("history", every_row(moment="forced")),
            ),
            "another cause": both(
                outputs("membership-changed", every_value(cause="client-changed/0/0")),
                table("history", every_row(cause="client-changed/0/0")),
            ),
            "an answer is lost": outputs("group-command-results", without_one),
            "an answer comes twice": outputs("group-command-results", twice),
            "all is done": outputs("group-command-results", every_value(status="done")),
            "a dead letter is lost": outputs("payer-changed.dlt", lambda found: found[1:]),
            "a dead letter comes twice": outputs("payer-changed.dlt", twice),
            "a dead letter is not as it came": outputs("client-changed.dlt", other_byte),
            "a group is missing": outputs("client-groups", lambda found: found[1:]),
            "a record was not taken": table("trace", without_one),
            "a record was taken twice": table("trace", twice),
            "a position is too low": table("positions", every_row(next_offset=1)),
            "a membership is missing": table("memberships", without_one),
            "all are members by rule": table("memberships", every_row(source="rule")),
            "no snapshots": outputs("client-memberships", lambda found: []),
            "snapshots in another version": outputs("client-memberships", every_value(version=0)),
            "a country is wrong": table("clients", every_row(country="DE")),
            "a payer is missing": table("payers", without_one),
            "nobody is verified": table("verifications", every_row(passed_at=None)),
            "no provider is active": table("providers", every_row(active=False)),
            "the end of a run is not told": outputs("assignment-runs", lambda found: found[:-1]),
            "a run is told of in another order": outputs("assignment-runs", exchanged),
            "runs that joined one more": outputs("assignment-runs", every_value(joined=1_000_000)),
            "runs that checked fewer": outputs("assignment-runs", every_value(checked=0)),
            "runs that are going for ever": outputs("assignment-runs", every_value(state="running")),
            "an undoing that left out more": outputs("assignment-runs", every_value(skipped={"pinned": 1})),
            "a change of no run": both(
                outputs("membership-changed", of_no_run), table("history", every_row(run_id=None))
            ),
            "a run changed one less": table("history", a_join_less),
            "a chunk is done twice": table("notes", a_chunk_again),
            "a run stands otherwise": table("notes", lambda rows: otherwise(rows, "runs", joined=77)),
            "a run is held for nothing": table("notes", lambda rows: otherwise(rows, "runs", state="held")),
            "who was to leave is another": table(
                "notes", lambda rows: otherwise(rows, "run_leaves", client_id="nobody")
            ),
            "nobody was to leave": table("notes", without_leaves),
            "a pin that holds the other way": table("pins", every_row(held_in=True)),
            "something else is beneath the pins": table("pins", every_row(beneath_source="rule")),
        }.items()
    ],
)
def test_the_judge_sees(evidence: Evidence, tamper: Callable[[Evidence], Evidence]) -> None:
    with pytest.raises(Difference):
        judge(tamper(evidence))
