"""Commands about more clients than one transaction should touch: runs, done in chunks."""

from typing import Any

import asyncpg
import pytest

from db import runs
from tests.support.driver import Driver, condition

MANY = [f"c{number:04}" for number in range(1_200)]
DE = condition("country", value="DE")


@pytest.fixture
async def work(work: Driver) -> Driver:
    await work.command("put-group", group="vip", name="VIP")
    return work


async def last_told(work: Driver) -> dict[str, Any]:
    return (await work.sent("assignment-runs"))[-1]


async def members(work: Driver, group: str = "vip") -> int:
    ((count,),) = await work.fetch("SELECT count(*) FROM memberships WHERE group_id = $1", group)
    return int(count)


async def test_many_members_go_on_as_a_run(work: Driver) -> None:
    await work.command("pin", group="vip", clients=[MANY[7]], hold="out")
    answer = await work.command(
        "add-members", id="many", group="vip", clients=MANY, actor="ann", reason="a campaign"
    )
    assert (answer["status"], answer.get("result")) == ("accepted", None)
    assert [(each["code"], each["path"]) for each in answer["warnings"]] == [("pinned", "clients[7]")]
    run_id = answer["run_id"]
    told = await last_told(work)
    assert (told["run_id"], told["kind"], told["state"]) == (run_id, "members", "running")
    assert (told["groups"], told["total"], told["checked"], told["actor"]) == (["vip"], 1_200, 0, "ann")
    assert await members(work) == 0
    assert await work.run_all() == 3  # of 500, 500 and 200
    told = await last_told(work)
    assert (told["state"], told["checked"], told["joined"], told["left"]) == ("done", 1_200, 1_199, 0)
    assert told["finished_at"]
    assert await members(work) == 1_199
    rows = await work.fetch("SELECT DISTINCT cause, actor, reason, run_id, moment FROM membership_history")
    assert rows == [(f"run/{run_id}", "ann", "a campaign", run_id, "manual")]
    # The command again is answered again, and starts no other run.
    assert (await work.command("add-members", id="many", group="vip", clients=MANY))["run_id"] == run_id
    assert await work.run_all() == 0
    await work.command("remove-members", group="vip", clients=MANY)
    await work.run_all()
    assert await members(work) == 0
    assert (await last_told(work))["left"] == 1_199


async def test_a_run_is_not_started_where_all_are_pinned(work: Driver) -> None:
    await work.command("pin", group="vip", clients=MANY, hold="out")
    await work.run_all()
    answer = await work.command("add-members", group="vip", clients=MANY)
    assert (answer["status"], len(answer["errors"])) == ("rejected", len(MANY))


async def test_others_events_pass_between_the_chunks(work: Driver) -> None:
    auto = {"upon_registration": True}
    await work.command("put-group", group="de", name="DE", auto_assignment=auto, conditions=[DE])
    await work.command("pin", group="vip", clients=MANY, hold="in")
    assert await work.runner.step()
    await work.publish("client-registered", client_id=MANY[1100], registered_at=work.at(0), country="DE")
    assert await work.groups(MANY[1100]) == {"de": "rule"}
    await work.run_all()
    assert await work.groups(MANY[1100]) == {"de": "rule", "vip": "pin"}


async def test_chunks_are_taken_in_turn_over_the_runs(work: Driver) -> None:
    await work.command("put-group", group="other", name="Other")
    await work.command("add-members", group="vip", clients=MANY)
    await work.command("add-members", group="other", clients=MANY)
    for _ in range(2):
        assert await work.runner.step()
    assert (await members(work), await members(work, "other")) == (500, 500)


async def test_a_group_of_many_is_deleted_in_a_run(work: Driver) -> None:
    await work.command("add-members", group="vip", clients=MANY)
    await work.run_all()
    answer = await work.command("delete-group", group="vip", actor="ann")
    assert answer["status"] == "accepted"
    run_id = answer["run_id"]
    # From the answer on it is not there for anybody; its record stands until its members have left.
    refused = await work.command("add-members", group="vip", clients=["x"])
    assert [each["code"] for each in refused["errors"]] == ["unknown_group"]
    for command, more in (("put-group", {"name": "VIP"}), ("delete-group", {})):
        refused = await work.command(command, group="vip", **more)
        assert [each["code"] for each in refused["errors"]] == ["group_deleting"]
    assert None not in [value for (value,) in await records(work)]
    await work.run_all()
    assert await members(work) == 0
    assert [value for (value,) in await records(work)][-1] is None
    told = await last_told(work)
    assert (told["run_id"], told["kind"], told["state"], told["left"]) == (run_id, "delete", "done", 1_200)
    assert (await work.command("put-group", group="vip", name="VIP"))["result"]["version"] == 2


async def records(work: Driver) -> list[tuple[Any, ...]]:
    return await work.fetch("SELECT value FROM outgoing_records WHERE topic = 'client-groups' ORDER BY seq")


async def test_a_killed_workers_chunk_is_free_again(work: Driver, database_url: str) -> None:
    await work.command("add-members", group="vip", clients=MANY)
    killed = await asyncpg.connect(database_url)
    transaction = killed.transaction()
    await transaction.start()
    await killed.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=str)
    assert await runs.claim(killed, ["members"]) is not None
    assert await work.run_all() == 2  # the two that are left
    assert (await last_told(work))["state"] == "running"
    killed.terminate()
    for _ in range(100):
        if await work.run_all():
            break
    told = await last_told(work)
    assert (told["state"], told["checked"], told["joined"]) == ("done", 1_200, 1_200)


async def test_a_chunk_that_keeps_failing_fails_the_run_with_the_reason(work: Driver) -> None:
    await work.command("add-members", group="vip", clients=MANY)
    await work.pool.execute(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'the disk of the day is square'; END $$"
    )
    await work.pool.execute("CREATE TRIGGER fail BEFORE INSERT ON clients EXECUTE FUNCTION fail()")
    work.runner.failure_wait_s = 0.0
    await work.run_all()
    told = await last_told(work)
    assert told["state"] == "failed"
    assert "the disk of the day is square" in told["reason"]
    assert await members(work) == 0


async def test_a_deletion_that_failed_begins_again(work: Driver) -> None:
    await work.command("add-members", group="vip", clients=MANY)
    await work.run_all()
    await work.command("delete-group", group="vip")
    await work.pool.execute(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$"
    )
    await work.pool.execute("CREATE TRIGGER fail BEFORE DELETE ON memberships EXECUTE FUNCTION fail()")
    work.runner.failure_wait_s = 0.0
    await work.run_all()
    assert (await last_told(work))["state"] == "failed"
    await work.pool.execute("DROP TRIGGER fail ON memberships")
    assert (await work.command("delete-group", group="vip"))["status"] == "accepted"
    await work.run_all()
    assert ((await last_told(work))["state"], await members(work)) == ("done", 0)
