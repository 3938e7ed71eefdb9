"""The relay on real servers: each row once, in order, snapshots in step with the tables."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import OffsetAndMetadata
from confluent_kafka.admin import AdminClient

from db.relay import mirror, notify
from events.topics import CLIENT_MEMBERSHIPS, GROUP_COMMAND_RESULTS, RELAY_POSITION, dead_letter_topic
from tests.support.relay import AT, LogWriter, Reader, reading, relay_settings, relaying, until
from workers.relay import service, upkeep
from workers.relay.service import PositionAheadError, Relay, RelayStalledError, State


async def test_each_change_once_in_version_order_and_snapshots_equal_the_tables(
    writer: LogWriter, reader: Reader, database_url: str, bootstrap_servers: str, kafka_namespace: str
) -> None:
    clients = [f"{kafka_namespace}-{number}" for number in range(40)]
    async with relaying(database_url, bootstrap_servers, kafka_namespace, rows=50) as relay:
        for round_ in range(12):
            await writer.toggle(clients[round_:], ("eu", "vip", "trial")[round_ % 3])
            await notify(writer.connection)
        total = sum(writer.versions.values())
        seen = await reader.until(lambda seen: seen.count >= total)

        assert seen.count == total
        assert seen.folded() == writer.members
        snapshots = {client: value for client, value in seen.snapshots.items() if value is not None}
        assert {client: set(value["groups"]) for client, value in snapshots.items()} == writer.members
        assert {client: value["version"] for client, value in snapshots.items()} == writer.versions
        await until(lambda: relay.position == total + 1)
        assert await mirror(writer.connection) == total + 1


async def test_what_a_change_and_a_snapshot_look_like(
    writer: LogWriter, reader: Reader, database_url: str, bootstrap_servers: str, kafka_namespace: str
) -> None:
    client = f"{kafka_namespace}-ö"
    before = int(time.time() * 1000)
    async with relaying(database_url, bootstrap_servers, kafka_namespace):
        await writer.toggle([client], reason="why")
        seen = await reader.until(lambda seen: client in seen.snapshots)

    [record] = seen.records["membership-changed"]
    assert seen.changes[client] == [
        {
            "client_id": client,
            "group": "eu",
            "change": "joined",
            "version": 1,
            "source": "rule",
            "moment": "change",
            "changed_at": "2026-11-22T10:15:00.000000Z",
            "cause": "client-changed/0/1",
            "reason": "why",
        }
    ]
    headers = dict(record.headers)
    assert headers["ce_id"] == f"{client}:1".encode()
    assert headers["ce_type"] == b"client-groups.membership-changed"
    assert headers["ce_source"].endswith(b"membership-changed")
    assert headers["ce_subject"] == client.encode()
    assert record.timestamp >= before  # the time of sending, not of the change: late readers search by it
    assert seen.snapshots[client] == {
        "client_id": client,
        "version": 1,
        "groups": {"eu": {"source": "rule", "since": "2026-11-22T10:15:00.000000Z"}},
    }


async def test_a_deleted_client_gets_a_tombstone(
    writer: LogWriter, reader: Reader, database_url: str, bootstrap_servers: str, kafka_namespace: str
) -> None:
    client = f"{kafka_namespace}-1"
    await writer.toggle([client])
    async with relaying(database_url, bootstrap_servers, kafka_namespace):
        await reader.until(lambda seen: client in seen.snapshots)
        await writer.delete(client)
        seen = await reader.until(lambda seen: seen.snapshots[client] is None)
    assert [change["change"] for change in seen.changes[client]] == ["joined", "left"]


async def test_a_snapshot_that_is_due_comes_with_the_same_version_again(
    writer: LogWriter, reader: Reader, database_url: str, bootstrap_servers: str, kafka_namespace: str
) -> None:
    client = f"{kafka_namespace}-1"
    await writer.toggle([client])
    async with relaying(database_url, bootstrap_servers, kafka_namespace):
        await reader.until(lambda seen: client in seen.snapshots)
        await writer.connection.execute("UPDATE memberships SET source = 'manual'")
        await writer.snapshot_due(client)
        seen = await reader.until(lambda seen: len(seen.records[CLIENT_MEMBERSHIPS.name]) == 2)
    assert seen.snapshots[client] == {
        "client_id": client,
        "version": 1,
        "groups": {"eu": {"source": "manual", "since": "2026-11-22T10:15:00.000000Z"}},
    }
    ids = [dict(record.headers)["ce_id"] for record in seen.records[CLIENT_MEMBERSHIPS.name]]
    assert len(set(ids)) == 2


async def test_records_go_out_byte_for_byte_in_order(
    writer: LogWriter, database_url: str, bootstrap_servers: str, kafka_namespace: str
) -> None:
    topic = dead_letter_topic("payer-changed")
    stamp = int(AT.timestamp() * 1000)
    async with (
        reading(bootstrap_servers, topic) as reader,
        relaying(database_url, bootstrap_servers, kafka_namespace),
    ):
        await writer.record(topic, None, b"{", [("a", b"\xff"), ("a", b"2")], stamp)
        await writer.record(topic, b"", None, [], stamp + 1)
        await writer.record(topic, b"k", b"x" * 300_000)
        seen = await reader.until(lambda seen: len(seen.records[topic]) == 3)
    first, second, third = seen.records[topic]
    assert (first.key, first.value, first.headers) == (None, b"{", (("a", b"\xff"), ("a", b"2")))
    assert (first.timestamp, second.timestamp) == (stamp, stamp + 1)
    assert (second.key, second.value) == (b"", None)
    assert third.value == b"x" * 300_000


async def test_a_record_too_large_is_kept_and_does_not_hold_up_the_others(
    writer: LogWriter, reader: Reader, database_url: str, bootstrap_servers: str, kafka_namespace: str
) -> None:
    topic = GROUP_COMMAND_RESULTS.name
    large = (
        bytes(range(256)) * 20_000
    )  # 5 MB, over the topic's 4 MiB, and its compressed form too: see settings
    client = f"{kafka_namespace}-1"
    async with (
        reading(bootstrap_servers, topic) as answers,
        relaying(database_url, bootstrap_servers, kafka_namespace, compression_type=None),
    ):
        await writer.record(topic, b"before", b"{}")
        await writer.record(topic, b"large", large, [("ce_id", b"7")])
        await writer.record(topic, b"after", b"{}")
        await writer.toggle([client])
        seen = await answers.until(lambda seen: len(seen.records[topic]) >= 3)
        changes = await reader.until(lambda seen: client in seen.changes)

    assert [record.key for record in seen.records[topic]] == [b"before", b"large", b"after"]
    kept = await writer.connection.fetchrow("SELECT * FROM kept_records")
    assert kept is not None
    assert (kept["topic"], kept["key"], kept["value"]) == (topic, b"large", large)
    headers = dict(seen.records[topic][1].headers)
    assert headers == {"ce_id": b"7", "client-groups.kept": str(kept["kept_id"]).encode()}
    assert changes.count == 1


async def test_a_change_with_a_huge_reason_goes_out_without_it(
    writer: LogWriter, reader: Reader, database_url: str, bootstrap_servers: str, kafka_namespace: str
) -> None:
    client = f"{kafka_namespace}-1"
    async with relaying(database_url, bootstrap_servers, kafka_namespace, compression_type=None):
        await writer.toggle([client, f"{kafka_namespace}-2"], reason="w" * 5_000_000)
        await writer.toggle([client])
        seen = await reader.until(lambda seen: len(seen.changes[client]) == 2)
    assert seen.changes[client][0]["reason"] == "w" * 200
    assert dict(seen.records["membership-changed"][0].headers)["client-groups.kept"].startswith(
        b"membership_history/"
    )
    assert seen.folded() == writer.members


async def test_without_a_position_in_kafka_it_begins_at_the_mirror(
    writer: LogWriter, reader: Reader, database_url: str, bootstrap_servers: str, kafka_namespace: str
) -> None:
    client = f"{kafka_namespace}-1"
    await writer.toggle([client])
    async with relaying(database_url, bootstrap_servers, kafka_namespace):
        await reader.until(lambda seen: client in seen.snapshots)
    await writer.toggle([client])

    # Another group: as if this one's offset had expired.
    async with relaying(database_url, bootstrap_servers, f"{kafka_namespace}-other"):
        seen = await reader.until(lambda seen: len(seen.changes[client]) == 2)
    assert [change["version"] for change in seen.changes[client]] == [1, 2]


async def test_a_position_beyond_the_log_stops_it_with_both_numbers(
    writer: LogWriter, database_url: str, bootstrap_servers: str, kafka_namespace: str
) -> None:
    await writer.toggle([f"{kafka_namespace}-1"])
    async with relaying(database_url, bootstrap_servers, kafka_namespace) as relay:
        await until(lambda: relay.position == 2)
    await writer.connection.execute("TRUNCATE membership_history")
    await writer.connection.execute("ALTER SEQUENCE log_seq RESTART")

    async with relaying(database_url, bootstrap_servers, kafka_namespace) as relay:
        await until(lambda: relay.doing is State.WAITING)
        assert not relay.is_active
    assert "is 2, but the log of this database ends at 0" in str(PositionAheadError(2, 0, "g"))


async def test_a_second_relay_stands_by_and_takes_over(
    writer: LogWriter, reader: Reader, database_url: str, bootstrap_servers: str, kafka_namespace: str
) -> None:
    client = f"{kafka_namespace}-1"
    async with (
        relaying(database_url, bootstrap_servers, kafka_namespace, standby_s=0.05) as second,
        relaying(database_url, bootstrap_servers, kafka_namespace, standby_s=0.05) as first,
    ):
        await until(lambda: first.is_active or second.is_active)
        active, standby = (first, second) if first.is_active else (second, first)
        await writer.toggle([client])
        await reader.until(lambda seen: client in seen.snapshots)
        await until(lambda: standby.doing is State.STANDING_BY)
        assert active.is_active
        await active.stop()
        await until(lambda: standby.is_active)
        await writer.toggle([client])
        seen = await reader.until(lambda seen: len(seen.changes[client]) == 2)
    assert seen.count == 2


async def test_stopping_finishes_the_transaction_in_hand(
    writer: LogWriter, reader: Reader, database_url: str, bootstrap_servers: str, kafka_namespace: str
) -> None:
    clients = [f"{kafka_namespace}-{number}" for number in range(300)]
    await writer.toggle(clients)
    relay = Relay(
        database_url=database_url,
        kafka={"bootstrap_servers": bootstrap_servers},
        settings=relay_settings(kafka_namespace, rows=100),
    )
    await relay.start()
    await until(lambda: relay.position is not None and relay.position > 1)
    await relay.stop()
    position = relay.position
    assert position is not None
    assert await mirror(writer.connection) == position
    seen = await reader.until(lambda seen: seen.count >= position - 1)
    assert seen.count == position - 1


async def test_the_position_stands_in_kafka(
    writer: LogWriter, database_url: str, bootstrap_servers: str, kafka_namespace: str
) -> None:
    await writer.toggle([f"{kafka_namespace}-{number}" for number in range(5)])
    async with relaying(database_url, bootstrap_servers, kafka_namespace) as relay:
        await until(lambda: relay.position == 6)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        [(partition, offset)] = (await admin.list_consumer_group_offsets(kafka_namespace)).items()
    finally:
        await admin.close()
    assert (partition.topic, offset.offset) == (RELAY_POSITION.name, 6)


async def test_what_was_sent_is_deleted_but_for_the_history(
    writer: LogWriter,
    database_url: str,
    bootstrap_servers: str,
    kafka_namespace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upkeep, "_PRUNE_EVERY_S", 0.0)
    monkeypatch.setattr(upkeep, "_PRUNE_ROWS", 2)
    topic = dead_letter_topic("payer-changed")
    for number in range(5):
        await writer.record(topic, b"k", str(number).encode())
    await writer.toggle([f"{kafka_namespace}-1"])

    async def rows(table: str) -> int:
        count: int = await writer.connection.fetchval(f"SELECT count(*) FROM {table}")
        return count

    assert await rows("outgoing_records") == 5
    async with (
        reading(bootstrap_servers, topic) as reader,
        relaying(database_url, bootstrap_servers, kafka_namespace, poll_s=0.02),
    ):
        seen = await reader.until(lambda seen: len(seen.records[topic]) == 5)
        assert [record.value for record in seen.records[topic]] == [b"0", b"1", b"2", b"3", b"4"]
        async with asyncio.timeout(20):
            while await rows("outgoing_records"):  # noqa: ASYNC110 - a row in a table wakes nobody
                await asyncio.sleep(0.02)
    assert await rows("membership_history") == 1


async def test_an_idle_relay_says_its_position_again_before_kafka_forgets_it(
    writer: LogWriter,
    database_url: str,
    bootstrap_servers: str,
    kafka_namespace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "_RECOMMIT_EVERY_S", 0.05)
    await writer.toggle([f"{kafka_namespace}-1"])
    position = TopicPartition(RELAY_POSITION.name, 0)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        async with relaying(database_url, bootstrap_servers, kafka_namespace, poll_s=0.02) as relay:
            await until(lambda: relay.position == 2)
            # As if it had expired.
            forgetful = AdminClient({"bootstrap.servers": bootstrap_servers})
            await asyncio.to_thread(
                forgetful.delete_consumer_groups([kafka_namespace])[kafka_namespace].result
            )
            async with asyncio.timeout(20):
                offsets: dict[TopicPartition, OffsetAndMetadata] = {}
                while position not in offsets:
                    await asyncio.sleep(0.05)
                    offsets = await admin.list_consumer_group_offsets(kafka_namespace)
            assert offsets[position].offset == 2
    finally:
        await admin.close()


async def test_transactions_that_never_end_end_the_relay(
    writer: LogWriter, database_url: str, bootstrap_servers: str, kafka_namespace: str
) -> None:
    await writer.toggle([f"{kafka_namespace}-1"])
    async with relaying(
        database_url, bootstrap_servers, kafka_namespace, stall_s=0.0, stalls=3, longest_wait_s=0.01
    ) as relay:
        await until(lambda: relay.crashed)
        assert isinstance(relay.crash_reason, RelayStalledError)
        assert "3 transactions in a row" in str(relay.crash_reason)
