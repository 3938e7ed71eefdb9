"""What the worker says as it comes: a reader of one of its topics from now on."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError, KafkaError
from pydantic import ValidationError

from events.outputs import MembershipChanged, Output
from events.topics import Topic
from workers.console import CLOSE_TIMEOUT_S, CONNECT_TIMEOUT_S, ConsoleError

Said = TypeVar("Said", bound=Output)


@asynccontextmanager
async def from_now_on(
    arguments: Mapping[str, Any], topic: Topic, model: type[Said]
) -> AsyncIterator[AsyncIterator[Said]]:
    """Connect; what is committed to `topic` after that is seen, each record once, as a `model`.

    `arguments` are those of workers.kafka.client_arguments. Raises ConsoleError when no Kafka answers or the
    topic is not there. The iterator waits for records and never ends by itself; a broker that goes away
    is waited for.
    """
    servers = arguments["bootstrap_servers"]
    async with AsyncExitStack() as stack:

        def consumer(*topics: str) -> Any:
            made = AIOKafkaConsumer(
                *topics,
                **arguments,
                isolation_level="read_committed",
                enable_auto_commit=False,
                # Only where retention overtook this reader.
                auto_offset_reset="earliest",
                fetch_max_wait_ms=100,
            )
            stack.push_async_callback(_stop, made)
            return made

        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await _refuse_missing(consumer(), topic.name)
                reader = consumer(topic.name)
                await _stand_at_the_end(reader)
        except (KafkaConnectionError, TimeoutError) as error:
            raise ConsoleError(f"no Kafka answers at {servers}") from error
        except (KafkaError, OSError) as error:
            raise ConsoleError(f"Kafka at {servers} cannot be used: {error}") from error
        yield _records(reader, topic.name, model)


def wanted(change: MembershipChanged, groups: Collection[str], clients: Collection[str]) -> bool:
    """Whether a change is of these groups and of these clients; none named: of any."""
    return (not groups or change.group in groups) and (not clients or change.client_id in clients)


async def _refuse_missing(consumer: Any, topic: str) -> None:
    await consumer.start()
    # A look that makes no topics, as subscribing would where brokers are set to.
    if topic not in await consumer.topics():
        raise ConsoleError(f"the topic {topic} is not there: make it with `client-groups topics`")


async def _stand_at_the_end(consumer: Any) -> None:
    await consumer.start()
    # Asked for and not left to the first fetch: what is committed from here on must be seen.
    for partition, end in (await consumer.end_offsets(consumer.assignment())).items():
        consumer.seek(partition, end)


async def _stop(consumer: Any) -> None:
    # A client whose broker is gone would wait for it.
    with suppress(KafkaError, TimeoutError, OSError):
        await asyncio.wait_for(consumer.stop(), CLOSE_TIMEOUT_S)


async def _records(consumer: Any, topic: str, model: type[Said]) -> AsyncIterator[Said]:
    while True:
        try:
            record = await consumer.getone()
        except KafkaError as error:
            if not error.retriable:
                raise ConsoleError(f"the topic {topic} cannot be read: {error}") from error
            await asyncio.sleep(0.1)
            continue
        with suppress(ValidationError):  # what others wrote onto the topic is none of its records
            yield model.model_validate_json(record.value or b"", extra="ignore")
