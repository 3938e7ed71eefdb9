"""Checks of all clients, held leaves and undoing, on a real database (mission T4, A1-A3, B4)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from db import runs
from tests.support.driver import HELD_FOR, Driver, condition, driver

DE = condition("country", value="DE")
ONE = [f"c{number:03}" for number in range(120)]


async def put(work: Driver, group: str, *conditions: dict[str, Any], **auto_assignment: Any) -> None:
    answer = await work.command(
        "put-group", group=group, name=group, auto_assignment=auto_assignment, conditions=list(conditions)
    )
    assert answer["status"] == "done", answer


async def register(work: Driver, country: str, *client_ids: str) -> None:
    at = work.now.isoformat()
    records = [
        work.record("client-registered", {"client_id": each, "registered_at": at, "country": country})
        for each in client_ids
    ]
    await work.handle(*records)


async def move(work: Driver, country: str, *client_ids: str) -> None:
    work.now += timedelta(seconds=1)
    at = work.now.isoformat()
    records = [
        work.record("client-changed", {"client_id": each, "changed_at": at, "country": country})
        for each in client_ids
    ]
    await work.handle(*records)


async def check(work: Driver, group: str) -> dict[str, Any]:
    """Start a check and do all of it; answers what was told of it last."""
    answer = await work.command("start-check", group=group, actor="ann", reason="new rules")
    assert answer["status"] == "accepted", answer
    await work.run_all()
    return await told(work, answer["run_id"])


async def told(work: Driver, run_id: str) -> dict[str, Any]:
    return [each for each in await work.sent("assignment-runs") if each["run_id"] == run_id][-1]


async def members(work: Driver, group: str) -> list[str]:
    rows = await work.fetch("SELECT client_id FROM memberships WHERE group_id = $1 ORDER BY 1", group)
    return [client_id for (client_id,) in rows]


async def test_a_forced_check_adds_and_takes_out_by_the_options(work: Driver) -> None:
    await put(work, "de", DE)
    await put(work, "de-only", DE, exclude=True)
    await register(work, "DE", "1", "2")
    await register(work, "FR", "3")
    for group in ("de", "de-only"):
        await work.command("add-members", group=group, clients=["3"])
        run = await check(work, group)
        assert (run["kind"], run["state"], run["total"], run["checked"]) == ("forced", "done", 3, 3)
        assert (run["joined"], run["left"]) == (2, 1 if group == "de-only" else 0)
        assert (run["actor"], run["reason"]) == ("ann", "new rules")
    assert await members(work, "de") == ["1", "2", "3"]
    assert await members(work, "de-only") == ["1", "2"]
    rows = await work.fetch(
        "SELECT DISTINCT moment, cause FROM membership_history WHERE run_id = $1", run["run_id"]
    )
    assert rows == [("forced", f"run/{run['run_id']}")]
    assert (await check(work, "de-only"))["joined"] == 0


async def test_those_added_by_hand_are_kept_where_the_group_says_so(work: Driver) -> None:
    await put(work, "de", DE, exclude=True, keep_manual=True)
    await register(work, "FR", "1", "2")
    await work.command("add-members", group="de", clients=["1"])
    await work.command("pin", group="de", clients=["2"], hold="in")
    run = await check(work, "de")
    assert (run["joined"], run["left"]) == (0, 0)
    assert await members(work, "de") == ["1", "2"]


async def test_beneath_a_pin_a_check_goes_on(work: Driver) -> None:
    await put(work, "de", DE, exclude=True)
    await register(work, "DE", "1", "2")
    await work.command("pin", group="de", clients=["1"], hold="out")
    await check(work, "de")
    assert await members(work, "de") == ["2"]
    await work.command("pin", group="de", clients=["2"], hold="in")
    await move(work, "FR", "2")
    await check(work, "de")
    await put(work, "de", condition("country", value="IT"), exclude=True)
    await work.command("unpin", group="de", clients=["1", "2"])
    assert await members(work, "de") == []


async def test_leaves_over_the_threshold_wait_for_an_operator(work: Driver) -> None:
    await put(work, "de", DE, exclude=True, hold_leaves_over={"percent": 10, "count": 100})
    await register(work, "DE", *ONE)
    await check(work, "de")
    await move(work, "FR", *ONE[:101])
    await register(work, "DE", "new")
    run = await check(work, "de")
    assert (run["state"], run["joined"], run["left"], run["to_leave"]) == ("held", 1, 0, 101)
    assert run["held"] == {"de": {"to_leave": 101, "members": 121, "sample": ONE[:10]}}
    assert len(await members(work, "de")) == 121
    # Who meets the conditions by then is not taken out.
    await move(work, "DE", ONE[0])
    answer = await work.command("approve-run", run_id=run["run_id"], actor="bob")
    assert (answer["status"], answer["run_id"]) == ("accepted", run["run_id"])
    await work.run_all()
    run = await told(work, run["run_id"])
    assert (run["state"], run["left"], run["to_leave"], run.get("held")) == ("done", 100, 0, None)
    assert await members(work, "de") == sorted([ONE[0], *ONE[101:], "new"])


@pytest.mark.parametrize(
    ("over", "held"),
    [
        ({"percent": 10, "count": 19}, True),
        ({"percent": 10, "count": 20}, False),
        ({"percent": 20, "count": 10}, False),
        ({"percent": 19.9, "count": 10}, True),
        (None, False),
    ],
)
async def test_more_than_both_numbers(work: Driver, over: dict[str, float] | None, held: bool) -> None:
    await put(work, "de", DE, exclude=True, hold_leaves_over=over)
    await register(work, "DE", *ONE[:100])
    await check(work, "de")
    await move(work, "FR", *ONE[:20])
    run = await check(work, "de")
    assert (run["state"], run["left"]) == (("held", 0) if held else ("done", 20))


async def test_a_held_run_can_be_cancelled_and_expires(work: Driver) -> None:
    await put(work, "de", DE, exclude=True, hold_leaves_over={"percent": 0, "count": 0})
    await register(work, "DE", "1")
    await check(work, "de")
    await move(work, "FR", "1")
    first = await check(work, "de")
    answer = await work.command("cancel-run", run_id=first["run_id"], actor="bob", reason="no")
    assert answer["status"] == "done"
    first = await told(work, first["run_id"])
    assert (first["state"], first["reason"]) == ("cancelled", "by bob: no")
    second = await check(work, "de")
    assert second["state"] == "held"
    work.now += HELD_FOR
    await work.scheduler.tick()
    assert (await told(work, second["run_id"]))["state"] == "cancelled"
    for command in ("approve-run", "cancel-run"):
        answer = await work.command(command, run_id=second["run_id"])
        assert [each["code"] for each in answer["errors"]] == ["wrong_state"]
    assert await members(work, "de") == ["1"]


async def test_a_group_whose_conditions_change_drops_out(work: Driver) -> None:
    await put(work, "de", DE, exclude=True, hold_leaves_over={"percent": 0, "count": 0})
    await register(work, "DE", "1")
    answer = await work.command("start-check", group="de")
    await work.command("change-group", group="de", name="Another name")
    assert (await told(work, answer["run_id"]))["state"] == "running"
    await put(work, "de", condition("country", value="FR"), exclude=True)
    run = await told(work, answer["run_id"])
    assert run["state"] == "cancelled"
    assert run["dropped"] == {"de": "its conditions or options changed"}
    await work.run_all()
    assert await members(work, "de") == []


async def test_new_conditions_leave_runs_that_do_not_read_them_alone(work: Driver) -> None:
    await put(work, "de", DE, exclude=True)
    await register(work, "DE", "1")
    done = await check(work, "de")
    undo = await work.command("undo-run", run_id=done["run_id"])
    many = [f"m{number:04}" for number in range(1_001)]
    added = await work.command("add-members", group="de", clients=many)
    await put(work, "de", condition("country", value="FR"), exclude=True)
    await work.run_all()
    for run_id in (undo["run_id"], added["run_id"]):
        assert (await told(work, run_id))["state"] == "done"
    assert await members(work, "de") == many


async def test_a_group_that_is_deleted_drops_out_of_a_held_run(work: Driver) -> None:
    await put(work, "de", DE, exclude=True, hold_leaves_over={"percent": 0, "count": 0})
    await register(work, "DE", "1")
    await check(work, "de")
    await move(work, "FR", "1")
    run = await check(work, "de")
    assert run["state"] == "held"
    await work.command("delete-group", group="de")
    run = await told(work, run["run_id"])
    assert (run["state"], run["dropped"]) == ("cancelled", {"de": "it was deleted"})


async def test_one_check_of_a_group_at_a_time(work: Driver) -> None:
    await put(work, "de", DE)
    answer = await work.command("start-check", group="de")
    again = await work.command("start-check", group="de")
    assert [each["code"] for each in again["errors"]] == ["run_going"]
    assert answer["run_id"] in again["errors"][0]["message"]
    await work.command("cancel-run", run_id=answer["run_id"])
    assert (await work.command("start-check", group="de"))["status"] == "accepted"


async def test_a_group_without_conditions_is_never_changed(work: Driver) -> None:
    await put(work, "plain", exclude=True)
    await register(work, "DE", "1")
    await work.command("add-members", group="plain", clients=["1"])
    answer = await work.command("start-check", group="plain")
    assert [each["code"] for each in answer["warnings"]] == ["no_conditions"]
    await work.run_all()
    assert await members(work, "plain") == ["1"]


async def test_unknown_neither_joins_nor_leaves(work: Driver) -> None:
    await put(work, "by-ip", condition("geoip_country", value="DE"), exclude=True)
    await register(work, "DE", "1", "2")
    await work.command("add-members", group="by-ip", clients=["1"])
    run = await check(work, "by-ip")
    assert (run["checked"], run["joined"], run["left"]) == (2, 0, 0)


async def test_undo_puts_back_but_leaves_what_somebody_changed_since(work: Driver) -> None:
    await put(work, "de", DE, exclude=True, keep_manual=False)
    await register(work, "DE", "in-1", "in-2", "in-3", "in-4")
    await register(work, "FR", "out-1", "out-2", "out-3")
    await work.command("add-members", group="de", clients=["out-1", "out-2", "out-3"])
    done = await check(work, "de")
    assert (done["joined"], done["left"]) == (4, 3)
    await work.command("remove-members", group="de", clients=["in-1"])
    await work.command("add-members", group="de", clients=["in-2", "out-1"])
    await work.command("pin", group="de", clients=["out-2"], hold="out")
    answer = await work.command("undo-run", run_id=done["run_id"], actor="bob", reason="a mistake")
    assert answer["status"] == "accepted"
    await work.run_all()
    undo = await told(work, answer["run_id"])
    assert (undo["kind"], undo["state"], undo["groups"]) == ("undo", "done", ["de"])
    assert (undo["joined"], undo["left"]) == (1, 2)
    assert undo["skipped"] == {"changed_since": 3, "pinned": 1}
    assert await members(work, "de") == ["in-2", "out-1", "out-3"]
    assert (await work.groups("out-3")) == {"de": "manual"}
    assert (await work.changes("out-3"))[-1] == "3 joined de (manual, undo)"
    # And an undoing can be undone.
    answer = await work.command("undo-run", run_id=undo["run_id"])
    await work.run_all()
    assert await members(work, "de") == ["in-2", "in-3", "in-4", "out-1"]


async def test_undo_waits_for_the_end_and_names_what_is_not_there(work: Driver) -> None:
    await put(work, "de", DE)
    await register(work, "DE", "1")
    answer = await work.command("start-check", group="de")
    refused = await work.command("undo-run", run_id=answer["run_id"])
    assert [each["code"] for each in refused["errors"]] == ["wrong_state"]
    refused = await work.command("undo-run", run_id="nothing")
    assert [(each["code"], each["path"]) for each in refused["errors"]] == [("unknown_run", "run_id")]
    await work.run_all()
    await work.command("delete-group", group="de")
    await put(work, "other", DE)
    undo = await work.command("undo-run", run_id=answer["run_id"])
    await work.run_all()
    assert (await told(work, undo["run_id"]))["skipped"] == {"no_group": 1}


async def test_a_long_run_goes_in_chunks_and_cancelling_keeps_what_is_done(work: Driver) -> None:
    many = [f"m{number:04}" for number in range(1_100)]
    await register(work, "DE", *many)
    await put(work, "de", DE)
    answer = await work.command("start-check", group="de")
    assert await work.runner.step()  # the plan
    assert await work.runner.step()
    assert len(await members(work, "de")) == 500
    await register(work, "DE", "later")
    await work.command("cancel-run", run_id=answer["run_id"])
    assert await work.run_all() == 0
    run = await told(work, answer["run_id"])
    assert (run["state"], run["total"], run["checked"], run["joined"]) == ("cancelled", 1_100, 500, 500)
    run = await check(work, "de")
    assert (run["checked"], run["joined"]) == (1_101, 601)


async def clear(work: Driver, limit: int = 2) -> tuple[int, int, bool]:
    """Chunks and leaves that are left then, and whether it is known of all ended runs that there are none."""
    async with work.pool.acquire() as connection, connection.transaction():
        await runs.clear(connection, limit)
    ((chunks,),) = await work.fetch("SELECT count(*) FROM run_chunks")
    ((leaves,),) = await work.fetch("SELECT count(*) FROM run_leaves")
    ((cleared,),) = await work.fetch("SELECT bool_and(cleared) FROM runs WHERE finished_at IS NOT NULL")
    return chunks, leaves, cleared


async def test_what_is_left_of_a_run_that_is_over_is_deleted_bit_by_bit(work: Driver) -> None:
    await put(work, "de", DE, exclude=True, hold_leaves_over={"percent": 0, "count": 0})
    await register(work, "DE", "1", "2", "3")
    await check(work, "de")
    await move(work, "FR", "1", "2", "3")
    held = await check(work, "de")
    assert await clear(work) == (0, 3, True)
    await work.command("cancel-run", run_id=held["run_id"])
    assert [await clear(work) for _ in range(4)] == [(0, 1, False), (0, 0, False), (0, 0, True), (0, 0, True)]


async def test_a_chunk_that_somebody_holds_is_deleted_later(work: Driver) -> None:
    await put(work, "de", DE)
    await register(work, "DE", "1")
    answer = await work.command("start-check", group="de")
    await work.runner.step()  # the plan
    async with work.pool.acquire() as other, other.transaction():
        assert await runs.claim(other, ["forced"])
        await work.command("cancel-run", run_id=answer["run_id"])
        assert await clear(work) == (1, 0, False)
    assert await clear(work) == (0, 0, True)


async def test_a_chunk_that_is_under_way_when_its_run_is_cancelled_does_nothing(
    work: Driver, database_url: str
) -> None:
    await register(work, "DE", "1")
    await put(work, "de", DE)
    answer = await work.command("start-check", group="de")
    assert await work.runner.step()  # the plan
    other = await asyncpg.connect(database_url)
    try:
        async with other.transaction():
            await other.execute("SELECT FROM clients WHERE client_id = '1' FOR UPDATE")
            chunk = asyncio.create_task(work.runner.step())
            await waits_for_a_lock(other)
            await work.command("cancel-run", run_id=answer["run_id"])
        assert await chunk
    finally:
        await other.close()
    assert await work.run_all() == 0
    run = await told(work, answer["run_id"])
    assert (run["state"], run["checked"], run["joined"]) == ("cancelled", 0, 0)
    assert await members(work, "de") == []


async def waits_for_a_lock(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Until somebody waits for another in this database."""
    query = (
        "SELECT true FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(20):
        while not await connection.fetchval(query):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_two_workers_share_a_run(
    work: Driver, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.runs.RANGE", 100)
    many = [f"m{number:04}" for number in range(900)]
    await register(work, "DE", *many)
    await put(work, "de", DE)
    async with driver(database_url) as other:
        other.now = work.now
        answer = await work.command("start-check", group="de")
        assert await work.runner.step()  # the plan
        shares = await asyncio.gather(work.run_all(), other.run_all())
        run = await told(work, answer["run_id"])
    assert (run["state"], run["checked"], run["joined"]) == ("done", 900, 900)
    assert min(shares) > 0
    assert sum(shares) >= 9
