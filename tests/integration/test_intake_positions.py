"""Positions outside the log, and records that cannot be read: an error for an operator, never a jump."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from prometheus_client import REGISTRY

from db import positions
from deploy.local import Stack
from tests.support.intake import Running, admin, create_topic, open_pool, producing, running, send, until
from workers.intake.partitions import State
from workers.readiness import intake_reads


def problem(worker: Running) -> str:
    blocked = worker.intake.assignment.in_state(State.BLOCKED)
    return blocked[0].problem if blocked else ""


async def test_below_the_log_after_retention(
    bootstrap_servers: str, database_url: str, kafka_namespace: str
) -> None:
    topic = f"{kafka_namespace}-in"
    await create_topic(bootstrap_servers, topic, 2)
    await send(bootstrap_servers, topic, 40, partitions=2)
    async with open_pool(database_url) as pool:
        await positions.create(pool, {(topic, 0): 3, (topic, 1): 3})
    async with admin(bootstrap_servers) as client:
        await client.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=12)})
    async with running(bootstrap_servers, database_url, [topic], kafka_namespace) as worker:
        await until(lambda: problem(worker), "the error")
        assert "position 3 is below the first offset 12" in problem(worker)
        ready = intake_reads(worker.intake)
        assert [sentence for sentence in await ready() if f"{topic}/0 is not consumed" in sentence]
        labels = {"topic": topic, "partition": "0"}
        assert REGISTRY.get_sample_value("client_groups_partition_blocked", labels) == 1

        async def other_taken() -> bool:
            return (await worker.taken()).get((topic, 1)) == list(range(3, 20))

        await until(other_taken, "the other partition")
        assert (topic, 0) not in await worker.taken()

        assert await positions.set_position(worker.pool, topic, 0, 12) == 3

        async def taken() -> bool:
            return (await worker.taken()).get((topic, 0)) == list(range(12, 20))

        await until(taken, "the records from the position that was set")
        assert await ready() == []
        assert REGISTRY.get_sample_value("client_groups_partition_blocked", labels) == 0


async def test_retention_overtakes_a_running_worker(
    bootstrap_servers: str, database_url: str, kafka_namespace: str
) -> None:
    topic = f"{kafka_namespace}-in"
    await create_topic(bootstrap_servers, topic)
    await send(bootstrap_servers, topic, 10)
    async with running(
        bootstrap_servers, database_url, [topic], kafka_namespace, max_relay_backlog=1
    ) as worker:
        await until(lambda: len(worker.handler.outcomes) == 1, "the first records")
        await worker.pool.execute("SELECT setval('log_seq', 100)")
        worker.intake.backpressure.worked()
        await until(lambda: worker.intake.backpressure.paused, "the pause")
        # aiokafka holds in memory what it fetched; a seek makes it ask the broker.
        worker.intake.reader.consumer.pause(TopicPartition(topic, 0))  # type: ignore[union-attr]
        await asyncio.sleep(0.7)
        await send(bootstrap_servers, topic, 10, first=10)
        async with admin(bootstrap_servers) as client:
            await client.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=15)})
        worker.intake.reader.consumer.resume(TopicPartition(topic, 0))  # type: ignore[union-attr]
        await worker.pool.execute("UPDATE relay_position SET next_seq = 101")
        await until(lambda: problem(worker), "the error")
        assert "position 10 is below the first offset 15" in problem(worker)
        assert (await worker.taken())[topic, 0] == list(range(10))


async def test_above_the_log_of_a_topic_made_anew(
    bootstrap_servers: str, database_url: str, kafka_namespace: str
) -> None:
    topic = f"{kafka_namespace}-in"
    await create_topic(bootstrap_servers, topic)
    await send(bootstrap_servers, topic, 5)
    async with open_pool(database_url) as pool:
        await positions.create(pool, {(topic, 0): 1000})
    async with running(bootstrap_servers, database_url, [topic], kafka_namespace) as worker:
        await until(lambda: problem(worker), "the error")
        assert "position 1000 is above the end 5" in problem(worker)
        await asyncio.sleep(0.3)
        assert worker.handler.batches == []


async def test_a_damaged_record_blocks_its_partition_only(
    stack: Stack, bootstrap_servers: str, database_url: str, kafka_namespace: str
) -> None:
    if not stack.owns_kafka:
        pytest.fail("this test damages the broker's files: run it on the embedded stack")
    topic = f"{kafka_namespace}-in"
    await create_topic(bootstrap_servers, topic, 2)
    async with producing(bootstrap_servers) as producer:
        for number in range(6):
            await producer.send_and_wait(topic, b"value-%d" % number, partition=0)
            await producer.send_and_wait(topic, b"value-%d" % number, partition=1)
    _damage(stack.folder, f"{topic}-0", b"value-4")
    async with running(bootstrap_servers, database_url, [topic], kafka_namespace, lanes=1) as worker:
        await until(lambda: problem(worker), "the error")
        assert "what follows the position 4 cannot be read: CorruptRecord" in problem(worker)

        async def healthy_taken() -> bool:
            return (await worker.taken()).get((topic, 1)) == list(range(6))

        await until(healthy_taken, "the other partition, whole")
        assert (await worker.taken()).get((topic, 0)) == list(range(4))
        await positions.set_position(worker.pool, topic, 0, 5)

        async def rest_taken() -> bool:
            return (await worker.taken())[topic, 0] == [0, 1, 2, 3, 5]

        await until(rest_taken, "what follows it")


def _damage(folder: Path, partition: str, value: bytes) -> None:
    (log,) = folder.rglob(f"{partition}/*.log")
    content = log.read_bytes()
    assert content.count(value) == 1
    with log.open("r+b") as file:
        file.seek(content.index(value))
        file.write(b"V")
        os.fsync(file.fileno())
