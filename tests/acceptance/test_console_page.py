"""docs/console.md is carried out, from top to bottom, on an empty system; and it is complete."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from events.commands import COMMANDS
from events.topics import ASSIGNMENT_RUNS, GROUP_COMMAND_RESULTS, GROUP_COMMANDS
from tests.support.console_page import Example, codes, examples
from tests.support.console_tools import CLASSES, command_lines
from tests.support.matching import difference
from tests.support.observer import TIMEOUT_S, Observer, Seen
from tests.support.running import Running, started
from tests.support.taken import wait_until_taken

ROOT = Path(__file__).parents[2]
CODES_OF_FILES = {"given_twice", "too_large"}
"""Of `client-groups apply` alone: they never come as an answer."""


@pytest.fixture(scope="module")
def empty_system() -> Iterator[Running]:
    with started(environ={}) as running:
        yield running


class Operator:
    """Sends what the page says and reads what is answered."""

    def __init__(self, running: Running, observer: Observer, producer: Producer) -> None:
        self._running = running
        self._observer = observer
        self._producer = producer

    def publish(self, example: Example) -> None:
        """Send an event, and wait until the worker has taken it."""
        record = self._send(example.topic, example.text)
        ends = {(record.topic(), record.partition()): record.offset() + 1}
        wait_until_taken(self._running.stack.database_url, ends)

    def ask(self, example: Example) -> dict[str, Any]:
        """Send a command and read its answer; where it is accepted, wait until its run is over or held."""
        answered = len(self._observer.of(GROUP_COMMAND_RESULTS.name))
        told = len(self._observer.of(ASSIGNMENT_RUNS.name))
        self._send(GROUP_COMMANDS.name, example.text)

        def answer() -> Seen | None:
            return next(iter(self._observer.of(GROUP_COMMAND_RESULTS.name)[answered:]), None)

        found: dict[str, Any] = self._observer.until(answer, f"an answer to {example.text[:100]}").json
        if found["status"] == "accepted":
            self._observer.until(lambda: self._rest_of(found["run_id"], told), "the end of the run")
        return found

    def _rest_of(self, run_id: str, told: int) -> Seen | None:
        """Where a run ended, or was held, since so much was told of runs."""
        records = (each for each in self._observer.of(ASSIGNMENT_RUNS.name)[told:] if each.id == run_id)
        return next((each for each in records if each.json["state"] != "running"), None)

    def _send(self, topic: str, text: str) -> Any:
        sent: list[Any] = []

        def delivered(error: object, message: Any) -> None:
            assert error is None
            sent.append(message)

        self._producer.produce(topic, text.encode(), on_delivery=delivered)
        assert self._producer.flush(TIMEOUT_S) == 0
        return sent[0]


@pytest.fixture
def operator(empty_system: Running) -> Iterator[Operator]:
    servers = empty_system.stack.bootstrap_servers
    topics = (GROUP_COMMAND_RESULTS.name, ASSIGNMENT_RUNS.name)
    with (
        Observer(servers, topics) as observer,
        Producer({"bootstrap.servers": servers, "linger.ms": 0}) as producer,
    ):
        yield Operator(empty_system, observer, producer)


def test_the_page_is_so_from_top_to_bottom(operator: Operator) -> None:
    names: dict[str, Any] = {}
    for example in examples():
        text = example.text
        for name, value in names.items():
            text = text.replace(name, value)
        filled = Example(example.topic, text, example.answer)
        if example.answer is None:
            operator.publish(filled)
            continue
        answer = operator.ask(filled)
        wrong = difference(example.answer, answer, whole=True, names=names)
        assert wrong is None, f"{text}\n{wrong}\n{json.dumps(answer, ensure_ascii=False)}"


def test_every_command_is_shown() -> None:
    shown = {json.loads(example.text)["command"] for example in examples() if example.answer is not None}
    assert shown == set(COMMANDS)


def test_every_code_is_explained() -> None:
    found = {code for folder in ("events", "rules", "workers") for code in _codes_in(ROOT / folder)}
    assert codes() == found - CODES_OF_FILES


def test_the_tools_are_named() -> None:
    assert all(command_lines(script) for script in CLASSES)


def _codes_in(folder: Path) -> Iterator[str]:
    """The codes of errors and warnings in the source: what the things that carry one are made with."""
    makers = {"FieldProblem", "Problem", "InvalidRecord", "PydanticCustomError", "one_error", "choice_of"}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(code)), *_]) if (
                    name in makers or (name == "_error" and path.parent.name == "events")
                ):
                    yield code
                case ast.Call(func=ast.Name(id="_one_of"), args=[_, _, ast.Constant(value=str(code)), *_]):
                    yield code
                case (
                    ast.AnnAssign(target=ast.Name(id="_MESSAGES" | "_CODES"), value=ast.Dict(values=pairs))
                    | ast.Assign(targets=[ast.Name(id="_MESSAGES" | "_CODES")], value=ast.Dict(values=pairs))
                ):
                    for pair in pairs:
                        yield ast.literal_eval(pair)[0]
