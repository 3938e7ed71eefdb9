"""The product on a real database and the plain model beside it: the same records to both, then compared."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson
from hypothesis import HealthCheck, settings

from db import relay
from events.record import Record
from tests.support.driver import COUNTRIES, START, Driver, driver
from tests.support.evidence import assert_history_is_explained
from tests.support.model import Model
from tests.support.model_decode import Raw
from tests.support.model_net import Expected
from tests.support.model_published import Ledger, client_groups, client_memberships, deleted
from tests.support.strategies_wire import Said, from_now, on_the_wire
from workers.membership.rulesets import RuleSets
from workers.relay.messages import Message, changes_and_records, last_rows, snapshot
from workers.runs.pin_expiry import PinExpiry

if TYPE_CHECKING:
    from db.relay import RelayConnection

ROWS = 10_000
"""More than a step appends to the log."""

EXAMPLES: Final = os.environ.get("STATE_MACHINE_EXAMPLES", "")
"""Another number of examples, drawn anew at each run."""


def profile(examples: int, **more: Any) -> settings:
    """Of property tests on a database: patient, and they repeat themselves unless EXAMPLES is given."""
    return settings(
        max_examples=int(EXAMPLES or examples),
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
        **more,
    )


class SideBySide:
    """Both of them, and the topics as a subscriber would have them by now."""

    def __init__(self, database_url: str) -> None:
        """Opens nothing yet."""
        self._database_url = database_url
        self._exits = AsyncExitStack()
        self._position = 0
        self._offsets: dict[str, int] = {}
        self._now = START
        self._memberships: dict[str, dict[str, Any]] = {}
        self._groups: dict[str, dict[str, Any]] = {}
        self._told: dict[str, Mapping[str, Any]] = {}
        self._checked_answers = 0
        self._dead = 0
        self._driver: Driver
        self._expiry: PinExpiry
        self._relay: RelayConnection
        self.model = Model(lambda ip: COUNTRIES.get(ip.rpartition(".")[0]), self._now)
        self.model.set_clock(self._now)
        self._ledger = Ledger(self.model)

    async def start(self) -> None:
        """A worker on the database as it is."""
        self._driver = await self._exits.enter_async_context(driver(self._database_url))
        self._driver.offsets, self._driver.now = self._offsets, self._now
        self._relay = await self._exits.enter_async_context(relay.connect(self._database_url))
        self._expiry = PinExpiry(
            self._driver.pool, RuleSets(), clock=lambda: self._driver.now, committed=lambda: None
        )

    async def stop(self) -> None:
        """The worker ends; what it has in memory is lost. What it kept of its decisions gives them again."""
        try:
            await assert_history_is_explained(self._driver.pool)
        finally:
            await self._exits.aclose()

    async def take(self, *said: Said, minute: int = 0) -> None:
        """Some events as one batch, or one command; the records' own time is so many minutes from now."""
        timestamp = from_now(minute, self._now)
        by_topic: dict[str, list[Record]] = defaultdict(list)
        for topic, body in said:
            by_topic[topic].append(
                self._driver.record(topic, on_the_wire(body, self._now), timestamp=timestamp)
            )
        records = [record for of_topic in by_topic.values() for record in of_topic]
        outcome = await self._driver.handle(*records)
        assert not outcome.moved
        self.model.runs.ids = dict(await self._driver.fetch("SELECT cause, run_id FROM runs"))
        for record in records:
            place = (record.topic, record.partition, record.offset, record.timestamp)
            self.model.apply(Raw(*place, record.key, bytes(record.value or b"")))
        await self._compare()

    async def pass_time(self, seconds: float) -> None:
        """The clock goes on, and pins expire."""
        self._now = self._driver.now = self._now + timedelta(seconds=seconds)
        while await self._expiry.step():
            pass
        self.model.set_clock(self._now)
        await self._compare()

    async def run_step(self) -> bool:
        """A run goes on by one transaction, if there is one; the model is told what that one covered."""
        before, unplanned = await self._chunks(), await self._unplanned()
        if not await self._driver.runner.step():
            return False
        for run_id in unplanned - await self._unplanned():
            self.model.runs.plan(run_id)
        chunks = await self._chunks()
        for (run_id, number), chunk in before.items():
            rest = chunks.get((run_id, number))
            if rest == chunk:
                continue
            client_ids, after, last, counted = chunk
            if rest is not None:  # put back: what is left of a range
                last, counted = rest[1], counted - rest[3]
            if client_ids is None:
                client_ids = [one for one in self.model.clients if after < one <= last]
            self.model.runs.go_on(run_id, client_ids, self._now)
            self.model.runs.find(run_id).checked += counted
            if not any(run == run_id for run, _ in before.keys() & chunks.keys()):
                self.model.runs.come_through(run_id)
        await self._compare()
        return True

    async def run_all(self) -> None:
        """Runs go on until there is nothing to do."""
        while await self.run_step():
            pass

    async def tick(self) -> None:
        """The timer agent looks at the clock: what is due begins."""
        known = {run_id for (run_id,) in await self._driver.fetch("SELECT run_id FROM runs")}
        await self._driver.scheduler.tick()
        for run_id, groups, state in await self._driver.fetch("SELECT run_id, groups, state FROM runs"):
            if run_id not in known:
                assert all(self.model.groups[group].switch("periodic") for group in groups)
                assert any(map(self.model.runs.is_going, groups)) == (state == "cancelled")
                self.model.runs.begin(run_id, "schedule", groups).state = state
        await self._compare()

    async def _chunks(self) -> dict[tuple[str, int], tuple[Any, ...]]:
        """Those of runs that are going, with their clients: named, or from one id to another."""
        rows = await self._driver.fetch(
            "SELECT c.run_id, c.number, c.client_ids, c.after_id, c.last_id, c.clients"
            " FROM run_chunks AS c JOIN runs AS r USING (run_id) WHERE r.state = 'running'"
        )
        return {(run_id, number): tuple(rest) for run_id, number, *rest in rows}

    async def _unplanned(self) -> set[str]:
        rows = await self._driver.fetch("SELECT run_id FROM runs WHERE state = 'running' AND NOT planned")
        return {run_id for (run_id,) in rows}

    async def _compare(self) -> None:
        expected, published = self._ledger.close()
        messages = await self._messages()
        by_topic: dict[str, list[Message]] = defaultdict(list)
        for message in messages:
            by_topic[message.topic].append(message)
        _changes_agree(by_topic["membership-changed"], expected)
        self._fold(self._memberships, by_topic["client-memberships"])
        self._fold(self._groups, by_topic["client-groups"])
        snapshots = {_text(message.key) for message in by_topic["client-memberships"]}
        assert published <= snapshots, (published, snapshots)
        await self._memberships_agree()
        await self._runs_agree([_json(message) for message in by_topic["assignment-runs"]])
        self._groups_agree()
        self._answers_agree([_json(message) for message in by_topic["group-command-results"]])
        dead = sum(len(found) for topic, found in by_topic.items() if topic.endswith(".dlt"))
        assert dead == len(self.model.dead) - self._dead, (self.model.dead, by_topic)
        self._dead = len(self.model.dead)

    async def _messages(self) -> list[Message]:
        """What the relay would send now."""
        rows = await relay.read(self._relay, self._position, row_limit=ROWS, byte_limit=1 << 30)
        if not rows:
            return []
        self._position = rows[-1].seq + 1
        due = last_rows(rows)
        states = await relay.client_states(self._relay, list(due))
        now = datetime.now(UTC)
        return [
            *changes_and_records(rows, frozenset()),
            *(snapshot(state, due[state.client_id], now) for state in states),
        ]

    @staticmethod
    def _fold(table: dict[str, dict[str, Any]], messages: Sequence[Message]) -> None:
        for message in messages:
            if message.value is None:
                table.pop(_text(message.key), None)
            else:
                table[_text(message.key)] = _json(message)

    async def _memberships_agree(self) -> None:
        """The tables, and client-memberships as folded."""
        model = self.model
        wanted = {name: groups for name, one in model.clients.items() if (groups := one.in_force())}
        table: dict[str, dict[str, str]] = defaultdict(dict)
        for client, group, source in await self._driver.fetch(
            "SELECT client_id, group_id, source FROM memberships ORDER BY client_id, group_id"
        ):
            table[client][group] = source
        assert table == wanted
        versions = dict(await self._driver.fetch("SELECT client_id, version FROM clients WHERE version > 0"))
        assert versions == self._ledger.versions
        folded = {
            name: (value["version"], {group: one["source"] for group, one in value["groups"].items()})
            for name, value in self._memberships.items()
        }
        groupless = {name: version for name, (version, groups) in folded.items() if not groups}
        assert groupless == {name: versions.get(name, 0) for name in groupless}
        assert not groupless.keys() & deleted(model)
        in_groups = {name: one for name, one in folded.items() if name not in groupless}
        assert in_groups == client_memberships(model, self._ledger.versions)

    async def _runs_agree(self, told: Sequence[Mapping[str, Any]]) -> None:
        """The table, and assignment-runs, which tells of every run that is not under way as it is."""
        rows = await self._driver.fetch(
            'SELECT run_id, kind, groups, state, total, checked, joined, "left", skipped FROM runs'
        )
        wanted = {
            run.id: (
                *(run.kind, list(run.groups), run.state, run.total, run.checked, run.joined, run.left),
                dict(run.skipped),
            )
            for run in self.model.runs.all.values()
        }
        assert {run_id: tuple(rest) for run_id, *rest in rows} == wanted
        self._told.update({record["run_id"]: record for record in told})
        for run in self.model.runs.all.values():
            last = self._told[run.id]
            assert last["state"] == run.state, (last, run)
            if run.state != "running":
                counts = (last["total"], last["checked"], last["joined"], last["left"])
                assert counts == (run.total, run.checked, run.joined, run.left), (last, run)
            if run.state == "held":
                waits = {group: len(run.leaving(group)) for group in run.checks if group in run.held}
                assert {group: one["to_leave"] for group, one in last["held"].items()} == waits, (last, run)

    def _groups_agree(self) -> None:
        shown = {
            name: {field: value for field, value in group.items() if field != "updated_at"}
            for name, group in self._groups.items()
        }
        assert shown == client_groups(self.model)

    def _answers_agree(self, answers: list[dict[str, Any]]) -> None:
        expected = self.model.answers[self._checked_answers :]
        self._checked_answers = len(self.model.answers)
        assert len(answers) == len(expected), (answers, expected)
        for answer, by_model in zip(answers, expected, strict=True):
            told = (answer, by_model)
            assert (answer["command_id"], answer["status"]) == (by_model.command_id, by_model.status), told
            assert bool(answer["errors"]) == (by_model.status == "rejected"), told
            assert len(answer["warnings"]) >= by_model.passed_over, told
            result = answer.get("result") or {}
            assert (by_model.result or {}).items() <= result.items(), told


def _changes_agree(messages: Sequence[Message], expected: Sequence[Expected]) -> None:
    wanted = {(one.client, one.group, one.change): one for one in expected}
    changes = [_json(message) for message in messages]
    got = {(one["client_id"], one["group"], one["change"]): one for one in changes}
    assert len(got) == len(changes), changes
    assert got.keys() == wanted.keys(), (changes, expected)
    for key, change in got.items():
        assert change["source"] in wanted[key].sources, (change, wanted[key])
        assert (change["moment"], change["cause"]) in wanted[key].decided, (change, wanted[key])


def _text(key: bytes | None) -> str:
    return (key or b"").decode()


def _json(message: Message) -> dict[str, Any]:
    value: dict[str, Any] = orjson.loads(message.value or b"{}")
    return value
