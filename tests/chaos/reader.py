"""Reads whole topics as a read_committed subscriber, by a client library that the product does not use."""

from __future__ import annotations

import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from tests.support.model_decode import Raw

GIVE_UP_SECONDS = 60.0


def read(bootstrap_servers: str, *topics: str) -> dict[str, list[Raw]]:
    """All committed records of these topics, each topic's by partition and offset. Blocks."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "chaos-reader",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    try:
        open_partitions = {
            (topic, partition)
            for topic in topics
            for partition in consumer.list_topics(topic, timeout=10).topics[topic].partitions
        }
        consumer.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in sorted(open_partitions)])
        records: dict[str, list[Raw]] = {topic: [] for topic in topics}
        last_news = time.monotonic()
        while open_partitions:
            for message in consumer.consume(1000, timeout=1.0):
                last_news = time.monotonic()
                error = message.error()
                if error is None:
                    records[str(message.topic())].append(raw(message))
                elif error.code() == KafkaError._PARTITION_EOF:
                    open_partitions.discard((message.topic(), message.partition()))
                else:
                    raise RuntimeError(f"{message.topic()} cannot be read: {error}")
            if time.monotonic() - last_news > GIVE_UP_SECONDS:
                raise TimeoutError(f"no end of {sorted(open_partitions)} within {GIVE_UP_SECONDS:g} s")
    finally:
        consumer.close()
    return {
        topic: sorted(found, key=lambda one: (one.partition, one.offset)) for topic, found in records.items()
    }


def raw(message: Message) -> Raw:
    """As the model takes it."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    headers = message.headers() or []
    assert isinstance(headers, list)
    return Raw(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=tuple((name, value.encode() if isinstance(value, str) else value) for name, value in headers),
    )


def committed(bootstrap_servers: str, group: str, topic: str) -> int:
    """The offset that a group has committed for partition 0 of a topic; -1 = none. Blocks."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap_servers, "group.id": group, "enable.auto.commit": False}
    )
    try:
        (place,) = consumer.committed([TopicPartition(topic, 0)], timeout=10)
        return int(place.offset) if place.offset >= 0 else -1
    finally:
        consumer.close()
