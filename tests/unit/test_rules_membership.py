"""*Membership, exactly*: the masks against a plain if and else, and its sentences one by one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.membership import check
from rules.model import Comparison, Condition, ConditionType, Facts, GroupRules
from rules.ruleset import RuleSet, Verdicts
from tests.support import oracle_rules, strategies

MASKS = st.integers(0, 2**8 - 1)


@given(strategies.groups(), strategies.facts(), MASKS, MASKS, MASKS, st.booleans())
def test_check_is_the_plain_rule_for_every_group(
    groups: list[GroupRules], facts: Facts, checked: int, members: int, by_hand: int, may_leave: bool
) -> None:
    rules = RuleSet.compile(groups)
    manual = members & by_hand
    change = check(
        rules, rules.evaluate(facts), checked=checked, members=members, manual=manual, may_leave=may_leave
    )
    for bit, group in enumerate(groups):
        expected = oracle_rules.change_of(
            group,
            oracle_rules.group_verdict(group, facts),
            checked=bool(checked >> bit & 1),
            member=bool(members >> bit & 1),
            manual=bool(manual >> bit & 1),
            may_leave=may_leave,
        )
        assert bool(change.joins >> bit & 1) == (expected == "joins")
        assert bool(change.leaves >> bit & 1) == (expected == "leaves")
    assert (change.joins | change.leaves) >> len(groups) == 0


@given(strategies.groups(), strategies.facts(), MASKS, MASKS)
def test_a_second_check_changes_nothing(
    groups: list[GroupRules], facts: Facts, members: int, by_hand: int
) -> None:
    rules = RuleSet.compile(groups)
    verdicts = rules.evaluate(facts)
    everything = (1 << len(groups)) - 1
    members &= everything
    first = check(
        rules, verdicts, checked=everything, members=members, manual=members & by_hand, may_leave=True
    )
    after = (members | first.joins) & ~first.leaves
    second = check(rules, verdicts, checked=everything, members=after, manual=after & by_hand, may_leave=True)
    assert second == (0, 0)


MATCH, NO_MATCH, UNKNOWN = Verdicts(1, 1), Verdicts(0, 0), Verdicts(0, 1)
GROUP = GroupRules("g", (Condition(1, ConditionType.COUNTRY, Comparison.EQUALS, "DE"),))
EXCLUDING = replace(GROUP, exclude=True)
KEEPING = replace(EXCLUDING, keep_manual=True)


@pytest.mark.parametrize(
    ("group", "verdict", "members", "manual", "may_leave", "expected"),
    [
        pytest.param(GROUP, MATCH, 0, 0, False, (1, 0), id="a match joins at registration"),
        pytest.param(GROUP, MATCH, 0, 0, True, (1, 0), id="a match joins at any other check"),
        pytest.param(EXCLUDING, MATCH, 1, 0, True, (0, 0), id="a member that matches stays"),
        pytest.param(EXCLUDING, MATCH, 1, 1, True, (0, 0), id="a member by hand that matches stays by hand"),
        pytest.param(GROUP, NO_MATCH, 1, 0, True, (0, 0), id="without exclude nobody leaves"),
        pytest.param(EXCLUDING, NO_MATCH, 1, 0, True, (0, 1), id="with exclude a member by rule leaves"),
        pytest.param(EXCLUDING, NO_MATCH, 1, 0, False, (0, 0), id="at registration nobody leaves"),
        pytest.param(EXCLUDING, NO_MATCH, 1, 1, True, (0, 1), id="a member by hand leaves as any other"),
        pytest.param(KEEPING, NO_MATCH, 1, 1, True, (0, 0), id="keep_manual keeps a member by hand"),
        pytest.param(KEEPING, NO_MATCH, 1, 0, True, (0, 1), id="keep_manual keeps no member by rule"),
        pytest.param(EXCLUDING, NO_MATCH, 0, 0, True, (0, 0), id="who is not in cannot leave"),
        pytest.param(EXCLUDING, UNKNOWN, 1, 0, True, (0, 0), id="unknown does not take out"),
        pytest.param(EXCLUDING, UNKNOWN, 0, 0, True, (0, 0), id="unknown does not add"),
    ],
)
def test_membership_exactly(
    group: GroupRules,
    verdict: Verdicts,
    members: int,
    manual: int,
    may_leave: bool,
    expected: tuple[int, int],
) -> None:
    rules = RuleSet.compile([group])
    assert check(rules, verdict, checked=1, members=members, manual=manual, may_leave=may_leave) == expected


def test_a_group_that_is_not_checked_is_left_alone() -> None:
    rules = RuleSet.compile([EXCLUDING])
    assert check(rules, MATCH, checked=0, members=0, manual=0, may_leave=True) == (0, 0)
    assert check(rules, NO_MATCH, checked=0, members=1, manual=0, may_leave=True) == (0, 0)


def test_a_group_without_conditions_is_never_checked() -> None:
    rules = RuleSet.compile([replace(EXCLUDING, conditions=())])
    verdicts = rules.evaluate(Facts(country="DE"))
    assert check(rules, verdicts, checked=1, members=1, manual=0, may_leave=True) == (0, 0)
    assert check(rules, verdicts, checked=1, members=0, manual=0, may_leave=True) == (0, 0)
