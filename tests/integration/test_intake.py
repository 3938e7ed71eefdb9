"""The intake on real Kafka and PostgreSQL: every record once, in order, from the database's positions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from db import positions
from tests.support.intake import (
    cleaning_often,
    create_topic,
    open_pool,
    producing,
    read_all,
    running,
    send,
    taken,
    until,
)
from workers.intake.batches import Batch


def chain(batches: Sequence[Batch]) -> None:
    """Hold that each slice begins where the one before ended."""
    ends: dict[tuple[str, int], int] = {}
    for batch in batches:
        for part in batch.slices:
            where = (part.topic, part.partition)
            assert part.start == ends.get(where, part.start)
            assert all(part.start <= record.offset < part.end for record in part.records)
            ends[where] = part.end


async def test_takes_every_record_in_order_and_goes_on_after_a_restart(
    bootstrap_servers: str, database_url: str, kafka_namespace: str
) -> None:
    topic = f"{kafka_namespace}-in"
    await create_topic(bootstrap_servers, topic, 3)
    await send(bootstrap_servers, topic, 300, partitions=3)
    arguments = (bootstrap_servers, database_url, [topic], kafka_namespace)
    async with running(*arguments, batch_records=40) as first:
        await until(lambda: sum(len(batch) for batch in first.handler.batches) >= 300, "the first 300")
        assert max(len(batch) for batch in first.handler.batches) <= 40
        assert {
            type(record.value)
            for batch in first.handler.batches
            for part in batch.slices
            for record in part.records
        } == {bytes}
        chain(first.handler.batches)
    await send(bootstrap_servers, topic, 90, partitions=3, first=300)
    async with running(*arguments) as second:
        await until(
            lambda: sum(len(outcome_batch) for outcome_batch in second.handler.batches) >= 90, "90 more"
        )
        assert sum(len(batch) for batch in second.handler.batches) == 90
        await until(lambda: len(second.handler.outcomes) == len(second.handler.batches), "the commits")
        assert await second.taken() == {(topic, number): list(range(130)) for number in range(3)}
        held = await positions.read_all(second.pool)
    assert held == {(topic, number): 130 for number in range(3)}


async def test_one_record_at_rest_is_not_kept_waiting(
    bootstrap_servers: str, database_url: str, kafka_namespace: str
) -> None:
    topic = f"{kafka_namespace}-in"
    await create_topic(bootstrap_servers, topic, 2)
    waits = []
    async with (
        running(bootstrap_servers, database_url, [topic], kafka_namespace) as worker,
        producing(bootstrap_servers) as producer,
    ):
        await until(lambda: len(worker.intake.assignment.of_lane(0)) == 1, "an assignment")
        loop = asyncio.get_running_loop()
        for number in range(20):
            await producer.send_and_wait(topic, b"x", partition=number % 2)
            begin = loop.time()
            await until(lambda: len(worker.handler.outcomes) == number + 1, "the record")  # noqa: B023
            waits.append(loop.time() - begin)
            await asyncio.sleep(0.01 * number)
    assert sorted(waits)[10] < 0.15


async def test_holes_between_offsets_break_nothing(
    bootstrap_servers: str, database_url: str, kafka_namespace: str
) -> None:
    topic = f"{kafka_namespace}-in"
    await create_topic(bootstrap_servers, topic)
    committed = []
    async with running(bootstrap_servers, database_url, [topic], kafka_namespace, batch_records=7) as worker:
        async with producing(bootstrap_servers, transactional_id=kafka_namespace) as producer:
            for turn in range(12):
                await producer.begin_transaction()
                sent = [
                    await producer.send_and_wait(topic, b"%d" % turn, partition=0)
                    for _ in range(turn % 4 + 1)
                ]
                if turn % 3 == 1:
                    await producer.abort_transaction()
                else:
                    await producer.commit_transaction()
                    committed += [record.offset for record in sent]
            end = committed[-1] + 2  # behind the last marker

        async def there() -> bool:
            return await positions.read_all(worker.pool) == {(topic, 0): end}

        await until(there, "the position behind the last marker")
        chain(worker.handler.batches)
        assert await worker.taken() == {(topic, 0): committed}
    async with running(bootstrap_servers, database_url, [topic], kafka_namespace) as again:
        await send(bootstrap_servers, topic, 1)
        await until(lambda: len(again.handler.outcomes) > 0, "one more")
        assert (await again.taken())[topic, 0] == [*committed, end]


async def test_a_compacted_topic_is_read_in_one_chain(
    bootstrap_servers: str, database_url: str, kafka_namespace: str
) -> None:
    topic = f"{kafka_namespace}-in"
    config = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
    await create_topic(bootstrap_servers, topic, 1, config)
    async with cleaning_often(bootstrap_servers), producing(bootstrap_servers) as producer:
        for turn in range(30):
            await producer.send_and_wait(topic, b"%d" % turn, key=b"%d" % (turn % 3), partition=0)

        async def compacted() -> bool:
            # The cleaner leaves the newest segment alone: give it one.
            await asyncio.sleep(0.2)
            await producer.send_and_wait(topic, b"last", key=b"last", partition=0)
            return len(await read_all(bootstrap_servers, topic)) < 20

        await until(compacted, "the compaction", 40)
        left = await read_all(bootstrap_servers, topic)
    async with running(bootstrap_servers, database_url, [topic], kafka_namespace, batch_records=2) as worker:

        async def there() -> bool:
            return (await positions.read_all(worker.pool)).get((topic, 0)) == left[-1] + 1

        await until(there, "the end")
        chain(worker.handler.batches)
        offsets = (await worker.taken())[topic, 0]
    # The cleaner may have taken more meanwhile, but never the last of a key.
    assert {27, 28, 29, left[-1]} <= set(offsets) <= set(left)
    assert offsets == sorted(set(offsets))


async def test_two_workers_share_the_partitions(
    bootstrap_servers: str, database_url: str, kafka_namespace: str
) -> None:
    topics = [f"{kafka_namespace}-a", f"{kafka_namespace}-b"]
    for topic in topics:
        await create_topic(bootstrap_servers, topic, 4)
    arguments = (bootstrap_servers, database_url, topics, kafka_namespace)
    async with running(*arguments) as first:
        await until(lambda: len(first.intake.assignment) == 8, "all partitions")
        await send(bootstrap_servers, topics[0], 100, partitions=4)
        async with running(*arguments) as second:
            await until(lambda: len(second.intake.assignment) == 4, "half of the partitions")
            await until(lambda: len(first.intake.assignment) == 4, "the other half")
            numbers = {part.tp.partition for part in second.intake.assignment}
            assert len(numbers) == 2, (
                "the same partitions of both topics, so that a client's events come together"
            )
            for topic in topics:
                await send(bootstrap_servers, topic, 100, partitions=4, first=100)
            await until(lambda: len(second.handler.outcomes) > 0, "work for both")
        await send(bootstrap_servers, topics[0], 100, partitions=4, first=200)
        await until(lambda: len(first.intake.assignment) == 8, "all partitions again", 5)

        async def all_taken() -> bool:
            return sum(map(len, (await first.taken()).values())) >= 400

        await until(all_taken, "all records")
        result = await first.taken()
    for number in range(4):
        assert result[topics[0], number] == list(range(75))
        assert result[topics[1], number] == list(range(25))


async def test_a_batch_in_hand_is_finished_before_its_partitions_go(
    bootstrap_servers: str, database_url: str, kafka_namespace: str
) -> None:
    topic = f"{kafka_namespace}-in"
    await create_topic(bootstrap_servers, topic, 2)
    arguments = (bootstrap_servers, database_url, [topic], kafka_namespace)
    async with running(*arguments) as first:
        await until(lambda: len(first.intake.assignment) == 2, "all partitions")
        first.handler.delay = 1.0
        await send(bootstrap_servers, topic, 10, partitions=2)
        await until(lambda: len(first.handler.batches) == 2, "a batch in each lane")
        async with running(*arguments) as second:
            await until(
                lambda: len(second.intake.assignment.of_lane(0) + second.intake.assignment.of_lane(1)) == 1,
                "one partition",
            )
            assert [outcome.moved for outcome in first.handler.outcomes] == [frozenset(), frozenset()]
            first.handler.delay = 0
            await send(bootstrap_servers, topic, 10, partitions=2)
            await until(
                lambda: len(first.handler.outcomes) >= 3 and len(second.handler.outcomes) >= 1, "both go on"
            )
        assert await first.taken() == {(topic, 0): list(range(10)), (topic, 1): list(range(10))}


async def test_a_position_moved_by_others_is_read_again(
    bootstrap_servers: str, database_url: str, kafka_namespace: str
) -> None:
    topic = f"{kafka_namespace}-in"
    await create_topic(bootstrap_servers, topic, 2)
    await send(bootstrap_servers, topic, 40, partitions=2)
    async with running(bootstrap_servers, database_url, [topic], kafka_namespace, lanes=1) as worker:

        async def all_taken() -> bool:
            return sum(map(len, (await worker.taken()).values())) == 40

        await until(all_taken, "the first 40")
        await positions.set_position(worker.pool, topic, 0, 5)
        await send(bootstrap_servers, topic, 2, partitions=2)
        await until(lambda: any(outcome.moved for outcome in worker.handler.outcomes), "a dropped slice")

        async def again() -> bool:
            return len((await worker.taken())[topic, 0]) == 36

        await until(again, "the records from the new position on")
        result = await worker.taken()
    assert result[topic, 0] == [*range(20), *range(5, 21)]
    assert result[topic, 1] == list(range(21))


async def test_waits_while_the_relay_is_behind(
    bootstrap_servers: str, database_url: str, kafka_namespace: str
) -> None:
    topic = f"{kafka_namespace}-in"
    await create_topic(bootstrap_servers, topic, 1)
    async with running(
        bootstrap_servers, database_url, [topic], kafka_namespace, max_relay_backlog=10, batch_records=1
    ) as worker:
        await worker.pool.execute("SELECT setval('log_seq', 11)")
        await until(lambda: worker.intake.backpressure.paused, "the pause")
        await send(bootstrap_servers, topic, 20)
        before = len(worker.handler.batches)
        await asyncio.sleep(1.5)
        # One fetch may have been under way.
        assert len(worker.handler.batches) - before <= 1
        await worker.pool.execute("UPDATE relay_position SET next_seq = 7")
        await until(lambda: not worker.intake.backpressure.paused, "the end of the pause")
        await until(lambda: len(worker.handler.outcomes) == 20, "all records")


async def test_what_a_handler_lets_out_ends_the_worker(
    bootstrap_servers: str, database_url: str, kafka_namespace: str
) -> None:
    topic = f"{kafka_namespace}-in"
    await create_topic(bootstrap_servers, topic, 1)
    async with running(bootstrap_servers, database_url, [topic], kafka_namespace) as worker:
        worker.handler.error = RuntimeError("a bug")
        await send(bootstrap_servers, topic, 5)
        await until(lambda: worker.app.crashed, "the crash")
        assert str(worker.app.crash_reason) == "a bug"
        assert len(worker.handler.batches) == 1
    async with open_pool(database_url) as pool:
        assert await taken(pool) == {}
        assert await positions.read_all(pool) == {(topic, 0): 0}


@pytest.mark.parametrize("lanes", [1, 3])
async def test_topics_that_come_later_are_taken_from_their_beginning(
    bootstrap_servers: str, database_url: str, kafka_namespace: str, lanes: int
) -> None:
    topic = f"{kafka_namespace}-in"
    await create_topic(bootstrap_servers, topic, 5)
    await send(bootstrap_servers, topic, 50, partitions=5)
    async with running(bootstrap_servers, database_url, [topic], kafka_namespace, lanes=lanes) as worker:
        await until(lambda: sum(len(batch) for batch in worker.handler.batches) == 50, "all")
        slices = [part for batch in worker.handler.batches for part in batch.slices]
        assert {part.start for part in slices if part.start == 0} == {0}
        chain(worker.handler.batches)
