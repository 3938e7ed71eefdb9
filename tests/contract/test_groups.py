"""contracts.md, *All fields of a group*, and conditions: defaults, spellings, what is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from events import written
from events.groups import Group
from events.problems import problems

MINIMAL: dict[str, Any] = {"group": "vip", "name": "Our best"}


def group(**fields: Any) -> Group:
    return Group.model_validate(MINIMAL | fields)


def automatic(**fields: Any) -> Any:
    return group(auto_assignment=fields).auto_assignment


def condition(**fields: Any) -> Any:
    base = {"condition_group": 1, "type": "country", "comparison": "equals", "value": "DE"}
    return group(conditions=[base | fields]).conditions[0]


def refused(**fields: Any) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        group(**fields)
    return [(problem.path, problem.code) for problem in problems(caught.value)]


def test_switches_are_off_by_default() -> None:
    plain = group()
    off = ("allow_service_suspension", "allow_service_deletion", "ignore_service_limit")
    assert [getattr(plain, name) for name in off] == [False] * 3
    switches = plain.auto_assignment
    also_off = ("upon_registration", "periodic", "exclude", "keep_manual")
    assert [getattr(switches, name) for name in also_off] == [False] * 4
    assert not switches.checks_upon_change
    assert (switches.schedule, switches.timezone) == (None, "UTC")
    assert switches.hold_leaves_over is not None
    assert (switches.hold_leaves_over.percent, switches.hold_leaves_over.count) == (10, 100)
    assert (plain.description, plain.currency_rates, plain.conditions) == ("", {}, [])


@pytest.mark.parametrize("none", [None, ""])
def test_null_and_empty_say_none(none: str | None) -> None:
    optional = Group.model_fields.keys() - {"group", "name"}
    assert group(**dict.fromkeys(optional, none)) == group()
    switches = (
        "upon_registration",
        "upon_change",
        "periodic",
        "schedule",
        "timezone",
        "exclude",
        "keep_manual",
    )
    assert automatic(**dict.fromkeys(switches, none)) == group().auto_assignment


@pytest.mark.parametrize(
    ("given", "checks"),
    [
        ({}, False),
        ({"upon_registration": True}, True),
        ({"periodic": True, "schedule": "0 3 * * *"}, True),
        ({"upon_registration": True, "upon_change": False}, False),
        ({"upon_change": True}, True),
    ],
)
def test_upon_change_is_on_where_another_automatic_check_is(given: dict[str, Any], checks: bool) -> None:
    assert automatic(**given).checks_upon_change is checks


def test_a_run_is_never_held_where_null_says_so() -> None:
    assert automatic(hold_leaves_over=None).hold_leaves_over is None
    held = automatic(hold_leaves_over={"percent": 2.5}).hold_leaves_over
    assert (held.percent, held.count) == (2.5, 100)
    assert automatic(hold_leaves_over="").hold_leaves_over is None
    assert automatic(hold_leaves_over={"percent": None, "count": ""}) == group().auto_assignment


@pytest.mark.parametrize(
    "schedule", ["0 3 * * *", "*/5 8-18 * * mon-fri", "0 0 29 2 *", "0  0 1 * *", "0 0 L * *"]
)
def test_schedules(schedule: str) -> None:
    assert automatic(periodic=True, schedule=schedule).schedule == " ".join(schedule.split())


@pytest.mark.parametrize(
    "schedule",
    [
        "x",
        "@daily",
        "0 3 * *",
        "0 0 3 * * *",
        "60 * * * *",
        "* 24 * * *",
        "0 0 30 2 *",
        "0 0 * * 8",
        "* * * * \0",
        5,
    ],
)
def test_what_is_no_schedule(schedule: object) -> None:
    code = "wrong_type" if schedule == 5 else "schedule"
    assert refused(auto_assignment={"schedule": schedule}) == [("auto_assignment.schedule", code)]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "America/Argentina/Ushuaia", "Etc/GMT-14"])
def test_time_zones(zone: str) -> None:
    assert automatic(timezone=zone).timezone == zone


@pytest.mark.parametrize(
    "zone", ["Europe", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "+02:00", "x" * 9999]
)
def test_what_is_no_time_zone(zone: str) -> None:
    assert refused(auto_assignment={"timezone": zone}) == [("auto_assignment.timezone", "timezone")]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ('{"EUR/USD":"1.08"}', {"EUR/USD": "1.08"}),
        ('{"eur/usd":"1.080"}', {"EUR/USD": "1.080"}),
        ('{"EUR/USD":1.10}', {"EUR/USD": "1.10"}),
        ('{"EUR/JPY":165}', {"EUR/JPY": "165"}),
        ('{"EUR/USD":0.00000000000000000001}', {"EUR/USD": "0.00000000000000000001"}),
        (
            '{"EUR/USD":12345678901234567890.12345678901234567890}',
            {"EUR/USD": "12345678901234567890.12345678901234567890"},
        ),
    ],
)
def test_rates_are_exact(given: str, kept: dict[str, str]) -> None:
    assert group(currency_rates=written.loads(given)).currency_rates == kept


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"EUR": "1"}, "currency"),
        ({"EUR/EUR": "1"}, "currency"),
        ({"EUR/XXY": "1"}, "currency"),
        ({"EUR/USD/GBP": "1"}, "currency"),
        ({"EUR/USD": "1", "eur/usd": "2"}, "currency"),
        ({"EUR/USD": "0"}, "rate"),
        ({"EUR/USD": "0.00"}, "rate"),
        ({"EUR/USD": "-1"}, "rate"),
        ({"EUR/USD": "+1"}, "rate"),
        ({"EUR/USD": "1e3"}, "rate"),
        ({"EUR/USD": "1,08"}, "rate"),
        ({"EUR/USD": "1."}, "rate"),
        ({"EUR/USD": ".5"}, "rate"),
        ({"EUR/USD": "١"}, "rate"),
        ({"EUR/USD": ""}, "rate"),
        ({"EUR/USD": None}, "rate"),
        ({"EUR/USD": True}, "rate"),
        ({"EUR/USD": "9" * 21}, "rate"),
        ([], "wrong_type"),
    ],
)
def test_what_is_no_rate(given: object, code: str) -> None:
    assert refused(currency_rates=given) == [("currency_rates", code)]


@pytest.mark.parametrize("name", [None, "", " \t", "x" * 256, 5, ["x"]])
def test_a_group_has_a_name(name: object) -> None:
    assert [path for path, _ in refused(name=name)] == ["name"]


@pytest.mark.parametrize(
    "switch", ["allow_service_suspension", "allow_service_deletion", "ignore_service_limit"]
)
@pytest.mark.parametrize("given", ["true", 1, "on", []])
def test_a_switch_is_true_or_false(switch: str, given: object) -> None:
    assert refused(**{switch: given}) == [(switch, "wrong_type")]


# ---- conditions
@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("country", "de", "DE"),
        ("country", ["de", "FR", "DE"], ["DE", "FR"]),
        ("geoip_country", "xk", "XK"),
        ("payer_status", "Legal_Entity", "legal_entity"),
        ("provider", 7, "7"),
        ("provider", [7, "8"], ["7", "8"]),
        ("authorization_method", "Google", "google"),
        ("verification_status", "PASSED", "passed"),
        ("verification_method", ["Email", "phone"], ["email", "phone"]),
        ("Country", "de", "DE"),
        ("country", None, None),
        ("country", "", None),
        ("request_parameter", "", ""),
        ("request_parameter", "As It Is", "As It Is"),
        ("request_parameter", True, "true"),
        ("request_parameter", written.loads("1.0"), "1.0"),
        ("request_parameter", written.loads("[1e3, 2, false]"), ["1e3", "2", "false"]),
    ],
)
def test_values_have_one_spelling(kind: str, given: object, kept: object) -> None:
    assert condition(type=kind, value=given).value == kept


@pytest.mark.parametrize(
    ("kind", "given", "code"),
    [
        ("country", "XX", "country"),
        ("country", 5, "country"),
        ("country", ["DE", None], "country"),
        ("payer_status", "company", "code"),
        ("payer_status", True, "wrong_type"),
        ("verification_status", "revoked", "code"),
        ("verification_method", "sms", "code"),
        ("provider", True, "id"),
        ("provider", 1.5, "id"),
        ("provider", {"id": 1}, "id"),
        ("authorization_method", "x" * 65, "code"),
        ("request_parameter", {"a": 1}, "wrong_type"),
        ("request_parameter", [["a"]], "wrong_type"),
        ("request_parameter", "x" * 65_537, "too_long"),
        ("request_parameter", ["x"] * 10_001, "too_long"),
    ],
)
def test_what_is_no_value(kind: str, given: object, code: str) -> None:
    conditions = [{"condition_group": 1, "type": kind, "comparison": "equals", "value": given}]
    assert refused(conditions=conditions) == [("conditions[0].value", code)]


def test_braces_in_what_operators_type_are_shown_as_they_are() -> None:
    conditions = [{"condition_group": 1, "type": "{x}", "comparison": "{0}", "value": "{"}]
    assert refused(conditions=conditions) == [
        ("conditions[0].type", "unknown_type"),
        ("conditions[0].comparison", "unknown_comparison"),
    ]


@pytest.mark.parametrize("number", [0, -1, 10_000, 1.5, "1", True, None])
def test_condition_groups_are_numbered_from_one(number: object) -> None:
    conditions = [{"condition_group": number, "type": "country", "comparison": "equals", "value": "DE"}]
    assert [path for path, _ in refused(conditions=conditions)] == ["conditions[0].condition_group"]


def test_a_condition_is_written_without_what_it_does_not_say() -> None:
    assert condition().model_dump() == {
        "condition_group": 1,
        "type": "country",
        "comparison": "equals",
        "value": "DE",
    }
    inactive = condition(type="payer_status", value="individual", include_inactive=True)
    assert inactive.model_dump()["include_inactive"] is True
    assert condition(include_inactive=None).include_inactive is False


def test_what_was_written_is_read_again() -> None:
    full = group(
        description="x",
        currency_rates={"EUR/USD": "1.08"},
        allow_service_deletion=True,
        auto_assignment={
            "periodic": True,
            "schedule": "0 3 * * *",
            "hold_leaves_over": None,
            "exclude": True,
        },
        conditions=[
            {"condition_group": 2, "type": "request_parameter", "comparison": "is_set", "parameter": "a"},
            {"condition_group": 1, "type": "country", "comparison": "none_of", "value": ["DE"]},
        ],
    )
    assert Group.model_validate_json(full.model_dump_json()) == full
    assert Group.model_validate(full.model_dump()) == full
