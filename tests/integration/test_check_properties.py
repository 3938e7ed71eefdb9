"""Checks of all clients while events and commands come in between: the plain model says what comes of it.

Groups have every combination of *exclude* (A2) and *keep manual* (A3), with and without a threshold; clients
are in them by rule, by hand and pinned.
STATE_MACHINE_EXAMPLES in the environment gives another number of examples, drawn anew at each run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import product
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import strategies_wire as wire
from tests.support.side_by_side import EXAMPLES, SideBySide, profile
from tests.support.strategies_wire import Said

PROFILE: Final = profile(25)
CLIENTS: Final = tuple(f"c{number}" for number in range(1, 7))
OPTIONS: Final = list(product((True, False), (True, False)))
THRESHOLDS: Final = (
    None,
    {"percent": 0, "count": 0},
    {"percent": 50, "count": 1},
    {"percent": 100, "count": 0},
)
EVERY_MINUTE: Final = {"periodic": True, "schedule": "* * * * *"}

_clients: Final = st.sampled_from(CLIENTS)
_some: Final = st.lists(_clients, min_size=1, max_size=3, unique=True)
_country: Final = st.sampled_from(("DE", "FR"))


def _command(command: str, **fields: Any) -> st.SearchStrategy[Said]:
    return st.tuples(
        st.just("group-commands"), st.fixed_dictionaries({"command": st.just(command), **fields})
    )


def _event(topic: str, time: str, **fields: Any) -> st.SearchStrategy[Said]:
    told = {"client_id": _clients, time: st.just(0), **fields}
    return st.tuples(st.just(topic), st.fixed_dictionaries(told))


@st.composite
def groups(draw: st.DrawFn) -> list[dict[str, Any]]:
    """One for each combination of A2 and A3, which events check or do not; two are checked by the clock."""
    made = []
    for number, (exclude, keep_manual) in enumerate(OPTIONS):
        auto = {
            "exclude": exclude,
            "keep_manual": keep_manual,
            "upon_registration": draw(st.booleans()),
            "upon_change": draw(st.sampled_from((False, False, True))),
            "hold_leaves_over": draw(st.sampled_from(THRESHOLDS)),
            **(EVERY_MINUTE if number % 2 else {}),
        }
        value = draw(st.sampled_from(("DE", "DE", "FR")))
        kind = draw(st.sampled_from(("country", "country", "geoip_country")))
        condition = {"condition_group": 1, "type": kind, "comparison": "equals", "value": value}
        name = f"g{number}"
        made.append({"group": name, "name": name, "auto_assignment": auto, "conditions": [condition]})
    return made


_group: Final = st.sampled_from([f"g{number}" for number in range(len(OPTIONS))])
_of_group: Final = {"group": _group, "clients": _some}
_by_hand: Final = _command("add-members", **_of_group) | _command("remove-members", **_of_group)
_pins: Final = st.one_of(
    _command("pin", **_of_group, hold=st.sampled_from(("in", "out"))), _command("unpin", **_of_group)
)
_moves: Final = _event("client-changed", "changed_at", country=_country) | _event(
    "client-changed", "changed_at", ip=st.sampled_from(("192.0.2.1", "198.51.100.1", None))
)
_between: Final = st.one_of(
    *[_moves] * 4,
    _by_hand,
    _pins,
    _event("client-deleted", "deleted_at"),
    _event("client-registered", "registered_at", country=_country),
    _command("change-group", group=_group, conditions=st.just([])),
)
_steps: Final = st.one_of(
    *[st.just("step")] * 4,
    *[_between] * 3,
    _command("start-check", group=_group),
    wire.about_runs,
    st.sampled_from(("tick", "all", "restart")),
)


@pytest.mark.timeout(0 if EXAMPLES else 450)  # a failure is made small for 300 s at the most
def test_a_run_comes_to_what_the_model_says_whatever_comes_in_between(
    new_database: Callable[[], AbstractContextManager[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two clients a chunk: a run takes six in three steps, and what comes in between is ahead of it or behind.
    for module in ("db.runs", "db.leaves"):
        monkeypatch.setattr(f"{module}.CHUNK", 2)
    monkeypatch.setattr("db.runs.RANGE", 4)

    @PROFILE
    @given(
        groups=groups(),
        countries=st.lists(_country, min_size=len(CLIENTS), max_size=len(CLIENTS)),
        before=st.lists(st.one_of(_by_hand, _pins), max_size=6),
        steps=st.lists(_steps, min_size=10, max_size=40),
    )
    def holds(
        groups: list[dict[str, Any]], countries: list[str], before: list[Said], steps: list[Any]
    ) -> None:
        with new_database() as database_url:
            asyncio.run(_told(SideBySide(database_url), groups, countries, before, steps))

    holds()


async def _told(
    both: SideBySide,
    groups: Sequence[dict[str, Any]],
    countries: Sequence[str],
    before: Sequence[Said],
    steps: Sequence[Any],
) -> None:
    await both.start()
    try:
        for client in CLIENTS:
            body = {"client_id": client, "registered_at": 0, "country": "DE"}
            await both.take(("client-registered", body))
        for group in groups:
            await both.take(("group-commands", {"command": "put-group", **group}))
        await _start_all(both, groups)
        await both.run_all()  # now those who match are in by rule
        for said in before:
            await both.take(said)
        await both.pass_time(60)
        for client, country in zip(CLIENTS, countries, strict=True):
            body = {"client_id": client, "changed_at": 0, "country": country}
            await both.take(("client-changed", body))
        await _start_all(both, groups)
        for step in steps:
            await _step(both, step)
        await both.run_all()
        await _undo_all(both)
        await _each_group_once_more(both, groups)
    finally:
        await both.stop()


async def _start_all(both: SideBySide, groups: Sequence[dict[str, Any]]) -> None:
    for group in groups:
        await both.take(("group-commands", {"command": "start-check", "group": group["group"]}))


async def _undo_all(both: SideBySide) -> None:
    """The newest first."""
    for run in reversed(list(both.model.runs.all.values())):
        if run.changes:
            await both.take(("group-commands", {"command": "undo-run", "run_id": run.id}))
            await both.run_all()


async def _step(both: SideBySide, step: Any) -> None:
    match step:
        case "step":
            await both.run_step()
        case "all":
            await both.run_all()
        case "tick":
            await both.pass_time(60)
            await both.tick()
        case "restart":
            await both.stop()
            await both.start()
        case (str(command), int(age)):
            run_ids = list(reversed(both.model.runs.all))
            if age < len(run_ids):
                await both.take(("group-commands", {"command": command, "run_id": run_ids[age]}))
        case (str(topic), dict(body)):
            await both.pass_time(1)
            await both.take((topic, body))


async def _each_group_once_more(both: SideBySide, groups: Sequence[dict[str, Any]]) -> None:
    """With nothing behind it a check comes to what the facts say, and a second one changes nothing."""
    for _ in range(2):
        changed = []
        for group in groups:
            await both.take(("group-commands", {"command": "start-check", "group": group["group"]}))
            run = list(both.model.runs.all.values())[-1]
            await both.run_all()
            if run.state == "held":
                await both.take(("group-commands", {"command": "approve-run", "run_id": run.id}))
                await both.run_all()
            assert run.state == "done"
            changed.append(run.joined + run.left)
    assert not any(changed)
