"""For tests of the intake: a worker whose handler notes what it took, in a transaction with the positions."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource

from db import pool as pools
from db import positions
from db.errors import is_transient
from workers import kafka, settings
from workers.agents import Handler, create_agents
from workers.app import create_app
from workers.intake.backpressure import Backpressure
from workers.intake.batches import Batch, Outcome
from workers.intake.lanes import Lane
from workers.intake.reader import Reader
from workers.intake.service import Intake

TABLE = """
CREATE TABLE IF NOT EXISTS taken
    (place bigserial, topic text, partition int, kafka_offset bigint, value bytea)
"""


@dataclass
class NotingHandler:
    """Writes each record into the table `taken`, once for each time it was taken."""

    pool: Any
    delay: float = 0.0
    """Seconds in the transaction, before its commit."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Batches wait here before their transaction; open unless a test closes it."""
    batches: list[Batch] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.gate.set()

    async def handle(self, batch: Batch) -> Outcome:
        self.batches.append(batch)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        while True:
            try:
                outcome = await self._take(batch)
            except Exception as error:
                if not is_transient(error):
                    raise
                await asyncio.sleep(0.1)
            else:
                self.outcomes.append(outcome)
                return outcome

    async def _take(self, batch: Batch) -> Outcome:
        async with self.pool.acquire() as connection, connection.transaction():
            moved = await positions.advance(
                connection, [(part.topic, part.partition, part.start, part.end) for part in batch.slices]
            )
            rows = [
                (part.topic, part.partition, record.offset, record.value)
                for part in batch.slices
                if (part.topic, part.partition) in moved
                for record in part.records
            ]
            await connection.copy_records_to_table(
                "taken", records=rows, columns=["topic", "partition", "kafka_offset", "value"]
            )
            await asyncio.sleep(self.delay)
        asked = {(part.topic, part.partition) for part in batch.slices}
        return Outcome(frozenset(asked - moved))


@dataclass
class Running:
    """A worker under test."""

    intake: Intake
    handler: NotingHandler
    app: Any
    pool: Any

    async def taken(self) -> dict[tuple[str, int], list[int]]:
        """The offsets taken, by partition, in the order of their commits."""
        return await taken(self.pool)


async def taken(pool: Any) -> dict[tuple[str, int], list[int]]:
    offsets: dict[tuple[str, int], list[int]] = defaultdict(list)
    for row in await pool.fetch("SELECT topic, partition, kafka_offset FROM taken ORDER BY place"):
        offsets[row["topic"], row["partition"]].append(row["kafka_offset"])
    return dict(offsets)


@asynccontextmanager
async def open_pool(database_url: str) -> AsyncIterator[Any]:
    pool = await pools.create(database_url, size=6)
    try:
        await pool.execute(TABLE)
        yield pool
    finally:
        await asyncio.wait_for(pool.close(), 10)


@asynccontextmanager
async def running(
    bootstrap_servers: str,
    database_url: str,
    topics: Sequence[str],
    group: str,
    *,
    prepare: Callable[[NotingHandler], None] = lambda handler: None,
    **given: Any,
) -> AsyncIterator[Running]:
    """A worker in this process, without Faust's own consumer and without a relay."""
    chosen = settings.load(
        kafka_bootstrap_servers=bootstrap_servers,
        database_url=database_url,
        **{"session_timeout": 6, "shutdown_seconds": 5, **given},
    )
    async with open_pool(database_url) as pool:
        app = create_app(chosen)
        app.boot_strategy.enable_kafka = False
        handler = NotingHandler(pool)
        prepare(handler)
        intake = Intake(
            make_reader=partial(
                Reader,
                topics=topics,
                arguments=kafka.client_arguments(chosen),
                group=group,
                session_timeout=chosen.session_timeout,
            ),
            pool=pool,
            lanes=[Lane(app, index) for index in range(chosen.lanes)],
            backpressure=Backpressure(pool, chosen.max_relay_backlog),
            batch_records=chosen.batch_records,
            revoke_seconds=chosen.session_timeout / 2,
            shutdown_seconds=chosen.shutdown_seconds,
        )
        as_handler: Handler = handler
        create_agents(app, intake, as_handler)
        app.own_services.append(intake)
        app.stops_first = intake
        await app.start()
        try:
            yield Running(intake, handler, app, pool)
        finally:
            handler.gate.set()
            await app.stop()
            # Faust makes a thread's loop for its consumer, and closes it only if the thread ran.
            app.consumer._thread.thread_loop.close()  # type: ignore[attr-defined]


async def until(check: Callable[[], Any], what: str, seconds: float = 30.0) -> None:
    """Wait until `check` (which may be a coroutine function) is true."""
    deadline = time.monotonic() + seconds
    while True:
        result = check()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.03)


@asynccontextmanager
async def admin(bootstrap_servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def create_topic(
    bootstrap_servers: str, name: str, partitions: int = 1, config: dict[str, str] | None = None
) -> None:
    async with admin(bootstrap_servers) as client:
        await client.create_topics([NewTopic(name, partitions, 1, topic_configs=config or {})])


@asynccontextmanager
async def producing(bootstrap_servers: str, **given: Any) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, **given)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def send(
    bootstrap_servers: str, topic: str, count: int, *, partitions: int = 1, first: int = 0
) -> None:
    """Send `count` records, in turn over the partitions."""
    async with producing(bootstrap_servers) as producer:
        sent = [
            await producer.send(topic, value=b"%d" % number, partition=number % partitions)
            for number in range(first, first + count)
        ]
        await asyncio.gather(*sent)


async def read_all(bootstrap_servers: str, topic: str) -> list[int]:
    """The offsets of all records that partition 0 of a topic has now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        offsets: list[int] = []
        while await consumer.position(partition) < end:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                offsets += [record.offset for record in records]
        return offsets
    finally:
        await consumer.stop()


@asynccontextmanager
async def cleaning_often(bootstrap_servers: str) -> AsyncIterator[None]:
    """The broker's log cleaner looks for work each 0.1 s, not each 15 s."""
    await asyncio.to_thread(_set_cleaner, bootstrap_servers, AlterConfigOpType.SET)
    try:
        yield
    finally:
        await asyncio.to_thread(_set_cleaner, bootstrap_servers, AlterConfigOpType.DELETE)


def _set_cleaner(bootstrap_servers: str, operation: Any) -> None:
    entry = ConfigEntry("log.cleaner.backoff.ms", "100", incremental_operation=operation)
    resource = ConfigResource(ConfigResource.Type.BROKER, "1", incremental_configs=[entry])
    client = AdminClient({"bootstrap.servers": bootstrap_servers})
    for future in client.incremental_alter_configs([resource]).values():
        future.result(20)
