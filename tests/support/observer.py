"""Reads topics as a subscriber on librdkafka does: read_committed, from now on, in the order of arrival."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import pytest
from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition, admin

TIMEOUT_S = 60.0  # the first command waits for two Java processes to start: on a busy machine many seconds
Found = TypeVar("Found")


@dataclass(frozen=True)
class Seen:
    """A record that arrived."""

    topic: str
    place: str
    """topic/partition/offset"""
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes | None]

    @property
    def json(self) -> Any:
        return None if self.value is None else json.loads(self.value)

    @property
    def id(self) -> str:
        return "" if self.key is None else self.key.decode(errors="replace")


class Observer:
    """Everything that comes on some topics while it is open."""

    def __init__(self, bootstrap_servers: str, topics: Iterable[str]) -> None:
        self.seen: list[Seen] = []
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "unused",  # librdkafka wants one; nothing is committed
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 50,
            }
        )
        # Asked on a connection of its own: an answer to the consumer waits behind a fetch.
        self._admin = admin.AdminClient({"bootstrap.servers": bootstrap_servers})
        known = self._admin.list_topics(timeout=TIMEOUT_S).topics
        self._places = [
            TopicPartition(topic, number) for topic in topics for number in known[topic].partitions
        ]

    def __enter__(self) -> Self:
        self._starts = self._ends()
        self._consumer.assign(self._starts)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def until(self, find: Callable[[], Found | None], what: str) -> Found:
        """Read until there is what is looked for."""
        end = time.monotonic() + TIMEOUT_S
        while (found := find()) is None:
            if time.monotonic() > end:
                pytest.fail(f"not within {TIMEOUT_S:g} s: {what}")
            self._read()
        return found

    def catch_up(self) -> None:
        """Read all that is committed by now."""
        ends = self._ends()

        def is_there() -> bool | None:
            positions = self._consumer.position(self._places)
            # Where nothing was read yet there is no position.
            behind = (
                (now.offset if now.offset >= 0 else start.offset) < end.offset
                for now, start, end in zip(positions, self._starts, ends, strict=True)
            )
            return None if any(behind) else True

        self.until(is_there, "the end of the topics")

    def of(self, topic: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.topic == topic]

    def _ends(self) -> list[TopicPartition]:
        latest = cast("Any", admin).OffsetSpec.latest()  # its types don't name it
        asked = dict.fromkeys(self._places, latest)
        answers = self._admin.list_offsets(
            asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=TIMEOUT_S
        )
        return [
            TopicPartition(place.topic, place.partition, answers[place].result().offset)
            for place in self._places
        ]

    def _read(self) -> None:
        for message in self._consumer.consume(500, 0.02):
            if message.error():
                raise KafkaException(message.error())
            topic = message.topic() or ""
            place = f"{topic}/{message.partition()}/{message.offset()}"
            # A list of pairs, as they are received; the type also has what one may send.
            headers: dict[str, bytes | None] = dict(cast("Any", message.headers()) or ())
            self.seen.append(Seen(topic, place, message.key(), message.value(), headers))
