"""replay-dead-letters: what died comes again as what it was, once, and nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka.errors import KafkaError

from db import replays
from db.replays import LetterKey
from events.results import DeadLettersReplayed
from events.upkeep_commands import ReplayDeadLetters
from tests.support.driver import condition, driver
from tests.support.replay import Plant, plant
from workers.aside.replay_job import ReplayJob


@pytest.fixture
async def world(database_url: str, bootstrap_servers: str, kafka_namespace: str) -> AsyncIterator[Plant]:
    async with driver(database_url) as made:
        made.now = datetime.now(UTC)
        async with plant(made, bootstrap_servers, kafka_namespace, database_url) as world:
            yield world


@pytest.fixture
def job(world: Plant) -> ReplayJob:
    return ReplayJob({"bootstrap_servers": world.bootstrap_servers}, 100_000)


async def replay(world: Plant, job: ReplayJob, topic: str, **filters: Any) -> int:
    step = await world.do(job.step, "replay-dead-letters", topic=topic, **filters)
    assert isinstance(step.result, DeadLettersReplayed)
    assert not step.errors
    return step.result.replayed


def soon(world: Plant, minutes: float = 10) -> datetime:
    """A time that is too far ahead as yet."""
    return world.driver.now + timedelta(minutes=minutes)


async def put_group(world: Plant, **more: Any) -> None:
    await world.driver.command(
        "put-group",
        group="de",
        name="DE",
        auto_assignment={"upon_registration": True, "exclude": True},
        conditions=[condition("country", value="DE")],
        **more,
    )


async def fact(world: Plant, client_id: str, name: str) -> Any:
    return await world.driver.pool.fetchval(f"SELECT {name} FROM clients WHERE client_id = $1", client_id)


async def test_what_was_ahead_of_the_clock_is_taken_when_its_time_has_come(
    world: Plant, job: ReplayJob
) -> None:
    await put_group(world)
    cause = await world.publish(
        "client-registered",
        {"client_id": "1", "registered_at": soon(world).isoformat(), "country": "DE"},
        headers=[("x", b"\xff")],
    )
    await world.letters("client-registered", 1)
    assert await world.driver.groups("1") == {}

    world.driver.now += timedelta(minutes=20)
    assert await replay(world, job, "client-registered") == 1
    await world.take(1)
    assert await world.driver.groups("1") == {"de": "rule"}
    assert await world.driver.fetch("SELECT cause FROM membership_history") == [(cause,)]


async def test_it_keeps_its_first_time_where_kafka_told_it(world: Plant, job: ReplayJob) -> None:
    at = soon(world).replace(microsecond=123_000)
    await world.publish("client-changed", {"client_id": "1", "country": "DE"}, at=at)
    await world.letters("client-changed", 1)
    world.driver.now += timedelta(minutes=20)
    await replay(world, job, "client-changed")
    await world.take(1)
    assert await fact(world, "1", "said_at") == at


async def test_an_old_change_does_not_win_over_a_newer_one(world: Plant, job: ReplayJob) -> None:
    later = {"client_id": "1", "changed_at": soon(world).isoformat(), "country": "DE"}
    await world.publish("client-changed", later)
    await world.letters("client-changed", 1)
    world.driver.now += timedelta(minutes=20)
    newer = {"client_id": "1", "changed_at": soon(world, -1).isoformat(), "country": "FR"}
    await world.publish("client-changed", newer)
    assert await replay(world, job, "client-changed") == 1
    await world.take(1)
    assert await fact(world, "1", "country") == "FR"


@pytest.mark.parametrize("dies", ["the first", "the second"])
async def test_at_equal_times_the_first_offset_decides(world: Plant, job: ReplayJob, dies: str) -> None:
    at = soon(world)

    async def change(country: str) -> None:
        value = {"client_id": "1", "changed_at": at.isoformat(), "country": country}
        await world.publish("client-changed", value)

    if dies == "the first":
        await change("DE")
        await world.letters("client-changed", 1)
        world.driver.now += timedelta(minutes=20)
        await change("FR")
    else:
        world.driver.now += timedelta(minutes=20)
        await change("DE")
        world.driver.now -= timedelta(minutes=20)
        await change("FR")
        await world.letters("client-changed", 1)
        world.driver.now += timedelta(minutes=20)
    await replay(world, job, "client-changed")
    await world.take(1)
    assert await fact(world, "1", "country") == "FR"


async def test_only_those_asked_for_are_put_back(world: Plant, job: ReplayJob) -> None:
    causes = [
        await world.publish("client-changed", {"client_id": "1", "country": "Germany"}, key=b"a"),
        await world.publish(
            "client-changed", {"client_id": "1", "changed_at": soon(world).isoformat()}, key=b"b"
        ),
        await world.publish("client-changed", b"{", key=b"c"),
    ]
    letters = await world.letters("client-changed", 3)
    codes = [dict(letter.headers)["client-groups.error.code"].decode() for letter in letters]
    assert codes == ["country", "in_the_future", "not_json"]
    _, partition, offset = causes[1].split("/")
    for filters, count in (
        ({"partition": 77}, 0),
        ({"code": "failed"}, 0),
        ({"partition": int(partition), "offset": int(offset)}, 1),
        ({"code": "IN_THE_FUTURE"}, 1),
        ({"code": "not_json", "offset": 10**15}, 0),
        ({"code": "not_json"}, 1),
        ({}, 3),
    ):
        assert await replay(world, job, "client-changed", **filters) == count, filters
        await world.take(count)
    assert world.taken["client-changed"] == 3 + 6


async def test_what_dies_again_is_put_back_once_by_each_command_and_not_in_a_circle(
    world: Plant, job: ReplayJob
) -> None:
    cause = await world.publish("payer-changed", b'{"client_id": "1"', headers=[("x", b"1"), ("x", b"2")])
    _, partition, offset = cause.split("/")
    for times in range(1, 4):
        letters = await world.letters("payer-changed", times)
        assert await replay(world, job, "payer-changed") == 1
        await world.take(1)
        headers = [list(letter.headers) for letter in letters]
        assert {letter.value for letter in letters} == {b'{"client_id": "1"'}
        assert len({letter.timestamp for letter in letters}) == 1
        for number, of_one in enumerate(headers):
            last = dict(of_one)
            assert (last["__connect.errors.partition"], last["__connect.errors.offset"]) == (
                partition.encode(),
                offset.encode(),
            )
            assert [value for name, value in of_one if name == "x"] == [b"1", b"2"]
            assert last.get("client-groups.replays", b"0") == b"%d" % number
    await world.letters("payer-changed", 4)
    await world.nothing_comes()


async def test_to_put_back_twice_changes_nothing(world: Plant, job: ReplayJob) -> None:
    await put_group(world)
    for topic, value in (
        ("client-registered", {"client_id": "1", "registered_at": soon(world).isoformat(), "country": "DE"}),
        (
            "payer-changed",
            {
                "client_id": "1",
                "payer_id": "7",
                "changed_at": soon(world).isoformat(),
                "status": "individual",
            },
        ),
        (
            "group-usage-changed",
            {"group": "de", "changed_at": soon(world).isoformat(), "kind": "tariff", "ref_id": "5"},
        ),
        ("provider-changed", {"provider_id": "1", "changed_at": soon(world).isoformat(), "name": "One"}),
    ):
        await world.publish(topic, value)
        await world.letters(topic, 1)
    world.driver.now += timedelta(minutes=20)

    async def all_there_is() -> list[Any]:
        queries = (
            "SELECT * FROM clients",
            "SELECT * FROM payers",
            "SELECT * FROM memberships",
            "SELECT * FROM membership_history",
            "SELECT * FROM group_references",
            "SELECT * FROM providers",
            "SELECT count(*) FROM outgoing_records WHERE topic = 'client-groups'",
        )
        return [await world.driver.fetch(query) for query in queries]

    states = []
    for _ in range(2):
        for topic in ("client-registered", "payer-changed", "group-usage-changed", "provider-changed"):
            assert await replay(world, job, topic) == 1
            await world.take(1)
        states.append(await all_there_is())
    assert states[0] == states[1]
    assert await world.driver.changes("1") == ["1 joined de (rule, registration)"]
    assert len(states[0][4]) == len(states[0][5]) == 1


async def test_one_that_is_kept_in_the_database_comes_back_whole(world: Plant, job: ReplayJob) -> None:
    more_than_a_topic_takes = "x" * 3_000_000
    value = {
        "client_id": "1",
        "registered_at": soon(world).isoformat(),
        "country": "DE",
        "note": more_than_a_topic_takes,
    }
    headers = [(f"h{number}", b"value") for number in range(30)]
    cause = await world.publish("client-registered", value, headers=headers)
    [letter] = await world.letters("client-registered", 1)
    assert len(letter.value) < 100
    world.driver.now += timedelta(minutes=20)
    assert await replay(world, job, "client-registered", code="in_the_future") == 1
    await world.take(1)
    assert await fact(world, "1", "country") == "DE"

    # One that dies once more is a letter like the first, and says how often it was put back.
    world.driver.now -= timedelta(minutes=20)
    assert await replay(world, job, "client-registered") == 1
    await world.take(1)
    second = (await world.letters("client-registered", 2))[1]
    assert dict(second.headers)["client-groups.replays"] == b"2"
    whole = await replays.kept_record(
        world.driver.pool,  # type: ignore[arg-type]  # a pool does what a connection does
        int(dict(second.headers)["client-groups.kept"]),
    )
    assert whole is not None
    said = dict(whole.headers)
    assert f"client-registered/{said['__connect.errors.partition'].decode()}/" in cause  # type: ignore[union-attr]
    assert [name for name, _ in whole.headers if name.startswith("h")] == [name for name, _ in headers]


async def test_one_that_is_no_longer_kept_is_left_with_a_warning(world: Plant, job: ReplayJob) -> None:
    value = {"client_id": "1", "registered_at": soon(world).isoformat(), "country": "x" * 950_000}
    await world.publish("client-registered", value)
    await world.letters("client-registered", 1)
    await world.driver.pool.execute("DELETE FROM kept_records")
    step = await world.do(job.step, "replay-dead-letters", topic="client-registered")
    assert step.result == DeadLettersReplayed(replayed=0)
    assert [warning.code for warning in step.warnings] == ["kept_records_lost"]


async def test_a_command_is_done_once_however_often_it_is_put_back(world: Plant, job: ReplayJob) -> None:
    command = {"command": "put-group", "group": "vip", "name": "VIP", "actor": "me"}
    await world.driver.pool.execute("ALTER TABLE groups ADD CONSTRAINT broken CHECK (group_id <> 'vip')")
    cause = await world.publish("group-commands", command)
    [letter] = await world.letters("group-commands", 1)
    assert dict(letter.headers)["client-groups.error.code"] == b"failed"
    await world.driver.pool.execute("ALTER TABLE groups DROP CONSTRAINT broken")

    assert await replay(world, job, "group-commands", code="failed") == 1
    await world.take(1)
    await world.publish("group-commands", {**command, "name": "Other"})
    assert await replay(world, job, "group-commands") == 1
    await world.take(1)

    answers = await world.driver.sent("group-command-results")
    assert [(answer["command_id"], answer["result"]["version"]) for answer in answers] == [
        (cause, 1),
        (answers[1]["command_id"], 2),
        (cause, 1),
    ]
    assert answers[0] == answers[2]
    assert await world.driver.fetch("SELECT name, version FROM groups") == [("Other", 2)]
    rows = await world.driver.fetch(
        "SELECT header_names, header_values FROM outgoing_records WHERE topic = 'group-command-results'"
    )
    assert len({dict(zip(*row, strict=True))["ce_id"] for row in rows}) == 3


async def test_what_others_have_put_into_the_topic_is_left_with_a_warning(
    world: Plant, job: ReplayJob
) -> None:
    await world.producer.send_and_wait("client-deleted.dlt", b'{"client_id": "1"}')
    step = await world.do(job.step, "replay-dead-letters", topic="client-deleted")
    assert step.result == DeadLettersReplayed(replayed=0)
    assert [warning.code for warning in step.warnings] == ["not_dead_letters"]


async def test_many_go_in_pieces_each_once_in_their_order(world: Plant, job: ReplayJob) -> None:
    count = 1_300
    at = soon(world).isoformat()
    sent = [
        await world.producer.send(
            "verification-completed",
            b'{"client_id":"%d","completed_at":"%s","method":"email","result":"passed"}'
            % (number, at.encode()),
            b"%d" % number,
        )
        for number in range(count)
    ]
    await asyncio.gather(*sent)
    await world.take(count)
    await world.letters("verification-completed", count)
    world.driver.now += timedelta(minutes=20)
    assert await replay(world, job, "verification-completed") == count
    await world.take(count)
    assert await world.driver.fetch("SELECT count(*), min(passed_at) FROM verifications") == [
        (count, datetime.fromisoformat(at))
    ]
    await world.nothing_comes()
    assert await world.driver.fetch("SELECT count(*) FROM replayed_letters WHERE times = 1") == [(count,)]


async def test_a_step_that_fails_is_as_if_it_had_not_been(world: Plant, job: ReplayJob) -> None:
    await world.publish("client-deleted", b"{")
    await world.letters("client-deleted", 1)

    async def failing(*given: Any) -> Any:
        await job.step(*given)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await world.do(failing, "replay-dead-letters", topic="client-deleted")
    await world.nothing_comes()
    assert await replay(world, job, "client-deleted") == 1
    await world.take(1)


async def test_while_the_relay_is_behind_a_step_waits(world: Plant) -> None:
    await world.publish("client-deleted", b"{")
    await world.letters("client-deleted", 1)
    await world.relay.stop()
    for _ in range(3):
        await world.publish("client-deleted", b"{")
    job = ReplayJob({"bootstrap_servers": world.bootstrap_servers}, 4)
    command = ReplayDeadLetters(command="replay-dead-letters", topic="client-deleted")
    async with world.driver.pool.acquire() as connection, connection.transaction():
        step = await job.step(connection, command, {"next": {"0": 0}, "end": {"0": 1}}, world.driver.now)
    assert (step.records, step.result) == ((), None)
    assert step.progress is not None
    assert step.progress["waited"] == 1


async def test_without_kafka_a_step_fails_to_be_tried_again(world: Plant) -> None:
    nowhere = ReplayJob({"bootstrap_servers": "127.0.0.1:1"}, 100_000)
    with pytest.raises((KafkaError, TimeoutError)):
        await replay(world, nowhere, "client-changed")


async def test_replays_are_counted_once_a_command(world: Plant) -> None:
    keys = [LetterKey(1, 2, 3), LetterKey(0, 2, 3)]
    async with world.driver.pool.acquire() as connection:
        assert await replays.count(connection, "t", keys, command="a") == {keys[0]: 1, keys[1]: 1}
        assert await replays.count(connection, "t", keys, command="a") == {}
        assert await replays.count(connection, "t", keys[:1], command="b") == {keys[0]: 2}
        assert await replays.count(connection, "u", keys[:1], command="b") == {keys[0]: 1}
