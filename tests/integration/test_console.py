"""The client of the command topic, against a running worker."""

import asyncio
import socket
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from events.topics import GROUP_COMMAND_RESULTS, GROUP_COMMANDS
from tests.support.running import Running
from workers.console import Console, ConsoleError, NoAnswerError
from workers.kafka import client_arguments
from workers.settings import load_kafka

TIMEOUT = 30.0


@pytest.fixture
async def console(running: Running) -> AsyncIterator[Console]:
    async with Console(running.arguments) as console:
        yield console


def put(group: str, **fields: Any) -> dict[str, Any]:
    return {"command": "put-group", "group": group, "name": "Name", **fields}


async def record_at(running: Running, cause: str) -> Any:
    topic, partition, offset = cause.split("/")
    consumer = AIOKafkaConsumer(**running.arguments)
    await consumer.start()
    try:
        place = TopicPartition(topic, int(partition))
        consumer.assign([place])
        consumer.seek(place, int(offset))
        return await asyncio.wait_for(consumer.getone(), TIMEOUT)
    finally:
        await consumer.stop()


async def test_a_command_is_answered(console: Console, running: Running, prefix: str) -> None:
    answer = await console.ask(put(prefix, actor="me"), TIMEOUT)
    assert (answer.status, answer.command, answer.group) == ("done", "put-group", prefix)
    assert answer.result == {"version": 1, "changed": True}
    record = await record_at(running, answer.cause)
    assert record.topic == GROUP_COMMANDS.name
    assert record.key == prefix.encode()


async def test_an_id_that_was_done_is_answered_again_and_does_nothing(console: Console, prefix: str) -> None:
    command = put(prefix, id=f"{prefix}-1")
    first = await console.ask(command, TIMEOUT)
    again = await console.ask({**command, "name": "Another"}, TIMEOUT)
    assert again == first
    assert (await console.ask(put(prefix), TIMEOUT)).result == {"version": 1, "changed": False}


async def test_what_is_wrong_is_said_with_its_path(console: Console, prefix: str) -> None:
    answer = await console.ask(put(prefix, conditions=[{"condition_group": 1, "type": "contry"}]), TIMEOUT)
    assert answer.status == "rejected"
    assert {"conditions[0].type", "conditions[0].comparison"} <= {error.path for error in answer.errors}


async def test_many_at_once_are_answered_in_their_order(console: Console, prefix: str) -> None:
    groups = [f"{prefix}-{number}" for number in range(300)]
    began = time.monotonic()
    answers = await console.ask_all([put(group) for group in groups], TIMEOUT)
    took = time.monotonic() - began
    done = [answer for answer in answers if answer is not None]
    assert [answer.group for answer in done] == groups
    offsets = [int(answer.cause.rpartition("/")[2]) for answer in done]
    assert offsets == sorted(offsets)
    # One by one each would wait for the relay's transaction.
    assert took < 0.1 * len(groups)


async def test_many_tasks_share_one_console(console: Console, prefix: str) -> None:
    commands = [put(f"{prefix}-{number}") for number in range(20)]
    answers = await asyncio.gather(*(console.ask(command, TIMEOUT) for command in commands))
    assert [answer.group for answer in answers] == [command["group"] for command in commands]
    twice = put(prefix, id=f"{prefix}-twice")
    with pytest.raises(ValueError, match="one id"):
        await console.ask_all([twice, twice], TIMEOUT)


async def test_what_is_no_answer_is_passed_over(console: Console, running: Running, prefix: str) -> None:
    producer = AIOKafkaProducer(**running.arguments)
    await producer.start()
    try:
        for value in (
            b"no JSON",
            b"[]",
            b"{}",
            b'{"command_id": ["a"]}',
            b'{"command_id": 7}',
            b"\xff",
            None,
        ):
            await producer.send_and_wait(GROUP_COMMAND_RESULTS.name, value, b"key")
    finally:
        await producer.stop()
    assert (await console.ask(put(prefix), TIMEOUT)).status == "done"


async def test_a_command_that_no_topic_takes_is_not_sent(console: Console, prefix: str) -> None:
    with pytest.raises(ValueError, match="bytes"):
        await console.ask(put(prefix, description="x" * 1_000_001), TIMEOUT)


async def test_without_a_worker_there_is_no_answer_but_it_is_not_lost(
    console: Console, running: Running, prefix: str
) -> None:
    command = put(prefix, id=uuid.uuid4().hex)
    await asyncio.to_thread(running.worker.stop)
    try:
        with pytest.raises(NoAnswerError, match=r"no answer to put-group within 1 s: is a worker running\?"):
            await console.ask(command, 1)
        assert await console.ask_all([put(f"{prefix}-2")], 0.5) == [None]
    finally:
        await asyncio.to_thread(running.start_worker)
    # It was carried out meanwhile; asked again, it is answered as it was then.
    answer = await console.ask(command, TIMEOUT)
    assert answer.result == {"version": 1, "changed": True}


async def test_without_kafka_it_says_so_at_once() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, and nobody listens
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        arguments = client_arguments(load_kafka(kafka_bootstrap_servers=address))
        began = time.monotonic()
        with pytest.raises(ConsoleError, match=f"no Kafka answers at {address}"):
            async with Console(arguments):
                pass
        assert time.monotonic() - began < 20
