"""What lint says of conditions, held to the plain evaluator on all facts that there can be."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rules.lint import lint
from rules.model import Comparison, Condition, ConditionType, GroupRules
from rules.normal_form import digest
from tests.support.enumerated_facts import facts_for
from tests.support.oracle_rules import condition_verdict, group_verdict
from tests.support.strategies import conditions as any_condition

BY_NAME = (Comparison.EQUALS, Comparison.NOT_EQUALS, Comparison.ONE_OF, Comparison.NONE_OF)
SINGLE_VALUED = (
    ConditionType.COUNTRY,
    ConditionType.GEOIP_COUNTRY,
    ConditionType.PROVIDER,
    ConditionType.REQUEST_PARAMETER,
)
TYPES_AT_ONCE = 2
FACTS_AT_MOST = 20_000


def found(conditions: Sequence[Condition]) -> dict[str, list[int]]:
    """The numbers of the conditions that findings name, by code."""
    codes: dict[str, list[int]] = {}
    for problem in lint(GroupRules("g", tuple(conditions), upon_change=True), periodic=False):
        place = int(problem.path.removeprefix("conditions[").partition("]")[0])
        codes.setdefault(problem.code, []).append(place)
    return codes


def verdict(conditions: Sequence[Condition]) -> GroupRules:
    return GroupRules("g", tuple(conditions))


@st.composite
def some_conditions(draw: st.DrawFn, max_size: int = 5) -> list[Condition]:
    """Any conditions, of few facts, so that they often have to do with each other."""
    types = draw(st.lists(st.sampled_from(ConditionType), min_size=1, max_size=TYPES_AT_ONCE, unique=True))
    return draw(st.lists(any_condition(3, types, ("ref",)), min_size=1, max_size=max_size))


@st.composite
def enumerable_conditions(draw: st.DrawFn) -> list[Condition]:
    """Conditions of facts with one value, that name few values."""
    types = draw(st.lists(st.sampled_from(SINGLE_VALUED), min_size=1, max_size=3, unique=True))
    type_ = st.sampled_from(types)
    listed = draw(
        st.lists(st.tuples(st.integers(1, 5), type_, st.sampled_from(BY_NAME)), min_size=1, max_size=10)
    )
    return [
        Condition(
            number,
            each,
            comparison,
            draw(st.lists(st.sampled_from("ABC"), min_size=1, max_size=2, unique=True).map(tuple))
            if comparison in (Comparison.ONE_OF, Comparison.NONE_OF)
            else draw(st.sampled_from("ABC")),
            "p" if each is ConditionType.REQUEST_PARAMETER else None,
        )
        for number, each, comparison in listed
    ]


def one_condition_group(conditions: Sequence[Condition], place: int) -> list[Condition]:
    return [each for each in conditions if each.condition_group == conditions[place].condition_group]


@given(some_conditions())
def test_what_is_said_is_so(conditions: list[Condition]) -> None:
    codes = found(conditions)
    if not codes.keys() & {"impossible", "always_true", "never_met"}:
        return
    for facts, _ in zip(facts_for(conditions, unknown=True), range(FACTS_AT_MOST), strict=False):
        if "impossible" in codes:
            assert group_verdict(verdict(conditions), facts) is not True
        for place in codes.get("never_met", ()):
            assert condition_verdict(conditions[place], facts) is not True
    for facts, _ in zip(facts_for(conditions), range(FACTS_AT_MOST), strict=False):
        for place in codes.get("always_true", ()):
            assert group_verdict(verdict(one_condition_group(conditions, place)), facts) is True


@given(some_conditions())
def test_without_what_is_said_to_be_too_much_every_verdict_is_the_same(conditions: list[Condition]) -> None:
    rules = GroupRules("g", tuple(conditions), upon_change=True)
    left_out: set[int] = set()
    for problem in lint(rules, periodic=False):
        if problem.code in ("implied_condition", "duplicate_condition", "never_met"):
            place = int(problem.path.removeprefix("conditions[").partition("]")[0])
            if "ondition group" in problem.message and "condition_group" not in problem.message:
                left_out.update(
                    other
                    for other, each in enumerate(conditions)
                    if each.condition_group == conditions[place].condition_group
                )
            else:
                left_out.add(place)
    if not left_out:
        return
    rest = [each for place, each in enumerate(conditions) if place not in left_out]
    for facts, _ in zip(facts_for(conditions, unknown=True), range(FACTS_AT_MOST), strict=False):
        assert group_verdict(verdict(rest), facts) is group_verdict(verdict(conditions), facts)


@given(enumerable_conditions())
def test_all_that_is_so_is_said_of_facts_with_one_value(conditions: list[Condition]) -> None:
    codes = found(conditions)
    facts = list(facts_for(conditions))
    assert ("impossible" in codes) is not any(group_verdict(verdict(conditions), each) for each in facts)
    for number in {each.condition_group for each in conditions}:
        of_number = [place for place, each in enumerate(conditions) if each.condition_group == number]
        clause = [conditions[place] for place in of_number]
        always = all(group_verdict(verdict(clause), each) for each in facts)
        assert bool(set(of_number) & set(codes.get("always_true", ()))) is always


@given(enumerable_conditions())
def test_all_that_is_implied_is_said_of_facts_with_one_value(conditions: list[Condition]) -> None:
    """Of conditions in one condition group, and of condition groups of one condition."""
    codes = found(conditions)
    too_much = {*codes.get("implied_condition", ()), *codes.get("duplicate_condition", ())}
    if "always_true" in codes:
        return
    facts = list(facts_for(conditions))
    met = [[condition_verdict(each, one) for one in facts] for each in conditions]

    def implies(one: int, other: int) -> bool:
        return all(there for here, there in zip(met[one], met[other], strict=True) if here)

    single = [len(one_condition_group(conditions, place)) == 1 for place in range(len(conditions))]
    for one in range(len(conditions)):
        for other in range(one):
            alternatives = conditions[one].condition_group == conditions[other].condition_group
            if (alternatives or (single[one] and single[other])) and (
                implies(one, other) or implies(other, one)
            ):
                assert {one, other} & too_much, (one, other)


@given(some_conditions(max_size=2), some_conditions(max_size=2))
def test_conditions_with_one_digest_have_the_same_verdicts(
    one: list[Condition], other: list[Condition]
) -> None:
    if digest(one) != digest(other):
        return
    for facts, _ in zip(facts_for([*one, *other], unknown=True), range(FACTS_AT_MOST), strict=False):
        assert group_verdict(verdict(one), facts) is group_verdict(verdict(other), facts)


@given(st.data(), some_conditions())
def test_a_digest_does_not_depend_on_how_it_is_said(data: st.DataObject, conditions: list[Condition]) -> None:
    again = [*conditions, *data.draw(st.lists(st.sampled_from(conditions)))]
    numbers = data.draw(st.permutations(range(1, 4)))
    said = [
        replace(each, condition_group=numbers[each.condition_group - 1])
        for each in data.draw(st.permutations(again))
    ]
    assert digest(said) == digest(conditions)
