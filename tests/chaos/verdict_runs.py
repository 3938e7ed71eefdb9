"""What must hold of runs: what was told of them, and what they came to."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any, Final

from tests.chaos.evidence import Difference, Evidence
from tests.support.model_runs import OVER

Told = dict[str, Any]
FOLLOWED_BY: Final = {"running": {"running", "held", *OVER}, "held": {"running", "cancelled", "done"}}


def runs_are_told(evidence: Evidence) -> None:
    """On assignment-runs each run comes to one end, which says what membership-changed says of it."""
    changes: dict[str, Counter[str]] = defaultdict(Counter)
    for raw in evidence.outputs["membership-changed"]:
        change = json.loads(raw.value or b"{}")
        if change.get("run_id") is not None:
            changes[change["run_id"]][change["change"]] += 1
            if change["cause"] != f"run/{change['run_id']}":
                raise Difference(f"the cause is not the run: {change}")
    told = _told(evidence)
    if set(told) != set(evidence.model.runs.all) or set(changes) - set(told):
        raise Difference(f"runs told of {sorted(told)}, in the model {sorted(evidence.model.runs.all)}")
    for run_id, records in told.items():
        for one, next_one in pairwise(records):
            if next_one["state"] not in FOLLOWED_BY.get(one["state"], ()):
                raise Difference(f"after {one} comes {next_one}")
            if any(one[name] > next_one[name] for name in ("total", "checked", "joined", "left")):
                raise Difference(f"goes back: after {one} comes {next_one}")
        _end_is_right(evidence, records[-1], changes[run_id])


def _told(evidence: Evidence) -> dict[str, list[Told]]:
    told: dict[str, list[Told]] = defaultdict(list)
    partitions: dict[str, int] = {}
    for raw in evidence.outputs["assignment-runs"]:
        record = json.loads(raw.value or b"{}")
        run_id = record["run_id"]
        if raw.key != run_id.encode() or partitions.setdefault(run_id, raw.partition) != raw.partition:
            raise Difference(f"the key or the partition is not the run's: {raw}")
        told[run_id].append(record)
    return told


def _end_is_right(evidence: Evidence, end: Told, changes: Counter[str]) -> None:
    run = evidence.model.runs.all[end["run_id"]]
    wanted = (run.kind, list(run.groups), run.state, run.joined, run.left, dict(run.skipped))
    skipped = end.get("skipped") or {}
    if (end["kind"], end["groups"], end["state"], end["joined"], end["left"], skipped) != wanted:
        raise Difference(f"{end} should be {run}")
    if end["state"] not in OVER or end["state"] == "failed" or not end.get("finished_at"):
        raise Difference(f"the run does not end well: {end}")
    if (end["joined"], end["left"]) != (changes["joined"], changes["left"]):
        raise Difference(f"{end} says otherwise than the changes {dict(changes)}")
    if end["state"] == "done" and end["checked"] != end["total"]:
        raise Difference(f"done, but not all were checked: {end}")
    if run.undone is not None and end["state"] == "done":
        undone = evidence.model.runs.all[run.undone]
        if sum(skipped.values()) + end["joined"] + end["left"] != undone.joined + undone.left:
            raise Difference(f"{end} does not sum up to {undone}")


def pins_agree(evidence: Evidence) -> None:
    """The pins, and what is kept beneath them."""
    wanted = {
        (name, group): (pin.hold, client.groups[group].source if group in client.groups else None)
        for name, client in evidence.model.clients.items()
        for group, pin in client.pins.items()
    }
    found = {
        (row["client_id"], row["group_id"]): ("in" if row["held_in"] else "out", row["beneath_source"])
        for row in evidence.tables.pins
    }
    for key in sorted(wanted.keys() | found.keys()):
        if wanted.get(key) != found.get(key):
            told = f"the pin {key} is {found.get(key)}, in the model {wanted.get(key)}"
            raise Difference(f"{told}\n{evidence.story(key[0])}")


def nothing_is_left_to_check(evidence: Evidence) -> None:
    """Each group was checked when all was over: another check would change nobody."""
    model = evidence.model
    for name in model.groups:
        for client in model.clients.values():
            if client.registered_at is None:
                continue
            effect = model.effect(client, name, model.facts(client), may_leave=True)
            if effect is not None:
                raise Difference(f"{client.id!r} should {effect} {name!r}\n{evidence.story(client.id)}")
