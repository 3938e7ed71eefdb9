"""Pins (mission B6), as contracts.md has them under *Membership, exactly*."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.driver import Driver, condition

DE = condition("country", value="DE")
MOMENTS: dict[str, Any] = {"upon_registration": True, "upon_change": True, "exclude": True}


@pytest.fixture
async def work(work: Driver) -> Driver:
    """A group of those in Germany that takes out whoever leaves; client 1 is in it, 2 is not."""
    await work.command("put-group", group="de", name="DE", auto_assignment=MOMENTS, conditions=[DE])
    for client_id, country in (("1", "DE"), ("2", "FR")):
        await work.publish(
            "client-registered", client_id=client_id, registered_at=work.at(0), country=country
        )
    return work


async def move(work: Driver, client_id: str, country: str) -> None:
    at = work.now + timedelta(seconds=1)
    await work.publish("client-changed", client_id=client_id, changed_at=at.isoformat(), country=country)


async def pin(work: Driver, client_id: str, hold: str, **more: Any) -> dict[str, Any]:
    return await work.command("pin", group="de", clients=[client_id], hold=hold, **more)


async def unpin(work: Driver, client_id: str) -> dict[str, Any]:
    return await work.command("unpin", group="de", clients=[client_id])


async def test_held_in_against_the_rules_and_out_again_when_unpinned(work: Driver) -> None:
    answer = await pin(work, "2", "in", actor="ann", reason="a promise")
    assert answer["result"] == {"changed": 1, "pins": 1}
    assert await work.groups("2") == {"de": "pin"}
    await move(work, "2", "DE")
    await move(work, "2", "FR")
    assert await work.changes("2") == ["1 joined de (pin, pin)"]
    assert (await unpin(work, "2"))["result"] == {"changed": 1, "pins": 1}
    assert await work.changes("2") == ["1 joined de (pin, pin)", "2 left de (pin, pin)"]


async def test_held_out_and_back_by_the_rules(work: Driver) -> None:
    await pin(work, "1", "out")
    assert await work.groups("1") == {}
    await move(work, "1", "FR")
    await move(work, "1", "DE")
    assert await work.groups("1") == {}
    await unpin(work, "1")
    assert await work.groups("1") == {"de": "rule"}
    assert (await work.changes("1"))[1:] == ["2 left de (rule, pin)", "3 joined de (rule, pin)"]
    ((since, source_at, cause),) = await work.fetch("SELECT since, source_at, cause FROM memberships")
    assert since == source_at == work.now
    assert cause == "group-commands/0/2"


async def test_a_member_by_rule_pinned_in_keeps_the_time_of_joining_and_its_version(work: Driver) -> None:
    ((joined,),) = await work.fetch("SELECT since FROM memberships")
    await pin(work, "1", "in")
    assert await work.groups("1") == {"de": "pin"}
    assert await work.snapshots() == ["1"]
    await unpin(work, "1")
    assert await work.groups("1") == {"de": "rule"}
    assert await work.snapshots() == ["1", "1"]
    assert await work.changes("1") == ["1 joined de (rule, registration)"]
    ((since,),) = await work.fetch("SELECT since FROM memberships")
    assert since == joined


async def test_a_rule_member_pinned_in_that_stops_matching_leaves_when_unpinned(work: Driver) -> None:
    await pin(work, "1", "in")
    await move(work, "1", "FR")
    assert await work.groups("1") == {"de": "pin"}
    await unpin(work, "1")
    assert await work.groups("1") == {}


async def test_a_membership_by_hand_beneath_returns(work: Driver) -> None:
    await work.command("add-members", group="de", clients=["2"], actor="ann")
    await pin(work, "2", "out", actor="bob")
    assert await work.groups("2") == {}
    await unpin(work, "2")
    assert await work.groups("2") == {"de": "manual"}
    assert await work.fetch("SELECT actor FROM memberships WHERE client_id = '2'") == [("ann",)]


async def test_by_hand_skips_the_pinned_and_names_them(work: Driver) -> None:
    await pin(work, "1", "out")
    answer = await work.command("add-members", group="de", clients=["1", "2"])
    assert (answer["status"], answer["result"]) == ("done", {"changed": 1})
    assert [(each["code"], each["path"]) for each in answer["warnings"]] == [("pinned", "clients[0]")]
    answer = await work.command("remove-members", group="de", clients=["1"])
    assert answer["status"] == "rejected"
    assert [each["code"] for each in answer["errors"]] == ["pinned"]
    answer = await work.command("set-client-groups", client_id="1", groups={"de": True})
    assert [(each["code"], each["path"]) for each in answer["errors"]] == [("pinned", "groups.de")]


async def test_a_pin_takes_the_place_of_another(work: Driver) -> None:
    await pin(work, "1", "in", actor="ann")
    # Said again it is as of the later time: it outlives a deletion in between.
    assert (await pin(work, "1", "in", actor="ann"))["result"] == {"changed": 0, "pins": 1}
    assert (await pin(work, "1", "in", actor="bob"))["result"] == {"changed": 0, "pins": 1}
    assert (await pin(work, "1", "out"))["result"] == {"changed": 1, "pins": 1}
    assert await work.pins("1") == {"de": "out"}
    await unpin(work, "1")
    assert await work.groups("1") == {"de": "rule"}
    assert (await unpin(work, "1"))["result"] == {"changed": 0, "pins": 0}


async def test_what_expired_while_nothing_ran_takes_effect_once(work: Driver) -> None:
    until = work.now + timedelta(hours=1)
    await pin(work, "2", "in", expires_at=until.isoformat(), actor="ann", reason="a trial")
    await work.expire_pins()
    assert await work.groups("2") == {"de": "pin"}
    work.now = until
    await work.expire_pins()
    await work.expire_pins()
    assert await work.changes("2") == ["1 joined de (pin, pin)", "2 left de (pin, pin)"]
    rows = await work.fetch("SELECT actor, reason, cause FROM membership_history WHERE client_id = '2'")
    assert rows == [("ann", "a trial", "group-commands/0/1")] * 2


async def test_an_expiry_that_is_past_is_refused(work: Driver) -> None:
    answer = await pin(work, "2", "in", expires_at=work.at(-1))
    assert [(each["code"], each["path"]) for each in answer["errors"]] == [("expired", "expires_at")]


async def test_a_deleted_client_loses_its_pins_but_those_said_since(work: Driver) -> None:
    await pin(work, "2", "in")
    await work.publish("client-deleted", client_id="2", deleted_at=work.now.isoformat())
    assert (await work.groups("2"), await work.pins("2")) == ({}, {})
    assert (await work.changes("2"))[-1] == "2 left de (pin, client_deleted)"
    deleted_at = work.now
    await pin(work, "2", "in")
    await work.publish("client-deleted", client_id="2", deleted_at=deleted_at.isoformat())
    assert await work.groups("2") == {"de": "pin"}


async def test_a_client_deleted_and_registered_later_is_checked_beneath_its_pin(work: Driver) -> None:
    await pin(work, "1", "out")
    at = work.now + timedelta(minutes=1)
    await work.publish("client-registered", client_id="1", registered_at=at.isoformat(), country="DE")
    await work.publish("client-deleted", client_id="1", deleted_at=work.now.isoformat())
    assert await work.pins("1") == {}
    assert await work.groups("1") == {"de": "rule"}
    ((cause, source_at),) = await work.fetch("SELECT cause, source_at FROM memberships")
    assert (cause, source_at) == ("client-deleted/0/0", work.now)


async def test_a_client_that_is_not_registered_can_be_pinned(work: Driver) -> None:
    await pin(work, "9", "in")
    await pin(work, "8", "out")
    await work.publish("client-registered", client_id="8", registered_at=work.now.isoformat(), country="DE")
    assert (await work.groups("9"), await work.groups("8")) == ({"de": "pin"}, {})
    await unpin(work, "8")
    assert await work.groups("8") == {"de": "rule"}


async def test_unknown_leaves_what_is_beneath(work: Driver) -> None:
    geoip = condition("geoip_country", value="DE")
    await work.command("put-group", group="by-ip", name="By IP", auto_assignment=MOMENTS, conditions=[geoip])
    await work.publish("client-changed", client_id="1", changed_at=work.at(60), ip="192.0.2.7")
    assert await work.groups("1") == {"by-ip": "rule", "de": "rule"}
    work.geoip.readable = False
    await work.command("pin", group="by-ip", clients=["1", "2"], hold="in")
    await work.publish("client-changed", client_id="1", changed_at=work.at(61), ip="198.51.100.1")
    await work.command("unpin", group="by-ip", clients=["1", "2"])
    assert (await work.groups("1"), await work.groups("2")) == ({"by-ip": "rule", "de": "rule"}, {})
