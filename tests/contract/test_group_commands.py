"""contracts.md, *Commands*: change-group and delete-group."""

from typing import Any

import pytest

from events.commands import ChangeGroup, DeleteGroup, InvalidChange, PutGroup
from events.groups import Group
from tests.contract.commands import read, refused, wrong

BEFORE = Group.model_validate(
    {
        "group": "vip",
        "name": "Our best",
        "description": "by turnover",
        "currency_rates": {"EUR/USD": "1.08"},
        "allow_service_suspension": True,
        "allow_service_deletion": True,
        "ignore_service_limit": True,
        "auto_assignment": {
            "upon_registration": True,
            "upon_change": False,
            "periodic": True,
            "schedule": "0 3 * * *",
            "timezone": "Europe/Berlin",
            "exclude": True,
            "keep_manual": True,
            "hold_leaves_over": {"percent": 5, "count": 7},
        },
        "conditions": [{"condition_group": 1, "type": "country", "comparison": "equals", "value": "DE"}],
    }
)
TEXT = BEFORE.model_dump()


def change(**fields: Any) -> ChangeGroup:
    command = read({"command": "change-group", "group": "vip"} | fields)
    assert isinstance(command, ChangeGroup)
    return command


def changed(**fields: Any) -> Group:
    return change(**fields).applied_to(BEFORE)


def differences(now: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in now.items() if value != before[name]}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"actor": "anna", "reason": "why not", "if_version": 3, "id": 7},
        {"auto_assignment": {}},
        {"auto_assignment": {"hold_leaves_over": {}}},
        {"name": "Our best", "auto_assignment": {"exclude": True}},
        TEXT,
    ],
)
def test_a_change_that_changes_nothing(fields: dict[str, Any]) -> None:
    result = changed(**fields)
    assert type(result) is Group
    assert result == BEFORE


@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [
        ("name", "Best", "Best"),
        ("description", "new", "new"),
        ("description", None, ""),
        ("description", "", ""),
        ("currency_rates", {"eur/gbp": 0.90}, {"EUR/GBP": "0.9"}),
        ("currency_rates", {}, {}),
        ("currency_rates", None, {}),
        ("allow_service_suspension", False, False),
        ("allow_service_deletion", None, False),
        ("ignore_service_limit", "", False),
        ("conditions", [], []),
        ("conditions", None, []),
        (
            "conditions",
            [{"condition_group": 2, "type": "Provider", "comparison": "one_of", "value": [1]}],
            [{"condition_group": 2, "type": "provider", "comparison": "one_of", "value": ["1"]}],
        ),
    ],
)
def test_one_field(field: str, given: object, kept: object) -> None:
    result = changed(**{field: given})
    assert differences(result.model_dump(), TEXT) == {field: kept}
    assert Group.model_validate(result.model_dump()) == result


@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [
        ("upon_registration", False, False),
        ("upon_registration", None, False),
        ("upon_change", True, True),
        ("upon_change", None, None),
        ("periodic", False, False),
        ("schedule", "0  4 * * *", "0 4 * * *"),
        ("timezone", "Asia/Tokyo", "Asia/Tokyo"),
        ("timezone", None, "UTC"),
        ("exclude", False, False),
        ("keep_manual", "", False),
        ("hold_leaves_over", None, None),
        ("hold_leaves_over", "", None),
        ("hold_leaves_over", {"percent": 6}, {"percent": 6, "count": 7}),
        ("hold_leaves_over", {"count": 8}, {"percent": 5, "count": 8}),
        ("hold_leaves_over", {"percent": None, "count": ""}, {"percent": 10, "count": 100}),
    ],
)
def test_auto_assignment_is_changed_field_by_field(field: str, given: object, kept: object) -> None:
    result = changed(auto_assignment={field: given}).model_dump()
    assert differences(result, TEXT).keys() == {"auto_assignment"}
    assert differences(result["auto_assignment"], TEXT["auto_assignment"]) == {field: kept}


@pytest.mark.parametrize("none", [None, ""])
def test_no_auto_assignment_is_all_of_it_as_by_default(none: str | None) -> None:
    plain = Group.model_validate({"group": "vip", "name": "x"})
    assert changed(auto_assignment=none).auto_assignment == plain.auto_assignment


def test_runs_that_were_never_held() -> None:
    never = changed(auto_assignment={"hold_leaves_over": None})
    again = change(auto_assignment={"hold_leaves_over": {"percent": 1}}).applied_to(never)
    assert again.model_dump()["auto_assignment"]["hold_leaves_over"] == {"percent": 1, "count": 100}


def test_what_was_put_is_changed_as_a_group() -> None:
    put = read({"command": "put-group", **TEXT, "actor": "anna"})
    assert isinstance(put, PutGroup)
    result = change(name="Best").applied_to(put)
    assert type(result) is Group
    assert result == changed(name="Best")


@pytest.mark.parametrize("none", [None, ""])
def test_a_schedule_is_needed_while_periodic_is_on(none: str | None) -> None:
    with pytest.raises(InvalidChange, match=r"auto_assignment\.schedule: is required") as caught:
        changed(auto_assignment={"schedule": none})
    (error,) = caught.value.errors
    assert (error.code, error.path) == ("missing", "auto_assignment.schedule")
    off = changed(auto_assignment={"schedule": none, "periodic": False})
    with pytest.raises(InvalidChange):
        change(auto_assignment={"periodic": True}).applied_to(off)
    on = change(auto_assignment={"periodic": True, "schedule": "0 3 * * *"}).applied_to(off)
    assert on == BEFORE


def test_all_that_is_wrong_as_a_whole_is_said() -> None:
    abolished = BEFORE.auto_assignment.model_copy(update={"timezone": "Mars/Olympus"})
    before = BEFORE.model_copy(update={"auto_assignment": abolished})
    with pytest.raises(InvalidChange) as caught:
        change(auto_assignment={"schedule": None}).applied_to(before)
    assert [error.path for error in caught.value.errors] == [
        "auto_assignment.schedule",
        "auto_assignment.timezone",
    ]
    # ... but a time zone that was abolished since does not stand in the way of another name.
    assert change(name="Best").applied_to(before).name == "Best"


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"group": None}, {"group": "id"}),
        ({"name": None}, {"name": "wrong_type"}),
        ({"name": " "}, {"name": "blank"}),
        ({"name": "x" * 256}, {"name": "too_long"}),
        ({"description": 5}, {"description": "wrong_type"}),
        ({"currency_rates": {"EUR/XXY": "1"}}, {"currency_rates": "currency"}),
        ({"allow_service_suspension": "yes"}, {"allow_service_suspension": "wrong_type"}),
        ({"allow_service_deletion": 1}, {"allow_service_deletion": "wrong_type"}),
        ({"ignore_service_limit": []}, {"ignore_service_limit": "wrong_type"}),
        ({"auto_assignment": []}, {"auto_assignment": "wrong_type"}),
        ({"conditions": {}}, {"conditions": "wrong_type"}),
        ({"if_version": -1}, {"if_version": "out_of_range"}),
        ({"if_version": "1"}, {"if_version": "wrong_type"}),
        (
            {
                "group": True,
                "name": "",
                "auto_assignment": {
                    "schedule": "x",
                    "timezone": "Berlin",
                    "periodic": "on",
                    "hold_leaves_over": {"percent": 101, "count": 1.5},
                },
                "conditions": [{"condition_group": 0, "type": "contry", "comparison": "eqals"}],
            },
            {
                "group": "id",
                "name": "blank",
                "auto_assignment.schedule": "schedule",
                "auto_assignment.timezone": "timezone",
                "auto_assignment.periodic": "wrong_type",
                "auto_assignment.hold_leaves_over.percent": "out_of_range",
                "auto_assignment.hold_leaves_over.count": "wrong_type",
                "conditions[0].condition_group": "out_of_range",
                "conditions[0].type": "unknown_type",
                "conditions[0].comparison": "unknown_comparison",
            },
        ),
    ],
)
def test_a_malformed_change(fields: dict[str, Any], errors: dict[str, str]) -> None:
    assert wrong({"command": "change-group", "group": "vip"} | fields) == errors


def test_misspelt_fields_of_a_change_are_warned_of() -> None:
    command = change(
        descripton="x",
        auto_assignment={"excude": True, "hold_leaves_over": {"cuont": 1}},
        conditions=[
            {"condition_group": 1, "type": "country", "comparison": "equals", "value": "DE", "vlue": 1}
        ],
    )
    assert [warning.path for warning in command.warnings] == [
        "descripton",
        "auto_assignment.excude",
        "auto_assignment.hold_leaves_over.cuont",
        "conditions[0].vlue",
    ]
    messages = " ".join(warning.message for warning in command.warnings)
    for meant in ("description", "exclude", "count", "value"):
        assert f"did you mean {meant}?" in messages


def test_the_readable_conditions_of_a_malformed_change_are_given() -> None:
    error = refused({"command": "change-group", "group": "vip", "name": 5, "conditions": TEXT["conditions"]})
    assert [place for place, _ in error.conditions] == [0]


@pytest.mark.parametrize(("force", "forced"), [(True, True), (False, False), (None, False), ("", False)])
def test_delete_group(force: object, forced: bool) -> None:
    command = read({"command": "delete-group", "group": 7, "force": force})
    assert isinstance(command, DeleteGroup)
    assert (command.group, command.force) == ("7", forced)


def test_a_malformed_deletion() -> None:
    given = {"command": "delete-group", "group": "", "force": "yes", "reason": 5}
    assert wrong(given) == {"group": "id", "force": "wrong_type", "reason": "text"}
    assert not read({"command": "delete-group", "group": "vip"}).model_dump()["force"]
