"""The intake when something dies: a worker, the broker, the database. Nothing skipped, nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from deploy.local import Stack
from tests.support.intake import create_topic, open_pool, producing, running, taken, until
from tests.support.intake_process import intake_process
from workers.readiness import intake_reads
from workers.watchdog import StuckError, Watchdog

PARTITIONS = 4


@asynccontextmanager
async def sending(bootstrap_servers: str, topic: str) -> AsyncIterator[Callable[[], int]]:
    """A few hundred records a second all the while; gives how many were acknowledged."""
    acknowledged = 0
    stop = asyncio.Event()

    async def send() -> None:
        nonlocal acknowledged
        async with producing(bootstrap_servers, enable_idempotence=True) as producer:
            while not stop.is_set():
                await producer.send_and_wait(topic, b"x", partition=acknowledged % PARTITIONS)
                acknowledged += 1

    task = asyncio.create_task(send())
    try:
        yield lambda: acknowledged
    finally:
        stop.set()
        await task


def whole(taken: dict[tuple[str, int], list[int]]) -> int:
    """How many records were taken; each once and in order, or it fails."""
    for offsets in taken.values():
        assert offsets == list(range(len(offsets)))
    return sum(map(len, taken.values()))


async def test_a_killed_workers_partitions_move(
    bootstrap_servers: str, database_url: str, kafka_namespace: str
) -> None:
    topic = f"{kafka_namespace}-in"
    await create_topic(bootstrap_servers, topic, PARTITIONS)
    where = (bootstrap_servers, database_url, topic, kafka_namespace)
    async with open_pool(database_url) as pool, intake_process(*where) as first:

        async def more_than(count: int) -> bool:
            return sum(map(len, (await taken(pool)).values())) > count

        async with sending(bootstrap_servers, topic) as sent:
            await until(lambda: more_than(50), "the first worker at work")
            async with running(bootstrap_servers, database_url, [topic], kafka_namespace) as second:
                await until(
                    lambda: len(second.intake.assignment) == PARTITIONS // 2, "a share for the second"
                )
                await until(lambda: len(second.handler.outcomes) > 3, "the second worker at work")
                first.kill()
                await first.wait()
                await until(
                    lambda: len(second.intake.assignment) == PARTITIONS, "the partitions of the killed"
                )
                before = sent()
                await until(lambda: more_than(before), "all that was sent meanwhile")

                async def all_taken() -> bool:
                    return whole(await taken(pool)) >= before

                await until(all_taken, "all")
        assert whole(await taken(pool)) > 0


async def test_the_broker_goes_and_comes(
    stack: Stack, bootstrap_servers: str, database_url: str, kafka_namespace: str
) -> None:
    topic = f"{kafka_namespace}-in"
    await create_topic(bootstrap_servers, topic, PARTITIONS)
    async with running(bootstrap_servers, database_url, [topic], kafka_namespace) as worker:
        async with sending(bootstrap_servers, topic) as sent:
            await until(lambda: len(worker.handler.outcomes) > 5, "work")
            ready = intake_reads(worker.intake)
            assert await ready() == []
            await asyncio.to_thread(stack.kafka.stop, graceful=False)
            await until(ready, "a word that the brokers are away")
            assert "the brokers have not answered" in (await ready())[0]
            await asyncio.to_thread(stack.kafka.start)
            before = sent()
            await until(lambda: sent() > before + 50, "the producer goes on")
        await until(lambda: _all_taken(worker, sent()), "all that was sent")
        assert not worker.app.crashed


async def test_the_database_goes_and_comes(
    stack: Stack, bootstrap_servers: str, database_url: str, kafka_namespace: str
) -> None:
    topic = f"{kafka_namespace}-in"
    await create_topic(bootstrap_servers, topic, PARTITIONS)
    async with running(bootstrap_servers, database_url, [topic], kafka_namespace) as worker:
        async with sending(bootstrap_servers, topic) as sent:
            await until(lambda: len(worker.handler.outcomes) > 5, "work")
            await asyncio.to_thread(stack.postgres.stop, graceful=False)
            await asyncio.sleep(1)
            await asyncio.to_thread(stack.postgres.start)
        await until(lambda: _all_taken(worker, sent()), "all that was sent")
        assert not worker.app.crashed


async def _all_taken(worker: Any, count: int) -> bool:
    return whole(await worker.taken()) >= count


async def test_the_watchdog_ends_a_worker_that_takes_nothing(
    bootstrap_servers: str, database_url: str, kafka_namespace: str
) -> None:
    topic = f"{kafka_namespace}-in"
    await create_topic(bootstrap_servers, topic)
    async with running(bootstrap_servers, database_url, [topic], kafka_namespace) as worker:
        dog = Watchdog(worker.intake, worker.pool, stuck_seconds=1, batch_stuck_seconds=2)
        await until(lambda: len(worker.intake.assignment.of_lane(0)) == 1, "an assignment")
        await asyncio.sleep(1.2)
        await dog.look()  # nothing waits
        reader = worker.intake.reader
        assert reader is not None
        reader.consumer.pause(*reader.consumer.assignment())  # as if aiokafka did not fetch any more
        async with producing(bootstrap_servers) as producer:
            await producer.send_and_wait(topic, b"x")
        await asyncio.sleep(0.5)
        with pytest.raises(StuckError, match="1 offsets wait"):
            await dog.look()
        worker.handler.gate.clear()
        reader.consumer.resume(*reader.consumer.assignment())
        await until(lambda: worker.handler.batches, "a batch in hand")
        await dog.look()
        await asyncio.sleep(2)
        with pytest.raises(StuckError, match="in hand for 2 seconds"):
            await dog.look()
