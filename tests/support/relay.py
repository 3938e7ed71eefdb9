"""For tests of the relay: a log written by hand, and what a read_committed reader sees of it."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from db import locks
from db.relay import notify
from events.topics import ALL_TOPICS, CLIENT_MEMBERSHIPS, MEMBERSHIP_CHANGED
from workers.relay.service import Relay, RelaySettings
from workers.topics import ensure_topics

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

GROUPS = ("eu", "vip", "trial")
AT = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)


class LogWriter:
    """Writes memberships and the log as the worker's transactions do, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.versions: dict[str, int] = defaultdict(int)
        self.members: dict[str, set[str]] = defaultdict(set)

    async def toggle(
        self, client_ids: Sequence[str], group: str = "eu", *, reason: str | None = None
    ) -> None:
        """One transaction: each client joins the group, or leaves it if it is in."""
        async with self.connection.transaction():
            await self._groups()
            await self.connection.executemany(
                "INSERT INTO clients (client_id, registered_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                [(client_id, AT) for client_id in client_ids],
            )
            rows = []
            for client_id in client_ids:
                self.versions[client_id] += 1
                joined = group not in self.members[client_id]
                (self.members[client_id].add if joined else self.members[client_id].remove)(group)
                rows.append((client_id, self.versions[client_id], group, joined, AT, reason))
            await self.connection.executemany(
                "UPDATE clients SET version = $2 WHERE client_id = $1", [row[:2] for row in rows]
            )
            await self.connection.executemany(
                "DELETE FROM memberships WHERE client_id = $1 AND group_id = $2",
                [(row[0], group) for row in rows if not row[3]],
            )
            await self.connection.executemany(
                "INSERT INTO memberships (client_id, group_id, source, since, source_at, cause)"
                " VALUES ($1, $2, 'rule', $3, $3, 'client-changed/0/1')",
                [(row[0], group, AT) for row in rows if row[3]],
            )
            await self._lock_log()
            await self.connection.execute(
                "INSERT INTO membership_history (seq, client_id, version, group_id, joined, source, moment,"
                " changed_at, cause, reason)"
                " SELECT nextval('log_seq'), c, v, g, j, 'rule', 'change', t, 'client-changed/0/1', r"
                " FROM unnest($1::text[], $2::bigint[], $3::text[], $4::boolean[], $5::timestamptz[],"
                " $6::text[]) AS u (c, v, g, j, t, r)",
                *[list(column) for column in zip(*rows, strict=True)],
            )

    async def delete(self, client_id: str) -> None:
        """One transaction: the client is deleted, leaves all groups, and its snapshot is due."""
        for group in sorted(self.members[client_id]):
            await self.toggle([client_id], group)
        async with self.connection.transaction():
            await self.connection.execute(
                "UPDATE clients SET deleted_at = $2, registered_at = NULL WHERE client_id = $1", client_id, AT
            )
            await self.snapshot_due(client_id)

    async def snapshot_due(self, client_id: str) -> None:
        async with self.connection.transaction():
            await self._lock_log()
            await self.connection.execute(
                "INSERT INTO outgoing_records (seq, kind, key)"
                " VALUES (nextval('log_seq'), 'client_snapshot', convert_to($1, 'UTF8'))",
                client_id,
            )

    async def record(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        timestamp_ms: int | None = None,
    ) -> None:
        async with self.connection.transaction():
            await self._lock_log()
            await self.connection.execute(
                "INSERT INTO outgoing_records (seq, kind, topic, key, value, header_names, header_values,"
                " timestamp_ms) VALUES (nextval('log_seq'), 'record', $1, $2, $3, $4, $5, $6)",
                topic,
                key,
                value,
                [name for name, _ in headers],
                [content for _, content in headers],
                timestamp_ms,
            )

    async def _lock_log(self) -> None:
        await self.connection.execute("SELECT pg_advisory_xact_lock($1, $2)", locks.NAMESPACE, locks.LOG)

    async def _groups(self) -> None:
        await self.connection.execute(
            "INSERT INTO groups (group_id, name, version, updated_at, updated_by, rules_version)"
            " SELECT g, g, 1, $2, 'test', 0 FROM unnest($1::text[]) AS g ON CONFLICT DO NOTHING",
            list(GROUPS),
            AT,
        )


@dataclass
class Seen:
    """What a read_committed reader has seen since it began."""

    changes: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    """membership-changed by client, in order."""
    snapshots: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    """client-memberships as a compacted topic ends up; None = tombstone."""
    records: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    """Everything, by topic."""

    @property
    def count(self) -> int:
        """How many changes."""
        return sum(map(len, self.changes.values()))

    def folded(self) -> dict[str, set[str]]:
        """Memberships from the changes alone; checks that versions have no gap and no repeat."""
        members: dict[str, set[str]] = defaultdict(set)
        for client_id, changes in self.changes.items():
            assert [change["version"] for change in changes] == list(range(1, len(changes) + 1)), client_id
            for change in changes:
                if change["change"] == "joined":
                    assert change["group"] not in members[client_id]
                    members[client_id].add(change["group"])
                else:
                    members[client_id].remove(change["group"])
        return members


class Reader:
    """A read_committed reader of the outputs from their present ends on."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self.seen = Seen()

    async def until(self, done: Callable[[Seen], bool], seconds: float = 20.0) -> Seen:
        """Read until `done`, then a moment more for what should not come."""
        async with asyncio.timeout(seconds):
            while not done(self.seen):
                await self._read(100)
        await self._read(300)
        return self.seen

    async def _read(self, timeout_ms: int) -> None:
        for records in (await self._consumer.getmany(timeout_ms=timeout_ms)).values():
            for record in records:
                self.seen.records[record.topic].append(record)
                if record.topic == MEMBERSHIP_CHANGED.name:
                    self.seen.changes[record.key.decode()].append(json.loads(record.value))
                elif record.topic == CLIENT_MEMBERSHIPS.name:
                    value = None if record.value is None else json.loads(record.value)
                    self.seen.snapshots[record.key.decode()] = value


@asynccontextmanager
async def reading(bootstrap_servers: str, *topics: str) -> AsyncIterator[Reader]:
    """A reader of these topics, of both membership topics if none are given."""
    topics = topics or (MEMBERSHIP_CHANGED.name, CLIENT_MEMBERSHIPS.name)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, isolation_level="read_committed", enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = [
            TopicPartition(topic.name, number)
            for topic in ALL_TOPICS
            for number in range(topic.partitions)
            if topic.name in topics
        ]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        for partition in partitions:
            await consumer.position(partition)
        yield Reader(consumer)
    finally:
        await consumer.stop()


@asynccontextmanager
async def connected(database_url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def relaying(
    database_url: str, bootstrap_servers: str, namespace: str, **settings: Any
) -> AsyncIterator[Relay]:
    """A relay of its own group and transactional id, started; stopped in the end."""
    relay = Relay(
        database_url=database_url,
        kafka={"bootstrap_servers": bootstrap_servers},
        settings=relay_settings(namespace, **settings),
    )
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()


def relay_settings(namespace: str, **settings: Any) -> RelaySettings:
    """As in production, but for the names."""
    return RelaySettings(transactional_id=namespace, group=namespace, **settings)


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something in this process."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what it waits for knows nothing of tests
            await asyncio.sleep(0.02)


__all__ = [
    "AT",
    "LogWriter",
    "Reader",
    "Seen",
    "connected",
    "notify",
    "reading",
    "relay_settings",
    "relaying",
    "until",
]


@pytest.fixture
async def writer(database_url: str, bootstrap_servers: str) -> AsyncIterator[LogWriter]:
    await ensure_topics({"bootstrap_servers": bootstrap_servers}, 1)
    async with connected(database_url) as connection:
        yield LogWriter(connection)


@pytest.fixture
async def reader(writer: LogWriter, bootstrap_servers: str) -> AsyncIterator[Reader]:
    async with reading(bootstrap_servers) as reader:
        yield reader
