"""No GeoIP database: nobody joins or leaves for it; what is owed is done when one is there (mission B5)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.driver import COUNTRIES, Driver, condition
from tests.support.evidence import assert_history_is_explained

DE = condition("geoip_country", value="DE")
GERMAN, FRENCH = "192.0.2.7", "198.51.100.7"
MOMENTS: dict[str, Any] = {"upon_registration": True, "upon_change": True, "exclude": True}


@pytest.fixture
async def work(work: Driver) -> AsyncIterator[Driver]:
    yield work
    await assert_history_is_explained(work.pool)


async def put(work: Driver, group: str, **auto_assignment: Any) -> None:
    answer = await work.command(
        "put-group", group=group, name=group, auto_assignment=auto_assignment, conditions=[DE]
    )
    assert answer["status"] == "done", answer


async def register(work: Driver, client_id: str, ip: str | None) -> None:
    at = work.now.isoformat()
    await work.publish("client-registered", client_id=client_id, registered_at=at, ip=ip)


async def owed(work: Driver) -> list[tuple[Any, ...]]:
    return await work.fetch("SELECT client_id, group_id, moment FROM owed_checks ORDER BY 1, 2")


async def readable_again(work: Driver) -> dict[str, Any] | None:
    """Let a database be there; answers what was told last of the run that does what is owed."""
    work.geoip.readable = True
    await work.geoip_watch.look()
    await work.run_all()
    told = [each for each in await work.sent("assignment-runs") if each["kind"] == "owed"]
    return told[-1] if told else None


async def test_a_registration_is_checked_later_as_a_registration(work: Driver) -> None:
    work.geoip.readable = False
    await put(work, "once", upon_registration=True, upon_change=False)
    await put(work, "never", periodic=False)
    await register(work, "1", GERMAN)
    await register(work, "2", FRENCH)
    await register(work, "3", None)
    assert await owed(work) == [("1", "once", "registration"), ("2", "once", "registration")]
    await work.geoip_watch.look()
    assert await work.run_all() == 0
    run = await readable_again(work)
    assert run is not None
    assert (run["state"], run["groups"], run["total"], run["joined"], run["left"]) == (
        "done",
        ["once"],
        2,
        1,
        0,
    )
    assert await work.changes("1") == ["1 joined once (rule, registration)"]
    assert await owed(work) == []
    await work.geoip_watch.look()
    assert await work.run_all() == 0


async def test_a_change_may_take_out_and_only_under_the_guard(work: Driver) -> None:
    await put(work, "de", **MOMENTS, hold_leaves_over={"percent": 0, "count": 0})
    await register(work, "1", GERMAN)
    work.geoip.readable = False
    await work.publish("client-changed", client_id="1", changed_at=work.at(60), ip=FRENCH)
    assert await work.groups("1") == {"de": "rule"}
    assert await owed(work) == [("1", "de", "change")]
    run = await readable_again(work)
    assert run is not None
    assert (run["state"], run["to_leave"]) == ("held", 1)
    await work.command("approve-run", run_id=run["run_id"])
    await work.run_all()
    assert (await work.changes("1"))[-1] == "2 left de (rule, change)"


async def test_a_check_of_all_clients_owes_what_it_could_not_decide(work: Driver) -> None:
    work.geoip.readable = False
    await register(work, "1", GERMAN)
    await put(work, "de", exclude=True)
    await work.command("start-check", group="de")
    await work.run_all()
    assert await owed(work) == [("1", "de", "forced")]
    run = await readable_again(work)
    assert run is not None
    assert run["joined"] == 1
    assert await work.changes("1") == ["1 joined de (rule, forced)"]


async def test_nothing_is_owed_of_other_conditions_and_by_hand_stands_above(work: Driver) -> None:
    work.geoip.readable = False
    await put(work, "a", **MOMENTS)
    await put(work, "b", **MOMENTS)
    await put(work, "c", **MOMENTS)
    for client_id in ("1", "2"):
        await register(work, client_id, GERMAN)
    await work.command("remove-members", group="a", clients=["1"])
    await work.command("put-group", group="b", name="b", conditions=[condition("country", value="FR")])
    await work.publish("client-deleted", client_id="2", deleted_at=work.now.isoformat())
    assert await owed(work) == [("1", "c", "registration")]
    await work.command("delete-group", group="c")
    assert await owed(work) == []


async def test_addresses_that_were_not_looked_up_are(work: Driver) -> None:
    work.geoip.readable = False
    await work.publish("client-changed", client_id="1", changed_at=work.at(0), ip=GERMAN)
    run = await readable_again(work)
    assert run is not None
    assert run["total"] == 1
    assert await work.fetch("SELECT geoip_country FROM clients") == [("DE",)]
    await put(work, "de", **MOMENTS)
    await work.publish("client-registered", client_id="1", registered_at=work.at(1))
    assert await work.groups("1") == {"de": "rule"}


async def test_refresh_geoip_moves_those_whose_country_is_another(
    work: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(work, "de", **MOMENTS)
    await put(work, "unmoved", upon_registration=True, upon_change=False)
    await register(work, "1", GERMAN)
    await register(work, "2", FRENCH)
    monkeypatch.setitem(COUNTRIES, "192.0.2", "NL")
    monkeypatch.setitem(COUNTRIES, "198.51.100", "DE")
    assert await work.groups("1") == {"de": "rule", "unmoved": "rule"}
    answer = await work.command("refresh-geoip", actor="ann")
    assert answer["status"] == "accepted"
    again = await work.command("refresh-geoip")
    assert [each["code"] for each in again["errors"]] == ["run_going"]
    await work.run_all()
    assert (await work.groups("1"), await work.groups("2")) == ({"unmoved": "rule"}, {"de": "rule"})
    assert (await work.changes("1"))[-1] == "3 left de (rule, change)"
    (*_, run) = await work.sent("assignment-runs")
    assert (run["kind"], run["state"], run["joined"], run["left"]) == ("geoip", "done", 1, 1)


async def test_a_worker_without_a_database_leaves_such_runs_to_others(work: Driver) -> None:
    await register(work, "1", GERMAN)
    answer = await work.command("refresh-geoip")
    work.geoip.readable = False
    await work.run_all()
    assert await work.fetch("SELECT state FROM runs WHERE run_id = $1", answer["run_id"]) == [("running",)]
    work.geoip.readable = True
    await work.run_all()
    assert await work.fetch("SELECT state FROM runs WHERE run_id = $1", answer["run_id"]) == [("done",)]
