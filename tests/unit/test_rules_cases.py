"""The conformance cases in `tests/rule_cases/`, each against the plain evaluator and the compiled one.

A case has a `name`, `facts` (a field left out is absent; `geoip_country: "?"` is unknown), `conditions` as in
a `put-group` command, and `verdict`: `met`, `not_met` or `unknown`.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from rules.attributes import attribute_of
from rules.conditions import holds, problems_of
from rules.model import Comparison, Condition, ConditionType, Facts, GroupRules, Payer, Unknown
from rules.ruleset import RuleSet
from tests.support import oracle_rules

FOLDER = Path(__file__).parents[1] / "rule_cases"
VERDICTS = {"met": True, "not_met": False, "unknown": None}
TEXT_ONLY = set(Comparison) - {
    Comparison.EQUALS,
    Comparison.NOT_EQUALS,
    Comparison.ONE_OF,
    Comparison.NONE_OF,
}


@dataclass(frozen=True)
class Case:
    """One case, read."""

    name: str
    facts: Facts
    conditions: tuple[Condition, ...]
    verdict: bool | None


def _read(path: Path) -> list[Case]:
    return [
        Case(
            name=f"{path.stem}: {case['name']}",
            facts=_facts(case.get("facts", {})),
            conditions=tuple(_condition(condition) for condition in case["conditions"]),
            verdict=VERDICTS[case["verdict"]],
        )
        for case in yaml.safe_load(path.read_text("utf-8"))["cases"]
    ]


def _facts(given: dict[str, Any]) -> Facts:
    fields = dict(given)
    if fields.get("geoip_country") == "?":
        fields["geoip_country"] = Unknown.UNKNOWN
    else:
        fields.setdefault("geoip_country", None)
    fields["payers"] = frozenset(
        Payer(payer["status"], payer["active"]) for payer in fields.get("payers", ())
    )
    fields["verification_methods"] = frozenset(fields.get("verification_methods", ()))
    return Facts(**fields)


def _condition(given: dict[str, Any]) -> Condition:
    value = given.get("value")
    return Condition(
        condition_group=given.get("condition_group", 1),
        type=ConditionType(given["type"]),
        comparison=Comparison(given["comparison"]),
        value=tuple(value) if isinstance(value, list) else value,
        parameter=given.get("parameter"),
        include_inactive=given.get("include_inactive", False),
    )


CASES = [case for path in sorted(FOLDER.glob("*.yaml")) for case in _read(path)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    assert problems_of(case.conditions) == []
    group = GroupRules("case", case.conditions)
    assert oracle_rules.group_verdict(group, case.facts) is case.verdict
    if len(case.conditions) == 1:
        assert holds(case.conditions[0], case.facts) is case.verdict
    rules = RuleSet.compile([GroupRules("before"), group, GroupRules("after")])
    expected = (0b010 if case.verdict else 0, 0 if case.verdict is False else 0b010)
    assert rules.evaluate(case.facts) == expected
    assert rules.evaluate(case.facts) == expected  # from the memo


def test_all_cases_in_one_rule_set() -> None:
    rules = RuleSet.compile(GroupRules(str(number), case.conditions) for number, case in enumerate(CASES))
    for number, case in enumerate(CASES):
        verdicts = rules.evaluate(case.facts)
        surely, possibly = verdicts.surely >> number & 1, verdicts.possibly >> number & 1
        assert (surely, possibly) == (case.verdict is True, case.verdict is not False), case.name


def test_names_are_told_apart() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def test_every_type_with_every_comparison_is_met_and_not_met() -> None:
    seen: dict[tuple[ConditionType, Comparison], set[bool | None]] = defaultdict(set)
    for case in CASES:
        if len(case.conditions) == 1:
            seen[case.conditions[0].type, case.conditions[0].comparison].add(case.verdict)
    for type_ in ConditionType:
        for comparison in Comparison:
            if comparison in TEXT_ONLY and type_ is not ConditionType.REQUEST_PARAMETER:
                continue
            wanted = {True, False} | ({None} if type_ is ConditionType.GEOIP_COUNTRY else set())
            assert seen[type_, comparison] == wanted, (type_, comparison)


def test_every_attribute_is_met_with_absent() -> None:
    absent = {attribute_of(case.conditions[0]) for case in CASES if case.facts == Facts(geoip_country=None)}
    assert absent >= {
        "country",
        "geoip_country",
        "payers",
        "provider",
        "authorization_method",
        "verifications",
        "request_parameter:fromsite",
    }
