"""Commands that make, change and delete groups, on a real database."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.driver import Driver, condition

DE = condition("country", value="DE")


def codes(answer: Mapping[str, Any], of: str = "errors") -> list[tuple[str, str]]:
    return [(each["code"], each["path"]) for each in answer[of]]


async def provider(work: Driver, provider_id: str, *methods: str, active: bool = True) -> None:
    at = work.now.isoformat()
    await work.publish(
        "provider-changed",
        provider_id=provider_id,
        changed_at=at,
        name=provider_id,
        active=active,
        authorization_methods=list(methods),
    )


async def test_change_group_leaves_what_is_missing(work: Driver) -> None:
    await work.command(
        "put-group",
        group="vip",
        name="VIP",
        currency_rates={"EUR/USD": "1.080"},
        auto_assignment={"upon_registration": True, "exclude": True},
        conditions=[DE],
    )
    answer = await work.command("change-group", group="vip", name="Very", actor="ann")
    assert (answer["status"], answer["result"]) == ("done", {"version": 2, "changed": True})
    assert answer.get("warnings", []) == []
    (*_, record) = await work.sent("client-groups")
    assert (record["name"], record["version"], record["updated_by"]) == ("Very", 2, "ann")
    assert record["currency_rates"] == {"EUR/USD": "1.080"}
    assert record["auto_assignment"]["upon_change"] is True
    assert record["auto_assignment"]["exclude"] is True
    assert [each["type"] for each in record["conditions"]] == ["country"]
    answer = await work.command("change-group", group="vip", name="Very")
    assert answer["result"] == {"version": 2, "changed": False}


async def test_a_switch_that_nobody_set_goes_on_following_the_others(work: Driver) -> None:
    await work.command("put-group", group="vip", name="VIP", auto_assignment={"upon_registration": True})
    await work.command("change-group", group="vip", auto_assignment={"upon_registration": False})
    (*_, record) = await work.sent("client-groups")
    assert record["auto_assignment"]["upon_change"] is False


async def test_change_group_says_what_is_wrong_as_a_whole(work: Driver) -> None:
    await work.command("put-group", group="vip", name="VIP")
    answer = await work.command("change-group", group="vip", auto_assignment={"periodic": True})
    assert codes(answer) == [("missing", "auto_assignment.schedule")]
    answer = await work.command("change-group", group="vop", name="VIP")
    assert codes(answer) == [("unknown_group", "group")]
    assert "vip" in answer["errors"][0]["message"]


@pytest.mark.parametrize(
    ("type_", "value", "code"),
    [("provider", "7", "inactive_provider"), ("authorization_method", "google", "method_not_offered")],
)
async def test_conditions_name_what_active_providers_offer(
    work: Driver, type_: str, value: str, code: str
) -> None:
    group = {
        "group": "g",
        "name": "G",
        "auto_assignment": {"upon_change": True},
        "conditions": [DE, condition(type_, "one_of", [value], group=2)],
    }
    await provider(work, "8", "phone")
    answer = await work.command("put-group", **group)
    assert codes(answer) == [(code, "conditions[1].value")]
    assert ("8" if type_ == "provider" else "phone") in answer["errors"][0]["message"]
    await provider(work, "7", "google")
    assert (await work.command("put-group", **group))["status"] == "done"
    # It becomes inactive: what names it stays, and only what is new is refused.
    await provider(work, "7", "google", active=False)
    answer = await work.command("put-group", **group | {"name": "H"})
    assert answer["status"] == "done"
    assert codes(answer, "warnings") == [(code, "conditions[1].value")]
    answer = await work.command("put-group", **group | {"group": "other"})
    assert codes(answer) == [(code, "conditions[1].value")]


async def test_if_version(work: Driver) -> None:
    assert (await work.command("put-group", group="g", name="G", if_version=0))["status"] == "done"
    answer = await work.command("put-group", group="g", name="H", if_version=0)
    assert codes(answer) == [("version_conflict", "if_version")]
    assert (await work.command("change-group", group="g", name="H", if_version=1))["status"] == "done"
    answer = await work.command("change-group", group="g", name="I", if_version=1)
    assert codes(answer) == [("version_conflict", "if_version")]


async def test_a_deleted_group_is_empty_when_made_again_and_its_version_goes_on(work: Driver) -> None:
    auto = {"upon_registration": True}
    await work.command("put-group", group="de", name="DE", auto_assignment=auto, conditions=[DE])
    for client_id in ("1", "2"):
        await work.publish("client-registered", client_id=client_id, registered_at=work.at(0), country="DE")
    await work.command("add-members", group="de", clients=["3"])
    await work.command("pin", group="de", clients=["2"], hold="out")
    answer = await work.command("delete-group", group="de", actor="ann", reason="closed")
    assert (answer["status"], answer["result"]) == ("done", {"left": 2})
    assert await work.changes("1") == [
        "1 joined de (rule, registration)",
        "2 left de (rule, group_deleted)",
    ]
    assert (await work.changes("2"))[1:] == ["2 left de (rule, pin)"]
    assert (await work.changes("3"))[1:] == ["2 left de (manual, group_deleted)"]
    assert await work.fetch(
        "SELECT actor, reason FROM membership_history WHERE version = 2 AND client_id = '1'"
    ) == [("ann", "closed")]
    assert await work.pins("2") == {}
    assert await work.fetch(
        "SELECT value FROM outgoing_records WHERE topic = 'client-groups' ORDER BY seq DESC LIMIT 1"
    ) == [(None,)]
    for command in ("delete-group", "change-group"):
        assert codes(await work.command(command, group="de")) == [("unknown_group", "group")]
    assert codes(await work.command("add-members", group="de", clients=["1"])) == [("unknown_group", "group")]
    answer = await work.command("put-group", group="de", name="DE", conditions=[DE], if_version=0)
    assert answer["result"] == {"version": 2, "changed": True}
    assert await work.fetch("SELECT * FROM memberships") == []
    assert await work.fetch("SELECT count(*) FROM conditions") == [(1,)]


async def test_a_used_group_is_deleted_only_by_force(work: Driver) -> None:
    await work.command("put-group", group="g", name="G")
    used = {"group": "g", "kind": "tariff", "ref_id": "7", "title": "Basic"}
    await work.publish("group-usage-changed", changed_at=work.at(0), **used)
    answer = await work.command("delete-group", group="g")
    assert codes(answer) == [("group_used", "group")]
    assert "tariff Basic" in answer["errors"][0]["message"]
    assert (await work.command("delete-group", group="g", force=True))["status"] == "done"
    # References stay, for groups that do not exist too; and nothing brings the deleted one's record back.
    before = await work.fetch("SELECT seq FROM outgoing_records WHERE topic = 'client-groups'")
    await work.publish("group-usage-changed", changed_at=work.at(1), **used | {"ref_id": "8"})
    assert await work.fetch("SELECT seq FROM outgoing_records WHERE topic = 'client-groups'") == before
    await work.command("put-group", group="g", name="G")
    (*_, (record,)) = await work.fetch(
        "SELECT value FROM outgoing_records WHERE topic = 'client-groups' ORDER BY seq"
    )
    assert b'"ref_id":"8"' in record


async def test_an_answer_to_a_command_that_comes_again(work: Driver) -> None:
    first = await work.command("put-group", id="once", group="g", name="G")
    await work.command("delete-group", group="g")
    again = await work.command("put-group", id="once", group="g", name="G")
    assert again == first
    assert codes(await work.command("change-group", group="g", name="H")) == [("unknown_group", "group")]
    # What was refused may succeed when it comes again.
    assert (await work.command("delete-group", id="later", group="g"))["status"] == "rejected"
    await work.command("put-group", group="g", name="G")
    assert (await work.command("delete-group", id="later", group="g"))["status"] == "done"
