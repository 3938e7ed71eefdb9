"""What the benchmark itself does with Kafka: publish fast, know offsets, read as a subscriber."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.benchmarks.stream import Input

Place = tuple[str, int]
TIMEOUT: Final = 30.0  # seconds


@dataclass(frozen=True)
class Backlog:
    """Prepared records that lie in Kafka."""

    events: int
    starts: Mapping[Place, int]
    ends: Mapping[Place, int]
    topics: tuple[str, ...]

    @property
    def wanted(self) -> tuple[list[str], list[int], list[int]]:
        """The ends as columns: topics, partitions, offsets."""
        return (
            [topic for topic, _ in self.ends],
            [partition for _, partition in self.ends],
            list(self.ends.values()),
        )


def publish(bootstrap_servers: str, records: Iterable[Input]) -> None:
    """Publish, and return when all is acknowledged. Raises RuntimeError when some is not."""
    failed: list[str] = []

    def delivered(error: object, _: Message) -> None:
        if error is not None:
            failed.append(str(error))

    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "partitioner": "murmur2_random",
            "linger.ms": 20,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    for number, record in enumerate(records):
        producer.produce(record.topic, record.value, record.key, on_delivery=delivered)
        if number % 1000 == 0:
            producer.poll(0)
    left = producer.flush(TIMEOUT)
    if left or failed:
        raise RuntimeError(f"{left + len(failed)} records could not be published: {failed[:1]}")


def prepare(bootstrap_servers: str, records: list[Input]) -> Backlog:
    """Publish records behind what is there already."""
    topics = tuple(sorted({record.topic for record in records}))
    starts = ends(bootstrap_servers, topics)
    publish(bootstrap_servers, records)
    return Backlog(len(records), starts, ends(bootstrap_servers, topics), topics)


def ends(bootstrap_servers: str, topics: Iterable[str]) -> dict[Place, int]:
    """The end of each partition of these topics."""
    consumer = _consumer(bootstrap_servers, "bench-ends")
    try:
        return {
            (topic, partition): consumer.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=TIMEOUT
            )[1]
            for topic in topics
            for partition in consumer.list_topics(topic, timeout=TIMEOUT).topics[topic].partitions
        }
    finally:
        consumer.close()


def place_group(bootstrap_servers: str, group: str, offsets: Mapping[Place, int]) -> None:
    """Say that a consumer group without members has come as far as these offsets."""
    consumer = _consumer(bootstrap_servers, group)
    try:
        consumer.commit(
            offsets=[TopicPartition(*place, offset) for place, offset in offsets.items()], asynchronous=False
        )
    finally:
        consumer.close()


def create_topic(bootstrap_servers: str, name: str, partitions: int) -> None:
    """Create a topic that is not there."""
    # Kept until it has answered: it takes its requests with it.
    client = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 3})
    client.create_topics([NewTopic(name, partitions, 1)])[name].result(TIMEOUT)


class Subscriber:
    """Reads a topic as subscribers do (read_committed), from its end on, in a thread of its own.

    `seen` is called there for each record, with the time (of time.perf_counter) at which it was read. A
    librdkafka client: aiokafka's has one fetch a broker under way, so that a partition it has just drained
    waits for the answer of a fetch that does not ask for it.
    """

    def __init__(self, bootstrap_servers: str, topic: str, seen: Callable[[float, Message], None]) -> None:
        self._seen = seen
        self._consumer = _consumer(bootstrap_servers, f"bench-{topic}")
        self._consumer.assign(
            [TopicPartition(*place, offset) for place, offset in ends(bootstrap_servers, [topic]).items()]
        )
        self._thread = threading.Thread(target=self._read, name=f"subscriber of {topic}", daemon=True)
        self._stopping = False
        self.error: str = ""

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading; raises RuntimeError when something could not be read."""
        self._stopping = True
        self._thread.join(TIMEOUT)
        self._consumer.close()
        if self.error:
            raise RuntimeError(self.error)

    def _read(self) -> None:
        while not self._stopping:
            messages = self._consumer.consume(10_000, timeout=0) or self._wait()
            now = time.perf_counter()
            for message in messages:
                if (error := message.error()) is not None:
                    self.error = str(error)
                    return
                self._seen(now, message)

    def _wait(self) -> list[Message]:
        message = self._consumer.poll(0.1)
        return [] if message is None else [message]


def _consumer(bootstrap_servers: str, group: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
