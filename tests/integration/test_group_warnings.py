"""What lint finds, in the answers to commands and on the card of a group, on a real database."""

from collections.abc import Mapping
from typing import Any

from tests.support.asking import Asking
from tests.support.driver import Driver, condition
from tests.support.previewing import previewing

DE = condition("country", value="DE")
CHECKED = {"upon_change": True}


async def put(work: Driver, group: str, *conditions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    fields = {"name": group, "auto_assignment": CHECKED, "conditions": list(conditions), **fields}
    return await work.command("put-group", group=group, **fields)


def warned(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    assert answer["status"] == "done"
    found = [(each["code"], each["path"]) for each in answer["warnings"]]
    return [each for each in found if each[0] != "conditions_changed"]


async def test_an_impossible_group_is_stored_and_warned_of_each_time(work: Driver, asking: Asking) -> None:
    conditions = [DE, condition("country", value="FR", group=2)]
    expected = [("impossible", "conditions[1]")]
    assert warned(await put(work, "g", *conditions)) == expected
    again = await put(work, "g", *conditions)
    assert (again["result"]["changed"], warned(again)) == (False, expected)
    assert warned(await asking.ask("show-group", group="g")) == expected
    assert warned(await work.command("change-group", group="g", conditions=[DE])) == []
    assert warned(await asking.ask("show-group", group="g")) == []


async def test_moments_are_those_in_force(work: Driver) -> None:
    assert warned(await put(work, "g", DE, auto_assignment={})) == [("never_checked", "auto_assignment")]
    on = {"upon_registration": True, "exclude": True}
    assert warned(await work.command("change-group", group="g", auto_assignment=on)) == []
    answer = await work.command("change-group", group="g", auto_assignment={"upon_change": False})
    assert warned(answer) == [("exclude_never_applies", "auto_assignment.exclude")]
    periodic = {"periodic": True, "schedule": "0 3 * * *"}
    assert warned(await work.command("change-group", group="g", auto_assignment=periodic)) == []


async def test_a_withdrawn_country_can_be_named_by_groups_only(work: Driver, asking: Asking) -> None:
    expected = [("country_withdrawn", "conditions[0].value")]
    assert warned(await put(work, "g", condition("country", value="yu"))) == expected
    assert warned(await work.command("change-group", group="g", name="H")) == expected
    card = await asking.ask("show-group", group="g")
    assert warned(card) == expected
    assert card["result"]["conditions"][0]["value"] == "YU"
    await work.publish("client-registered", client_id="1", registered_at=work.at(0), country="YU")
    assert len(await work.fetch("SELECT 1 FROM outgoing_records WHERE topic = 'client-registered.dlt'")) == 1


async def test_groups_with_the_same_conditions_are_named(work: Driver, asking: Asking) -> None:
    legal = condition("payer_status", value="legal_entity", group=2)
    assert warned(await put(work, "a", DE, legal)) == []
    other = [condition("payer_status", "one_of", ["legal_entity"]), condition("country", value="de", group=7)]
    answer = await put(work, "b", *other)
    assert warned(answer) == [("same_conditions", "conditions")]
    assert "those of a." in next(
        each["message"] for each in answer["warnings"] if each["code"] == "same_conditions"
    )
    assert warned(await asking.ask("show-group", group="a")) == [("same_conditions", "conditions")]
    # Not with itself, nor with a group that was deleted or changed, nor for having none.
    await work.command("delete-group", group="b")
    assert warned(await put(work, "a", DE, legal)) == []
    await put(work, "c", DE, legal)
    await work.command("change-group", group="c", conditions=[DE])
    assert warned(await put(work, "a", DE, legal)) == []
    for group in ("none", "none-either"):
        assert warned(await put(work, group)) == []


async def test_a_preview_warns_of_what_put_group_would(work: Driver, database_url: str) -> None:
    await put(work, "a", DE)
    group = {"group": "b", "name": "B", "auto_assignment": CHECKED, "conditions": [DE, DE]}
    expected = [("duplicate_condition", "conditions[1]"), ("same_conditions", "conditions")]
    async with previewing(work, database_url) as preview:
        assert warned(await preview.ask(**group)) == expected
    assert warned(await work.command("put-group", **group)) == expected


async def test_many_groups_with_the_same_conditions_are_not_all_named(work: Driver) -> None:
    for number in range(8):
        answer = await put(work, f"g{number}", DE)
    (message,) = (each["message"] for each in answer["warnings"] if each["code"] == "same_conditions")
    assert message.endswith("those of g0, g1, g2, g3, g4 and others.")


async def test_what_cannot_be_stored_is_not_linted(work: Driver) -> None:
    answer = await put(work, "g", condition("request_parameter", "matches", "(", parameter="a"), DE)
    assert (answer["status"], answer["warnings"]) == ("rejected", [])
