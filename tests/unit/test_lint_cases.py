"""The cases in `tests/lint_cases/`: what is warned of in a group.

A case has a `name`, `conditions` as in a `put-group` command, perhaps `switches`, and `findings`, each with
its code and path, and with `says`, a part of its message.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rules.lint import MAX_FINDINGS, lint
from rules.model import Comparison, Condition, ConditionType, GroupRules
from rules.problems import MAX_CONDITIONS, MAX_VALUES, Problem, problems_of

FOLDER = Path(__file__).parents[1] / "lint_cases"
CASES: list[dict[str, Any]] = [
    {**case, "name": f"{path.stem}: {case['name']}"}
    for path in sorted(FOLDER.glob("*.yaml"))
    for case in yaml.safe_load(path.read_text("utf-8"))["cases"]
]
GUIDE = (Path(__file__).parents[2] / "docs" / "groups.md").read_text("utf-8")


def findings(conditions: list[Condition], switches: tuple[str, ...] = ("upon_change",)) -> list[Problem]:
    assert problems_of(conditions) == []
    on = {name: name in switches for name in ("upon_registration", "upon_change", "exclude")}
    return lint(GroupRules("case", tuple(conditions), **on), periodic="periodic" in switches)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(case: dict[str, Any]) -> None:
    conditions = [condition(each) for each in case["conditions"]]
    found = findings(conditions, tuple(case.get("switches", ["upon_change"])))
    assert [(each.code, each.path) for each in found] == [
        (each["code"], each["path"]) for each in case["findings"]
    ]
    for each, expected in zip(found, case["findings"], strict=True):
        assert expected["says"] in each.message
        assert each.message.endswith(".")


def condition(given: dict[str, Any]) -> Condition:
    value = given.get("value")
    return Condition(
        given["condition_group"],
        ConditionType(given["type"]),
        Comparison(given["comparison"]),
        tuple(value) if isinstance(value, list) else value,
        given.get("parameter"),
        given.get("include_inactive", False),
    )


def test_every_code_has_a_case_and_stands_in_the_guide() -> None:
    codes = {finding["code"] for case in CASES for finding in case["findings"]}
    assert codes == {
        "impossible",
        "always_true",
        "never_met",
        "duplicate_condition",
        "implied_condition",
        "matches_every_text",
        "country_withdrawn",
        "never_checked",
        "exclude_never_applies",
    }
    for code in {*codes, "same_conditions", "more_findings"}:
        assert f"| `{code}` |" in GUIDE


def test_many_findings_are_cut_off() -> None:
    of_one = [Condition(1, ConditionType.COUNTRY, Comparison.EQUALS, "DE")] * (MAX_FINDINGS + 3)
    *shown, last = findings(of_one)
    assert len(shown) == MAX_FINDINGS
    assert (last.code, last.message[-26:]) == ("more_findings", "there are 2 more findings.")


@pytest.mark.parametrize("clauses", [1, 10, MAX_CONDITIONS])
@pytest.mark.parametrize("comparison", ["one_of", "none_of", "contains", "not_contains", "matches"])
@pytest.mark.timeout(10)
def test_the_largest_groups_cost_little(clauses: int, comparison: str) -> None:
    several = comparison.endswith("of")
    conditions = [
        Condition(
            number % clauses + 1,
            ConditionType.REQUEST_PARAMETER,
            Comparison(comparison),
            tuple(f"{number}-{each}" for each in range(MAX_VALUES // 100)) if several else f"value {number}",
            "ref",
        )
        for number in range(MAX_CONDITIONS)
    ]
    findings(conditions)
