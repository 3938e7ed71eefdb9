"""Single conditions: negations, hostile values, and what is refused when a group is saved."""

import time
from decimal import getcontext

import pytest
from hypothesis import given

from rules.attributes import attribute_of, fact_of
from rules.comparisons import NEGATED, PatternError, compile_pattern, matches, number
from rules.conditions import Problem, holds, problems, problems_of
from rules.model import Comparison, Condition, ConditionType, Facts, Payer, Unknown
from tests.support import oracle_rules, strategies

POSITIVE_OF = NEGATED
NEGATIVE_OF = {positive: negative for negative, positive in NEGATED.items()}


@given(strategies.conditions(), strategies.facts())
def test_holds_is_what_the_oracle_says(condition: Condition, facts: Facts) -> None:
    assert holds(condition, facts) is oracle_rules.condition_verdict(condition, facts)


@given(strategies.conditions(), strategies.facts())
def test_a_negation_is_exact_where_the_fact_is_known(condition: Condition, facts: Facts) -> None:
    opposite = NEGATED.get(condition.comparison) or NEGATIVE_OF.get(condition.comparison)
    if opposite is None:
        return
    other = Condition(
        condition.condition_group,
        condition.type,
        opposite,
        condition.value,
        condition.parameter,
        condition.include_inactive,
    )
    verdict = holds(condition, facts)
    assert holds(other, facts) is (None if verdict is None else not verdict)


@given(strategies.conditions(), strategies.facts())
def test_unknown_is_the_verdict_exactly_where_the_fact_is_unknown(condition: Condition, facts: Facts) -> None:
    unknown = fact_of(attribute_of(condition), facts) is Unknown.UNKNOWN
    assert (holds(condition, facts) is None) == unknown


@given(strategies.conditions())
def test_what_the_strategies_make_has_no_problems(condition: Condition) -> None:
    assert problems(condition) == []


def test_the_attribute_of_each_type() -> None:
    def of(type_: ConditionType, parameter: str | None = None, include_inactive: bool = False) -> str:
        return attribute_of(Condition(1, type_, Comparison.EQUALS, "x", parameter, include_inactive))

    assert {type_: of(type_) for type_ in ConditionType if type_ is not ConditionType.REQUEST_PARAMETER} == {
        ConditionType.COUNTRY: "country",
        ConditionType.GEOIP_COUNTRY: "geoip_country",
        ConditionType.PAYER_STATUS: "payers",
        ConditionType.PROVIDER: "provider",
        ConditionType.AUTHORIZATION_METHOD: "authorization_method",
        ConditionType.VERIFICATION_STATUS: "verifications",
        ConditionType.VERIFICATION_METHOD: "verifications",
    }
    assert of(ConditionType.PAYER_STATUS, include_inactive=True) == "payers"
    assert of(ConditionType.REQUEST_PARAMETER, "from:site") == "request_parameter:from:site"
    facts = Facts(request_parameters={"from:site": "1"}, payers=frozenset({Payer("individual", True)}))
    assert fact_of("request_parameter:from:site", facts) == "1"
    assert fact_of("payers", facts) == facts.payers
    with pytest.raises(KeyError):
        fact_of("colour", facts)


@pytest.mark.parametrize(
    "text",
    [
        "1e999999999",
        "1e-999999999",
        "1" * 1_000_000,
        "9" * 999,
        "1e" + "9" * 900,
        "-" * 100_000,
        "0." + "0" * 990,
    ],
)
def test_no_number_makes_a_comparison_slow(text: str) -> None:
    started = time.perf_counter()
    for value in ("1", "1e999999999", "-1e-999999999", "7" * 1_000):
        for comparison in (Comparison.GREATER_THAN, Comparison.LESS_THAN):
            condition = Condition(1, ConditionType.REQUEST_PARAMETER, comparison, value, parameter="x")
            assert holds(condition, Facts(request_parameters={"x": text})) in (True, False)
    assert time.perf_counter() - started < 0.5


def test_a_number_does_not_depend_on_the_decimal_context_of_the_thread() -> None:
    getcontext().clear_flags()
    assert number("1e" + "9" * 30) is None
    assert not any(getcontext().flags.values())
    assert number("0.1000000000000000000000000000000000001") != number("0.1")


@pytest.mark.parametrize("pattern", ["(a|b)*a(a|b){20}c", "(a+)+$", "(.*a){12}"])
def test_a_regular_expression_takes_linear_time(pattern: str) -> None:
    started = time.perf_counter()
    assert matches("ab" * 20_000, pattern) in (True, False)
    assert time.perf_counter() - started < 2


def test_a_lone_surrogate_in_a_text_is_compared_like_any_other() -> None:
    assert matches("a\ud800b", "b$")
    assert not matches("\ud800", "a")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing )"),
        ("(?=a)", "invalid perl operator"),
        (r"(a)\1", "invalid escape sequence"),
        ("a" * 1_001, "longer than 1,000 characters"),
        ("(a{20}){50}" * 3, "too large"),
        (r"(\pL|\d){1000}", "too large"),
    ],
)
def test_a_pattern_that_cannot_be_used_says_why(pattern: str, reason: str) -> None:
    with pytest.raises(PatternError, match=reason.replace(")", r"\)")):
        compile_pattern(pattern)


def _parameter(
    comparison: Comparison, value: str | tuple[str, ...] | None, name: str | None = "x"
) -> Condition:
    return Condition(1, ConditionType.REQUEST_PARAMETER, comparison, value, parameter=name)


def _of(
    type_: ConditionType, value: str | tuple[str, ...] | None, comparison: Comparison | None = None
) -> Condition:
    return Condition(1, type_, comparison or Comparison.EQUALS, value)


PROBLEMS = {
    "text comparison for a country": (
        _of(ConditionType.COUNTRY, "D", Comparison.STARTS_WITH),
        [("comparison_not_allowed", "comparison")],
    ),
    "is_set for a provider": (
        _of(ConditionType.PROVIDER, None, Comparison.IS_SET),
        [("comparison_not_allowed", "comparison")],
    ),
    "no value": (_of(ConditionType.COUNTRY, None), [("value_missing", "value")]),
    "no list": (_of(ConditionType.COUNTRY, None, Comparison.ONE_OF), [("value_missing", "value")]),
    "a text for a list": (
        _of(ConditionType.COUNTRY, "DE", Comparison.ONE_OF),
        [("value_not_a_list", "value")],
    ),
    "a list for a text": (_of(ConditionType.COUNTRY, ("DE",)), [("value_not_a_text", "value")]),
    "an empty list": (_of(ConditionType.COUNTRY, (), Comparison.NONE_OF), [("value_empty", "value")]),
    "an empty country": (_of(ConditionType.COUNTRY, ""), [("value_empty", "value")]),
    "an empty provider in a list": (
        _of(ConditionType.PROVIDER, ("1", ""), Comparison.ONE_OF),
        [("value_empty", "value[1]")],
    ),
    "too many values": (
        _of(ConditionType.PROVIDER, tuple(map(str, range(10_001))), Comparison.ONE_OF),
        [("too_many_values", "value")],
    ),
    "a value for is_set": (_parameter(Comparison.IS_SET, "x"), [("value_not_allowed", "value")]),
    "an unheard-of payer status": (_of(ConditionType.PAYER_STATUS, "company"), [("value_unknown", "value")]),
    "an unheard-of verification status": (
        _of(ConditionType.VERIFICATION_STATUS, ("passed", "revoked"), Comparison.ONE_OF),
        [("value_unknown", "value[1]")],
    ),
    "an unheard-of verification method": (
        _of(ConditionType.VERIFICATION_METHOD, "fax"),
        [("value_unknown", "value")],
    ),
    "a bad pattern": (_parameter(Comparison.MATCHES, "("), [("pattern_invalid", "value")]),
    "no number": (_parameter(Comparison.GREATER_THAN, "ten"), [("value_not_a_number", "value")]),
    "no finite number": (_parameter(Comparison.LESS_THAN, "Infinity"), [("value_not_a_number", "value")]),
    "no parameter": (_parameter(Comparison.EQUALS, "x", None), [("parameter_missing", "parameter")]),
    "an empty parameter": (_parameter(Comparison.EQUALS, "x", ""), [("parameter_missing", "parameter")]),
    "a parameter elsewhere": (
        Condition(1, ConditionType.COUNTRY, Comparison.EQUALS, "DE", parameter="x"),
        [("parameter_not_allowed", "parameter")],
    ),
    "include_inactive elsewhere": (
        Condition(1, ConditionType.COUNTRY, Comparison.EQUALS, "DE", include_inactive=True),
        [("include_inactive_not_allowed", "include_inactive")],
    ),
    "a condition group below the range": (
        Condition(-1, ConditionType.COUNTRY, Comparison.EQUALS, "DE"),
        [("condition_group_out_of_range", "condition_group")],
    ),
    "a condition group above the range": (
        Condition(1_001, ConditionType.COUNTRY, Comparison.EQUALS, "DE"),
        [("condition_group_out_of_range", "condition_group")],
    ),
    "a truth value as a condition group": (
        Condition(True, ConditionType.COUNTRY, Comparison.EQUALS, "DE"),
        [("condition_group_out_of_range", "condition_group")],
    ),
    "everything at once": (
        Condition(-1, ConditionType.PROVIDER, Comparison.MATCHES, "(", parameter="x", include_inactive=True),
        [
            ("condition_group_out_of_range", "condition_group"),
            ("parameter_not_allowed", "parameter"),
            ("include_inactive_not_allowed", "include_inactive"),
            ("comparison_not_allowed", "comparison"),
        ],
    ),
}


@pytest.mark.parametrize(("condition", "expected"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_what_is_wrong_with_a_condition(condition: Condition, expected: list[tuple[str, str]]) -> None:
    found = problems(condition)
    assert [(problem.code, problem.path) for problem in found] == expected
    assert all(problem.message.endswith(".") for problem in found)


@pytest.mark.parametrize(
    "condition",
    [
        _parameter(Comparison.EQUALS, ""),
        _parameter(Comparison.ONE_OF, ("", "a")),
        _parameter(Comparison.IS_NOT_SET, None),
        _parameter(Comparison.GREATER_THAN, "-1.5e3"),
        Condition(0, ConditionType.AUTHORIZATION_METHOD, Comparison.EQUALS, "telegram"),
        Condition(1_000, ConditionType.COUNTRY, Comparison.NONE_OF, ("XK",)),
    ],
)
def test_what_is_right_with_a_condition(condition: Condition) -> None:
    assert problems(condition) == []


def test_problems_of_a_group_say_which_condition() -> None:
    good = _of(ConditionType.COUNTRY, "DE")
    found = problems_of([good, _of(ConditionType.COUNTRY, None), _parameter(Comparison.MATCHES, "(")])
    assert found[0] == Problem("value_missing", "conditions[1].value", "Give a value for equals.")
    assert (found[1].code, found[1].path) == ("pattern_invalid", "conditions[2].value")
    assert "missing )" in found[1].message
    assert problems_of([]) == problems_of([good] * 1_000) == []
    assert [problem.code for problem in problems_of([good] * 1_001)] == ["too_many_conditions"]
