"""Explanations: what they say of a client is what the evaluator says, and what would have to differ is so."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.attributes import PARAMETER_PREFIX, Attribute, FactValue, attribute_of
from rules.differences import Different
from rules.explain import ConditionVerdict, Explanation, Verdict, explain
from rules.model import Comparison, Condition, ConditionType, Facts, GroupRules, Payer, Unknown
from rules.ruleset import RuleSet
from tests.support import oracle_rules, strategies

VERDICTS = {True: Verdict.MATCH, False: Verdict.NO_MATCH, None: Verdict.UNKNOWN}
OF_CONDITIONS = {True: ConditionVerdict.MET, False: ConditionVerdict.NOT_MET, None: ConditionVerdict.UNKNOWN}
OPPOSITE = {Verdict.MATCH: Verdict.NO_MATCH, Verdict.NO_MATCH: Verdict.MATCH}
FIELDS = {
    "country": "country",
    "geoip_country": "geoip_country",
    "provider": "provider_id",
    "authorization_method": "authorization_method",
    "payers": "payers",
    "verifications": "verification_methods",
}


def evaluated(rules: GroupRules, facts: Facts) -> Verdict:
    """What the evaluator says, with no help of the explanation."""
    verdicts = RuleSet.compile([rules]).evaluate(facts)
    if verdicts.surely:
        return Verdict.MATCH
    return Verdict.UNKNOWN if verdicts.possibly else Verdict.NO_MATCH


def with_fact(facts: Facts, attribute: Attribute, value: FactValue) -> Facts:
    if attribute.startswith(PARAMETER_PREFIX):
        name = attribute.removeprefix(PARAMETER_PREFIX)
        others = {each: text for each, text in facts.request_parameters.items() if each != name}
        return replace(facts, request_parameters=others if value is None else {**others, name: str(value)})
    changes: dict[str, Any] = {FIELDS[attribute]: value}
    return replace(facts, **changes)


def flipped(facts: Facts, explanation: Explanation) -> Facts:
    for attribute, value in explanation.would_differ:
        facts = with_fact(facts, attribute, value)
    return facts


@given(strategies.group_rules(), strategies.facts())
def test_the_verdict_is_that_of_the_evaluator(rules: GroupRules, facts: Facts) -> None:
    explanation = explain(rules.conditions, facts)
    assert explanation.verdict is evaluated(rules, facts)
    assert [each.condition for each in explanation.conditions] == list(rules.conditions)
    for each in explanation.conditions:
        assert each.verdict is OF_CONDITIONS[oracle_rules.condition_verdict(each.condition, facts)]


@given(strategies.group_rules(), strategies.facts())
def test_facts_that_differ_as_said_turn_the_verdict_round(rules: GroupRules, facts: Facts) -> None:
    explanation = explain(rules.conditions, facts)
    if explanation.would_differ:
        assert evaluated(rules, flipped(facts, explanation)) is OPPOSITE[explanation.verdict]
        assert len(dict(explanation.would_differ)) == len(explanation.would_differ)


@st.composite
def _one_changed(draw: st.DrawFn) -> tuple[GroupRules, Facts, Facts]:
    """Facts, and the same with another value of one that the group reads."""
    rules = draw(strategies.group_rules().filter(lambda each: 0 < len(each.conditions) < 8))
    facts, others = draw(strategies.facts()), draw(strategies.facts())
    attribute = attribute_of(draw(st.sampled_from(rules.conditions)))
    if attribute.startswith(PARAMETER_PREFIX):
        name = attribute.removeprefix(PARAMETER_PREFIX)
        value: FactValue = draw(st.none() | st.sampled_from(strategies.TEXTS))
        return rules, facts, with_fact(facts, PARAMETER_PREFIX + name, value)
    return rules, facts, with_fact(facts, attribute, getattr(others, FIELDS[attribute]))


def _asks_for_patterns(rules: GroupRules) -> bool:
    """What a pattern wants to have is not looked for."""
    return any(each.comparison is Comparison.MATCHES for each in rules.conditions)


@given(_one_changed())
def test_where_one_fact_would_do_one_is_named(drawn: tuple[GroupRules, Facts, Facts]) -> None:
    rules, facts, other = drawn
    explanation = explain(rules.conditions, facts)
    if _asks_for_patterns(rules) or explanation.verdict not in OPPOSITE:
        return
    if evaluated(rules, other) is OPPOSITE[explanation.verdict]:
        assert len(explanation.would_differ) == 1, explanation


@given(strategies.group_rules(), strategies.facts(), st.booleans())
def test_what_was_not_kept_is_unknown(rules: GroupRules, facts: Facts, kept: bool) -> None:
    attributes = {attribute_of(each) for each in rules.conditions}
    unknown = frozenset(each for each in attributes if each.startswith(PARAMETER_PREFIX) and not kept)
    explanation = explain(rules.conditions, facts, unknown)
    for each in explanation.conditions:
        assert (each.verdict is ConditionVerdict.UNKNOWN) == (
            each.attribute in unknown
            or (each.attribute == "geoip_country" and facts.geoip_country is Unknown.UNKNOWN)
        )


def condition(
    kind: ConditionType, comparison: Comparison, value: Any = None, group: int = 1, **more: Any
) -> Condition:
    return Condition(group, kind, comparison, value, **more)


DE = condition(ConditionType.COUNTRY, Comparison.EQUALS, "DE")
COMPANY = condition(ConditionType.PAYER_STATUS, Comparison.EQUALS, "legal_entity", 2)
FACTS = Facts(country="FR", payers=frozenset({Payer("legal_entity", active=False)}))


@pytest.mark.parametrize(
    ("conditions", "facts", "different"),
    [
        ((DE,), FACTS, (Different("country", "DE"),)),
        (
            (DE, COMPANY),
            FACTS,
            (
                Different("country", "DE"),
                Different("payers", FACTS.payers | {Payer("legal_entity", active=True)}),
            ),
        ),
        ((DE, replace(DE, condition_group=2, value="FR")), FACTS, ()),  # never both
        (
            (condition(ConditionType.COUNTRY, Comparison.NOT_EQUALS, "DE"),),
            FACTS,
            (Different("country", "DE"),),
        ),
        ((), FACTS, ()),
        (
            (condition(ConditionType.REQUEST_PARAMETER, Comparison.GREATER_THAN, "9.5", parameter="n"),),
            FACTS,
            (Different("request_parameter:n", "10.5"),),
        ),
        (
            (condition(ConditionType.VERIFICATION_STATUS, Comparison.EQUALS, "passed"),),
            FACTS,
            (Different("verifications", frozenset({"email"})),),
        ),
    ],
)
def test_the_fewest_and_nearest_facts_are_named(
    conditions: tuple[Condition, ...], facts: Facts, different: tuple[Different, ...]
) -> None:
    assert explain(conditions, facts).would_differ == different


def test_a_condition_shows_the_fact_as_it_reads_it() -> None:
    payers = frozenset({Payer("individual", active=True), Payer("legal_entity", active=False)})
    facts = Facts("FR", payers=payers, verification_methods=frozenset({"phone", "email"}))
    asked = (
        DE,
        COMPANY,
        replace(COMPANY, include_inactive=True),
        condition(ConditionType.VERIFICATION_STATUS, Comparison.EQUALS, "passed"),
        condition(ConditionType.VERIFICATION_METHOD, Comparison.EQUALS, "passed"),
        condition(ConditionType.GEOIP_COUNTRY, Comparison.EQUALS, "DE"),
        condition(ConditionType.PROVIDER, Comparison.EQUALS, "1"),
    )
    assert [each.fact for each in explain(asked, facts).conditions] == [
        "FR",
        ("individual",),
        ("individual", "legal_entity"),
        "passed",
        ("email", "phone"),
        None,
        None,
    ]


def test_many_conditions_are_explained_soon() -> None:
    """1,000 conditions that cannot all be met: the search gives up."""
    asked = tuple(
        condition(
            ConditionType.REQUEST_PARAMETER, Comparison.EQUALS, str(each % 7), each, parameter=str(each % 90)
        )
        for each in range(1, 1_001)
    )
    assert explain(asked, FACTS).would_differ == ()
