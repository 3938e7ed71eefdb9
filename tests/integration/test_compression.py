"""Records in every compression that Kafka knows are read: the producer chooses it, not we."""

import asyncio

import pytest
from confluent_kafka import Producer

from tests.support.intake import create_topic, running, until


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_reads(bootstrap_servers: str, database_url: str, kafka_namespace: str, codec: str) -> None:
    topic = f"{kafka_namespace}-in"
    # compression.type=producer keeps what the producer chose.
    await create_topic(bootstrap_servers, topic, 1, {"compression.type": "producer"})
    values = [b'{"number": %d, "text": "%s"}' % (number, b"abc" * 50) for number in range(200)]
    await asyncio.to_thread(_produce, bootstrap_servers, topic, codec, values)
    async with running(bootstrap_servers, database_url, [topic], kafka_namespace) as worker:
        await until(lambda: sum(map(len, worker.handler.batches)) == len(values), "all records")
        records = [record for batch in worker.handler.batches for record in batch.slices[0].records]
    assert [record.value for record in records] == values
    assert {(record.key, tuple(record.headers)) for record in records} == {(b"key", (("name", b"value"),))}


def _produce(bootstrap_servers: str, topic: str, codec: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap_servers, "compression.type": codec, "linger.ms": 50})
    for value in values:
        producer.produce(topic, value, key=b"key", headers={"name": b"value"})
    assert producer.flush(20) == 0
