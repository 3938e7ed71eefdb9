"""How the plain model evaluates conditions, in tables."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.model_conditions import Facts, verdict_of_group

PARAMETERS = {"n": "10", "t": "some text", "e": ""}


FACTS = Facts(
    country="DE",
    geoip_country="FR",
    provider="1",
    parameters=PARAMETERS,
    payers={"p": ("individual", True), "q": ("legal_entity", False)},
    passed=frozenset({"email", "phone"}),
)


@pytest.mark.parametrize(
    ("kind", "comparison", "value", "met"),
    [
        ("country", "equals", "de", True),
        ("country", "not_equals", "DE", False),
        ("country", "one_of", ["FR", "DE"], True),
        ("country", "none_of", ["FR", "US"], True),
        ("geoip_country", "equals", "FR", True),
        ("provider", "equals", "1", True),
        ("authorization_method", "equals", "google", False),
        ("authorization_method", "not_equals", "google", True),
        ("payer_status", "equals", "individual", True),
        ("payer_status", "equals", "legal_entity", False),
        ("payer_status", "not_equals", "individual", False),
        ("payer_status", "none_of", ["legal_entity"], True),
        ("verification_status", "equals", "passed", True),
        ("verification_status", "not_equals", "failed", True),
        ("verification_method", "equals", "phone", True),
        ("verification_method", "not_equals", "phone", False),
        ("verification_method", "one_of", ["manual"], False),
        ("n", "greater_than", "9", True),
        ("n", "less_than", "9", False),
        ("n", "greater_than", "x", False),
        ("t", "greater_than", "1", False),
        ("t", "contains", "me t", True),
        ("t", "contains", "ME", False),
        ("t", "not_contains", "me", False),
        ("t", "starts_with", "some", True),
        ("t", "ends_with", "text", True),
        ("t", "matches", "^s.+xt$", True),
        ("e", "is_set", None, True),
        ("absent", "is_set", None, False),
        ("absent", "is_not_set", None, True),
        ("absent", "equals", "", False),
        ("absent", "not_equals", "x", True),
        ("absent", "not_contains", "x", True),
        ("absent", "matches", ".*", False),
    ],
)
def test_comparisons(kind: str, comparison: str, value: object, met: bool) -> None:
    condition: dict[str, Any] = {"condition_group": 1, "type": kind, "comparison": comparison, "value": value}
    if kind in {"n", "t", "e", "absent"}:
        condition |= {"type": "request_parameter", "parameter": kind}
    assert verdict_of_group([condition], FACTS) is met


MET = {"type": "country", "comparison": "equals", "value": "DE"}
NOT_MET = MET | {"value": "US"}
OPEN = MET | {"type": "geoip_country"}


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ([MET], [MET], True),
        ([MET], [NOT_MET], False),
        ([MET, NOT_MET], [MET], True),
        ([OPEN], [MET], None),
        ([OPEN], [NOT_MET], False),
        ([OPEN, MET], [MET], True),
        ([OPEN | {"comparison": "not_equals"}], [MET], None),
    ],
)
def test_groups_of_conditions(
    first: list[dict[str, Any]], second: list[dict[str, Any]], verdict: bool | None
) -> None:
    conditions = [one | {"condition_group": 1} for one in first] + [
        one | {"condition_group": 7} for one in second
    ]
    assert verdict_of_group(conditions, Facts(country="DE")) is verdict


def test_payers_that_are_not_active_count_where_the_condition_says_so() -> None:
    condition = {
        "condition_group": 1,
        "type": "payer_status",
        "comparison": "equals",
        "value": "legal_entity",
    }
    assert verdict_of_group([condition], FACTS) is False
    assert verdict_of_group([condition | {"include_inactive": True}], FACTS) is True
