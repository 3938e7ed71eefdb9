"""snapshot: what is published anew gives the state of the database, beside whatever else happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from db.relay import last_seq
from events.results import SnapshotPublished
from events.topics import CLIENT_GROUPS, CLIENT_MEMBERSHIPS, Topic
from tests.support.driver import Driver, condition, driver
from tests.support.intake import admin
from tests.support.jobs import do
from tests.support.relay import relaying, until
from workers.aside.log_room import has_room
from workers.aside.snapshot_job import SnapshotJob
from workers.relay.service import Relay
from workers.topics import ensure_topics


@pytest.fixture
async def drive(database_url: str) -> AsyncIterator[Driver]:
    async with driver(database_url) as made:
        yield made


CLIENTS = 1_100 + 20 + 2
"""Of `happenings`, those that client-memberships says something of."""
job = SnapshotJob(100_000)


async def put(drive: Driver, group: str, country: str) -> None:
    answer = await drive.command(
        "put-group",
        group=group,
        name=group.upper(),
        auto_assignment={"upon_registration": True, "exclude": True},
        conditions=[condition("country", value=country)],
    )
    assert answer["status"] == "done"


async def register(drive: Driver, count: int, country: str, prefix: str) -> None:
    records = [
        drive.record(
            "client-registered",
            {"client_id": f"{prefix}{number}", "registered_at": drive.at(0), "country": country},
        )
        for number in range(count)
    ]
    await drive.handle(*records)


async def happenings(drive: Driver) -> None:
    """Clients of each kind: in groups, in none any more, never in one, deleted, registered anew."""
    await put(drive, "de", "DE")
    await put(drive, "fr", "FR")
    await put(drive, "gone", "US")
    await register(drive, 1_100, "DE", "a")
    await register(drive, 1_200, "PL", "b")
    await register(drive, 20, "US", "c")
    for number in range(10):
        await drive.publish(
            "client-changed",
            client_id=f"a{number}",
            changed_at=drive.at(60),
            country="FR" if number else None,
        )
    for client in ("a20", "a21", "b7", "never-seen"):
        await drive.publish("client-deleted", client_id=client, deleted_at=drive.at(100))
    await drive.publish("client-registered", client_id="a21", registered_at=drive.at(200), country="DE")
    await drive.publish(
        "group-usage-changed", group="de", changed_at=drive.at(1), kind="tariff", ref_id="5", title="T"
    )
    answer = await drive.command("delete-group", group="gone")
    assert answer["status"] == "done"


async def everything_sent(drive: Driver, relay: Relay) -> None:
    async with drive.pool.acquire() as connection:
        last = await last_seq(connection)
    relay.wake()
    await until(lambda: relay.position == last + 1, 60)


async def folded(bootstrap_servers: str, topic: Topic, count: int) -> dict[str, Any]:
    """What the topic says in the end, by key; None for a tombstone. Waits until there are `count` keys."""
    places = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, isolation_level="read_committed")
    await consumer.start()
    found: dict[str, Any] = {}
    try:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        async with asyncio.timeout(30):
            more = True
            while more or len(found) < count:
                fetched = await consumer.getmany(timeout_ms=500)
                more = bool(fetched)
                for records in fetched.values():
                    for record in records:
                        found[record.key.decode()] = record.value and orjson.loads(record.value)
    finally:
        await consumer.stop()
    return found


async def lose(bootstrap_servers: str, *topics: Topic) -> None:
    """Delete topics and make them anew."""
    async with admin(bootstrap_servers) as client:
        await client.delete_topics([topic.name for topic in topics])
        async with asyncio.timeout(20):
            while {topic.name for topic in topics} & set(await client.list_topics()):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.1)
    await ensure_topics({"bootstrap_servers": bootstrap_servers}, 1)


async def test_topics_that_were_lost_are_as_the_database_again(
    drive: Driver, database_url: str, bootstrap_servers: str, kafka_namespace: str
) -> None:
    await ensure_topics({"bootstrap_servers": bootstrap_servers}, 1)
    await happenings(drive)
    async with relaying(database_url, bootstrap_servers, kafka_namespace) as relay:
        await everything_sent(drive, relay)
    memberships_before = await folded(bootstrap_servers, CLIENT_MEMBERSHIPS, CLIENTS)
    groups_before = await folded(bootstrap_servers, CLIENT_GROUPS, 3)
    await lose(bootstrap_servers, CLIENT_MEMBERSHIPS, CLIENT_GROUPS)

    async with relaying(database_url, bootstrap_servers, kafka_namespace) as relay:
        result = (await do(drive, job.step, "snapshot", appended=relay.wake)).result
        await everything_sent(drive, relay)

    memberships = await folded(bootstrap_servers, CLIENT_MEMBERSHIPS, CLIENTS)
    rows = await drive.fetch(
        "SELECT c.client_id, c.version,"
        " coalesce(jsonb_object_agg(m.group_id, m.source) FILTER (WHERE m.group_id IS NOT NULL), '{}')"
        " FROM clients c LEFT JOIN memberships m USING (client_id)"
        " WHERE c.registered_at IS NOT NULL AND c.version > 0 GROUP BY 1, 2"
    )
    assert {
        client: (value["version"], _sources(value)) for client, value in memberships.items() if value
    } == {client: (version, groups) for client, version, groups in rows}
    assert {client for client, value in memberships.items() if value is None} == {"a20", "b7", "never-seen"}
    assert memberships["a21"]["groups"].keys() == {"de"}
    assert result == SnapshotPublished(groups=2, clients=len(memberships))
    assert len(memberships) == CLIENTS

    groups = await folded(bootstrap_servers, CLIENT_GROUPS, 3)
    assert groups.keys() == {"de", "fr", "gone"}
    assert groups["de"]["used_by"] == [{"kind": "tariff", "ref_id": "5", "title": "T"}]
    mine = ("de", "fr", "gone")  # other tests leave groups in the topic
    assert groups == {group: groups_before[group] for group in mine}
    assert memberships == {client: memberships_before[client] for client in memberships}


def _sources(value: dict[str, Any]) -> dict[str, str]:
    return {group: membership["source"] for group, membership in value["groups"].items()}


async def test_a_group_is_never_published_behind_something_newer(drive: Driver) -> None:
    groups = [f"g{number:02}" for number in range(30)]
    for group in groups:
        await put(drive, group, "DE")

    async def use() -> None:
        for ref in range(8):
            records = [
                drive.record(
                    "group-usage-changed",
                    {"group": group, "changed_at": drive.at(ref), "kind": "tariff", "ref_id": str(ref)},
                )
                for group in reversed(groups)
            ]
            await drive.handle(*records)

    async def change() -> None:
        for number, group in enumerate(groups[:10]):
            await drive.publish("group-commands", command="change-group", group=group, name=f"N{number}")

    async def publish() -> None:
        for _ in range(8):
            await do(drive, job.step, "snapshot")

    await asyncio.gather(use(), change(), publish())
    last = {value["group"]: value for value in await drive.sent("client-groups")}
    names = dict(await drive.fetch("SELECT group_id, name FROM groups"))
    for group in groups:
        assert [each["ref_id"] for each in last[group]["used_by"]] == [str(ref) for ref in range(8)]
        assert last[group]["name"] == names[group]


async def test_each_record_of_a_group_has_an_id_of_its_own(drive: Driver) -> None:
    await put(drive, "a", "DE")
    await put(drive, "b", "DE")
    for _ in range(2):
        await do(drive, job.step, "snapshot")
    rows = await drive.fetch(
        "SELECT header_names, header_values FROM outgoing_records WHERE topic = 'client-groups'"
    )
    ids = [dict(zip(*row, strict=True))["ce_id"] for row in rows]
    assert len(ids) == len(set(ids)) == 2 + 2 * 2


async def test_an_empty_database_is_published_too(drive: Driver) -> None:
    assert (await do(drive, job.step, "snapshot")).result == SnapshotPublished(groups=0, clients=0)


async def test_it_waits_for_the_relay_and_then_goes_on_slowly(drive: Driver) -> None:
    await drive.pool.execute("SELECT setval('log_seq', 3000)")
    async with drive.pool.acquire() as connection:
        assert not await has_room(connection, 0, 100_000)
        assert await has_room(connection, 20, 100_000)
        assert not await has_room(connection, 20, 5_000)
        await connection.execute("UPDATE relay_position SET next_seq = 1001")
        assert await has_room(connection, 0, 100_000)
        step = await job.step(connection, None, {"waited": 3}, drive.now)  # type: ignore[arg-type]
    assert step.progress is not None
    assert step.progress["waited"] == 0
