"""Commands as operators type them, in Kafka's own console tools and through librdkafka, against a worker.

The cases are data: tests/support/console_cases.py says how to read and write them.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from confluent_kafka import Producer

from db import positions
from events.topics import (
    ASSIGNMENT_RUNS,
    CLIENT_GROUPS,
    CLIENT_MEMBERSHIPS,
    GROUP_COMMAND_RESULTS,
    GROUP_COMMANDS,
    MEMBERSHIP_CHANGED,
    dead_letter_topic,
)
from tests.support.console_cases import GONE, Case, all_cases, with_times
from tests.support.console_ways import Headers, Librdkafka, Tools, Way
from tests.support.matching import difference
from tests.support.observer import TIMEOUT_S, Observer, Seen
from tests.support.running import Running
from tests.support.taken import wait_until_taken

LIBRDKAFKA, TOOLS = "librdkafka", "console tools"
CASES = [
    pytest.param(way, case, id=f"{way}: {case.name}")
    for way in (TOOLS, LIBRDKAFKA)
    for case in all_cases()
    if case.only in (None, way)
]
DEAD_LETTERS = dead_letter_topic(GROUP_COMMANDS.name)
OBSERVED = (
    GROUP_COMMANDS.name,
    GROUP_COMMAND_RESULTS.name,
    MEMBERSHIP_CHANGED.name,
    CLIENT_MEMBERSHIPS.name,
    CLIENT_GROUPS.name,
    ASSIGNMENT_RUNS.name,
    DEAD_LETTERS,
)


@pytest.fixture(scope="module")
def producer(running: Running) -> Iterator[Producer]:
    settings = {"bootstrap.servers": running.stack.bootstrap_servers, "partitioner": "murmur2_random"}
    with Producer({**settings, "linger.ms": 0}) as producer:
        yield producer


@pytest.fixture(scope="module")
def tools(running: Running) -> Iterator[Tools]:
    with Tools(running).open() as tools:
        yield tools


@pytest.fixture(scope="module")
def observer_of_all(running: Running) -> Iterator[Observer]:
    with Observer(running.stack.bootstrap_servers, OBSERVED) as observer:
        yield observer


@pytest.fixture
def observer(observer_of_all: Observer) -> Observer:
    """One that has seen nothing yet."""
    observer_of_all.seen.clear()
    return observer_of_all


class Player:
    """Does the steps of one case."""

    def __init__(self, running: Running, way: Way, observer: Observer, producer: Producer, prefix: str):
        self._running = running
        self._way = way
        self._observer = observer
        self._producer = producer
        self._prefix = f"{prefix}-"
        self._changes_told = 0
        self._run_id: str | None = None
        self._names: dict[str, Any] = {}

    def do(self, step: Mapping[str, Any]) -> None:
        for topic, values in step.get("events", {}).items():
            self._publish(topic, values)
        if "say" in step:
            self._say(step)
        for topic in (CLIENT_GROUPS.name, CLIENT_MEMBERSHIPS.name):
            for key, expected in step.get(topic, {}).items():
                self._expect_newest(topic, key, expected)
        if (run := step.get(ASSIGNMENT_RUNS.name)) is not None:
            assert self._run_id is not None
            self._expect_newest(ASSIGNMENT_RUNS.name, self._run_id, run)
        if (changes := step.get(MEMBERSHIP_CHANGED.name)) is not None:
            self._expect_changes(changes)

    def end(self) -> None:
        """Nothing happened beside what was told."""
        self._observer.catch_up()
        assert self._changes()[self._changes_told :] == []

    def clean_up(self) -> None:
        """Delete the groups: they would take in the clients of other cases."""
        self._observer.catch_up()
        groups = {
            each.id for each in self._observer.of(CLIENT_GROUPS.name) if each.id.startswith(self._prefix)
        }
        way = Librdkafka(self._producer)
        for group in groups:
            way.say(json.dumps({"command": "delete-group", "group": group, "force": True}), None, {})

    def _publish(self, topic: str, values: Sequence[Mapping[str, Any]]) -> None:
        ends: dict[positions.Partition, int] = {}

        def delivered(error: object, message: Any) -> None:
            assert error is None
            place = (message.topic(), message.partition())
            ends[place] = max(ends.get(place, 0), message.offset() + 1)

        for value in values:
            key = str(value.get("client_id") or value.get("provider_id") or value.get("group"))
            self._producer.produce(topic, json.dumps(value).encode(), key, on_delivery=delivered)
        assert self._producer.flush(TIMEOUT_S) == 0
        wait_until_taken(self._running.stack.database_url, ends)

    def _say(self, step: Mapping[str, Any]) -> None:
        text, before = with_times(step["say"]), len(self._observer.seen)
        for name, value in self._names.items():
            text = text.replace(name, value)
        answered = len(self._way.answers(self._observer))
        self._way.say(text, step.get("key"), step.get("headers", {}))

        def arrived() -> Seen | None:
            records = (each for each in self._observer.seen[before:] if each.topic == GROUP_COMMANDS.name)
            return next((each for each in records if each.value == text.encode()), None)

        cause = self._observer.until(arrived, f"the record of {text[:100]}").place
        if "dead_letter" in step:
            self._expect_dead_letter(cause, text, step["dead_letter"])
            return
        command_id = _id_in(text) or cause

        def is_answered() -> dict[str, Any] | None:
            answers = map(json.loads, self._way.answers(self._observer)[answered:])
            return next((each for each in answers if each["command_id"] == command_id), None)

        answer = self._observer.until(is_answered, f"an answer to {text[:100]}")
        assert self._difference(step["answer"], answer) is None, answer
        self._run_id = answer.get("run_id", self._run_id)

    def _expect_dead_letter(self, cause: str, text: str, expected: Headers) -> None:
        def buried() -> Seen | None:
            return next((each for each in self._observer.of(DEAD_LETTERS) if _cause_of(each) == cause), None)

        letter = self._observer.until(buried, f"the dead letter of {cause}")
        assert letter.value == text.encode()
        headers = {name: (value or b"").decode() for name, value in letter.headers.items()}
        assert self._difference(expected, headers) is None, headers

    def _expect_newest(self, topic: str, key: str, expected: Any) -> None:
        """Wait until the newest record of a key is so: a later step may have made it anew meanwhile."""
        told = ""

        def is_so() -> bool | None:
            nonlocal told
            records = [each for each in self._observer.of(topic) if each.id == key]
            found = (records[-1].json or GONE) if records else None
            told = self._difference(expected, found) or ""
            return None if told else True

        try:
            self._observer.until(is_so, f"{topic} of {key}")
        except pytest.fail.Exception as failure:
            raise AssertionError(f"{failure}; {told}") from None

    def _difference(self, expected: Any, found: Any) -> str | None:
        return difference(expected, found, whole=False, names=self._names)

    def _changes(self) -> list[dict[str, Any]]:
        records = self._observer.of(MEMBERSHIP_CHANGED.name)
        return [each.json for each in records if each.id.startswith(self._prefix)]

    def _expect_changes(self, expected: Sequence[Mapping[str, Any]] | int) -> None:
        told = self._changes_told + (expected if isinstance(expected, int) else len(expected))
        self._observer.until(lambda: len(self._changes()) >= told or None, f"{told} changes in all")
        found = self._changes()[self._changes_told :]
        self._changes_told = told
        if not isinstance(expected, int):
            assert self._difference(_by_client(expected), _by_client(found)) is None, found


def _id_in(text: str) -> str | None:
    command = json.loads(text)
    return str(command["id"]) if "id" in command else None


def _by_client(changes: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    by_client = defaultdict(list)
    for change in changes:
        by_client[change["client_id"]].append(change)
    return dict(by_client)


def _cause_of(letter: Seen) -> str:
    parts = (letter.headers[f"__connect.errors.{name}"] or b"" for name in ("topic", "partition", "offset"))
    return b"/".join(parts).decode()


@pytest.mark.parametrize(("way", "case"), CASES)
def test_case(
    way: str,
    case: Case,
    running: Running,
    observer: Observer,
    producer: Producer,
    prefix: str,
    request: pytest.FixtureRequest,
) -> None:
    sender: Way = request.getfixturevalue("tools") if way == TOOLS else Librdkafka(producer)
    player = Player(running, sender, observer, producer, prefix)
    try:
        for step in case.steps(prefix):
            player.do(step)
        player.end()
    finally:
        player.clean_up()
