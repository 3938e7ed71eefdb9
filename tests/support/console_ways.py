"""The ways in which an operator sends commands and reads their answers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from confluent_kafka import Producer

from events.topics import GROUP_COMMAND_RESULTS, GROUP_COMMANDS
from tests.support.console_tools import console_consumer, console_producer
from tests.support.observer import TIMEOUT_S, Observer
from tests.support.running import Running

Headers = Mapping[str, str]


class Way(Protocol):
    """How commands are sent and their answers read."""

    def say(self, value: str, key: str | None, headers: Headers) -> None: ...
    def answers(self, observer: Observer) -> Sequence[str]: ...


class Tools:
    """Typed into the console producer, one line each; read from what the console consumer prints."""

    def __init__(self, running: Running) -> None:
        self._consumer = console_consumer(running.stack)
        self._producer = console_producer(running.stack)

    @contextmanager
    def open(self) -> Iterator["Tools"]:
        with self._consumer as self._printed, self._producer as self._type:
            yield self

    def say(self, value: str, key: str | None, headers: Headers) -> None:
        assert key is None
        assert not headers
        self._type(value)

    def answers(self, observer: Observer) -> Sequence[str]:
        return self._printed


class Librdkafka:
    """Sent and read as any program does that is built on librdkafka."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def say(self, value: str, key: str | None, headers: Headers) -> None:
        self._producer.produce(GROUP_COMMANDS.name, value.encode(), key, headers=dict(headers))
        assert self._producer.flush(TIMEOUT_S) == 0

    def answers(self, observer: Observer) -> Sequence[str]:
        return [(each.value or b"").decode() for each in observer.of(GROUP_COMMAND_RESULTS.name)]
