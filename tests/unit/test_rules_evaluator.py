"""The compiled evaluator against the plain one, for any groups and any facts."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.attributes import (
    AUTHORIZATION_METHOD,
    COUNTRY,
    GEOIP_COUNTRY,
    PAYERS,
    PROVIDER,
    VERIFICATIONS,
    request_parameter,
)
from rules.compiler import HOLE
from rules.model import Comparison, Condition, ConditionType, Facts, GroupRules, Unknown
from rules.ruleset import RuleSet
from tests.support import oracle_rules, strategies

ATTRIBUTE_OF_FIELD = {
    "country": COUNTRY,
    "geoip_country": GEOIP_COUNTRY,
    "provider_id": PROVIDER,
    "authorization_method": AUTHORIZATION_METHOD,
    "payers": PAYERS,
    "verification_methods": VERIFICATIONS,
}


def assert_as_the_oracle_says(rules: RuleSet, groups: list[GroupRules], facts: Facts) -> None:
    verdicts = rules.evaluate(facts)
    for group in groups:
        bit = rules.bit(group.group)
        assert bit is not None
        assert rules.groups[bit] == group
        surely, possibly = bool(verdicts.surely >> bit & 1), bool(verdicts.possibly >> bit & 1)
        expected = oracle_rules.group_verdict(group, facts)
        assert (surely, possibly) == (expected is True, expected is not False), group
    present = rules.mask(group.group for group in groups)
    assert verdicts.surely & ~present == verdicts.possibly & ~present == 0
    assert verdicts.surely & ~verdicts.possibly == 0


@given(strategies.groups(), st.lists(strategies.facts(), min_size=1, max_size=4))
def test_verdicts_are_the_oracles(groups: list[GroupRules], clients: list[Facts]) -> None:
    rules = RuleSet.compile(groups)
    for facts in [*clients, *clients]:  # the second time from the memo
        assert_as_the_oracle_says(rules, groups, facts)


@given(
    strategies.groups(),
    st.lists(
        st.tuples(strategies.groups(3), st.sets(st.sampled_from([f"g{n}" for n in range(12)]), max_size=3))
    ),
    strategies.facts(),
)
def test_replacing_equals_compiling_anew(
    first: list[GroupRules], steps: list[tuple[list[GroupRules], set[str]]], facts: Facts
) -> None:
    rules = RuleSet.compile(first)
    present = {group.group: group for group in first}
    rules.evaluate(facts)
    for changed, removed in steps:
        bits = {group: rules.bit(group) for group in present}
        before, earlier, verdicts = rules, list(present.values()), rules.evaluate(facts)
        rules = rules.replace(changed, removed)
        present = {group: of for group, of in present.items() if group not in removed}
        staying = set(present)
        present |= {group.group: group for group in changed}
        assert before.evaluate(facts) == verdicts  # the old one is as it was
        assert_as_the_oracle_says(before, earlier, facts)
        assert_as_the_oracle_says(rules, list(present.values()), facts)
        assert all(rules.bit(group) == bits[group] for group in staying)
        anew = RuleSet.compile(present.values())
        for switch in ("upon_registration", "upon_change", "exclude", "keep_manual", "conditional"):
            assert set(rules.decode(getattr(rules, switch))) == set(anew.decode(getattr(anew, switch)))
        for attribute in (*ATTRIBUTE_OF_FIELD.values(), *map(request_parameter, strategies.PARAMETERS)):
            assert set(rules.decode(rules.readers([attribute]))) == set(
                anew.decode(anew.readers([attribute]))
            )
        assert {group.group for group in rules.groups if group != HOLE} == set(present)


@given(
    strategies.groups(),
    strategies.facts(),
    strategies.facts(),
    st.sets(st.sampled_from(sorted(ATTRIBUTE_OF_FIELD))),
)
def test_a_change_of_what_a_group_does_not_read_cannot_change_its_verdict(
    groups: list[GroupRules], before: Facts, other: Facts, changed: set[str]
) -> None:
    rules = RuleSet.compile(groups)
    after = replace(before, **{name: getattr(other, name) for name in changed})
    old, new = rules.evaluate(before), rules.evaluate(after)
    differs = (old.surely ^ new.surely) | (old.possibly ^ new.possibly)
    assert differs & ~rules.readers(ATTRIBUTE_OF_FIELD[name] for name in changed) == 0


@given(strategies.groups(), strategies.facts(), strategies.facts())
def test_a_change_of_parameters_concerns_the_readers_of_those_that_changed(
    groups: list[GroupRules], before: Facts, other: Facts
) -> None:
    rules = RuleSet.compile(groups)
    after = replace(before, request_parameters=other.request_parameters)
    names = before.request_parameters.keys() | other.request_parameters.keys()
    changed = [
        request_parameter(name)
        for name in names
        if before.request_parameters.get(name) != other.request_parameters.get(name)
    ]
    old, new = rules.evaluate(before), rules.evaluate(after)
    assert (old.surely ^ new.surely) & ~rules.readers(changed) == 0


@given(strategies.groups(), strategies.facts(), strategies.facts())
def test_learning_what_was_unknown_only_settles_what_was_open(
    groups: list[GroupRules], facts: Facts, other: Facts
) -> None:
    rules = RuleSet.compile(groups)
    open_verdicts = rules.evaluate(replace(facts, geoip_country=Unknown.UNKNOWN))
    settled = rules.evaluate(replace(facts, geoip_country=other.geoip_country))
    assert open_verdicts.surely & ~settled.surely == 0
    assert settled.possibly & ~open_verdicts.possibly == 0


def _country(group: str, country: str = "DE", **switches: bool) -> GroupRules:
    condition = Condition(1, ConditionType.COUNTRY, Comparison.EQUALS, country)
    return GroupRules(group, (condition,), **switches)


def test_switches_are_masks_and_groups_without_conditions_are_never_checked() -> None:
    rules = RuleSet.compile(
        [
            _country("a", upon_registration=True, exclude=True),
            GroupRules("by-hand", (), upon_registration=True, upon_change=True, keep_manual=True),
            _country("c", upon_change=True, keep_manual=True),
        ]
    )
    assert rules.decode(rules.upon_registration) == ["a"]
    assert rules.decode(rules.upon_change) == ["c"]
    assert rules.decode(rules.exclude) == ["a"]
    assert rules.decode(rules.keep_manual) == ["by-hand", "c"]
    assert rules.decode(rules.conditional) == ["a", "c"]
    assert [group.group for group in rules.groups] == ["a", "by-hand", "c"]
    assert rules.decode(rules.evaluate(Facts(country="DE")).possibly) == ["a", "c"]


def test_a_removed_group_leaves_a_hole_in_no_mask_that_the_next_group_takes() -> None:
    rules = RuleSet.compile(
        replace(_country(name), upon_registration=True, upon_change=True, exclude=True, keep_manual=True)
        for name in "abc"
    )
    fewer = rules.replace([], ["b", "unheard-of"])
    assert fewer.bit("b") is None
    assert fewer.mask(["a", "b", "c"]) == 0b101
    for mask in (
        fewer.upon_registration,
        fewer.upon_change,
        fewer.exclude,
        fewer.keep_manual,
        fewer.conditional,
        fewer.readers([COUNTRY]),
        fewer.evaluate(Facts(country="DE")).possibly,
    ):
        assert mask == 0b101
    again = fewer.replace([_country("d", "FR")])
    assert again.bit("d") == 1
    assert again.decode(again.evaluate(Facts(country="FR")).surely) == ["d"]
    assert rules.decode(rules.evaluate(Facts(country="DE")).surely) == ["a", "b", "c"]


@pytest.mark.parametrize("condition_groups", [1, 2, 7, 8, 9, 17, 100, 1_000])
def test_a_rule_of_many_condition_groups_among_short_ones(condition_groups: int) -> None:
    long = GroupRules(
        "long",
        tuple(
            Condition(number, ConditionType.REQUEST_PARAMETER, Comparison.IS_SET, parameter=f"p{number}")
            for number in range(condition_groups)
        ),
    )
    groups = [_country(f"g{number}") for number in range(200)]
    groups.insert(7, long)
    passed = {f"p{number}": "" for number in range(condition_groups)}
    all_but_last = {name: "" for name in passed if name != f"p{condition_groups - 1}"}
    rules = RuleSet.compile(groups)
    for compiled in (rules, rules.replace([_country("long")]).replace([long])):
        assert compiled.decode(compiled.evaluate(Facts(request_parameters=passed)).surely) == ["long"]
        assert compiled.evaluate(Facts(request_parameters=all_but_last)).possibly == 0
        assert len(compiled.decode(compiled.evaluate(Facts("DE", request_parameters=passed)).surely)) == 201


@given(st.lists(st.dictionaries(st.integers(0, 45).map(str), st.sampled_from(["", "a", "b"])), min_size=1))
def test_rules_that_read_many_parameters(clients: list[dict[str, str]]) -> None:
    comparisons = (
        (Comparison.NOT_EQUALS, "a"),
        (Comparison.EQUALS, "b"),
        (Comparison.IS_NOT_SET, None),
        (Comparison.NOT_CONTAINS, "b"),
    )
    groups = []
    for number in range(40):
        comparison, value = comparisons[number % 4]
        pair = (
            Condition(1, ConditionType.REQUEST_PARAMETER, comparison, value, str(number)),
            Condition(number % 3, ConditionType.REQUEST_PARAMETER, Comparison.IS_SET, None, str(number // 2)),
        )
        groups.append(GroupRules(f"g{number}", pair))
    rules = RuleSet.compile(groups)
    for passed in [*clients, *clients]:
        assert_as_the_oracle_says(rules, groups, Facts(request_parameters=passed))


def test_many_groups_come_one_at_a_time() -> None:
    rules = RuleSet.compile([])
    for number in range(300):
        rules = rules.replace([_country(f"g{number}", ("DE", "FR")[number % 2])])
        assert rules.bit(f"g{number}") == number
    assert len(rules.decode(rules.evaluate(Facts(country="FR")).surely)) == 150


def test_rows_are_added_when_rules_grow_longer() -> None:
    rules = RuleSet.compile([_country(f"g{number}") for number in range(400)])
    for number in range(100):
        conditions = (*_country("").conditions, Condition(2, ConditionType.PROVIDER, Comparison.EQUALS, "1"))
        rules = rules.replace([GroupRules(f"g{number}", conditions)])
    assert rules._tables.grid.planes == 2
    assert rules._tables.extra == {}
    assert len(rules.decode(rules.evaluate(Facts(country="DE")).surely)) == 300
    assert len(rules.decode(rules.evaluate(Facts(country="DE", provider_id="1")).surely)) == 400


def test_other_attributes_keep_their_memo_when_a_group_changes() -> None:
    by_provider = GroupRules("p", (Condition(1, ConditionType.PROVIDER, Comparison.EQUALS, "1"),))
    by_parameter = GroupRules(
        "q", (Condition(1, ConditionType.REQUEST_PARAMETER, Comparison.MATCHES, "^a", parameter="x"),)
    )
    rules = RuleSet.compile([by_provider, by_parameter, _country("c")])
    after = rules.replace([_country("c", "FR")])
    assert after._provider is rules._provider
    assert after._parameters is rules._parameters
    assert after._country is not rules._country
    flags_only = rules.replace([replace(_country("c"), exclude=True)])
    assert flags_only._country is rules._country


def test_memos_are_bounded_and_skip_long_texts() -> None:
    contains = Condition(1, ConditionType.REQUEST_PARAMETER, Comparison.CONTAINS, "7", parameter="x")
    rules = RuleSet.compile([GroupRules("g", (contains,))])
    for number in range(5_000):
        facts = Facts(request_parameters={"x": str(number)})
        assert rules.evaluate(facts).surely == ("7" in str(number))
    rules.evaluate(Facts(request_parameters={"x": "long" * 100}))
    memo = rules._tables.indexes[request_parameter("x")].contributions
    assert 0 < len(memo) <= 2_048
    assert all(len(str(value)) <= 200 for value in memo)


@pytest.mark.parametrize("groups", [[_country("a"), _country("a")], [GroupRules("")]])
def test_an_id_twice_or_empty_is_refused(groups: list[GroupRules]) -> None:
    with pytest.raises(ValueError, match="group"):
        RuleSet.compile(groups)
    with pytest.raises(ValueError, match="group"):
        RuleSet.compile([]).replace(groups)


def test_every_field_of_the_facts_has_its_attribute() -> None:
    assert {field.name for field in fields(Facts)} == {*ATTRIBUTE_OF_FIELD, "request_parameters"}
