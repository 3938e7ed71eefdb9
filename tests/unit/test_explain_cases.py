"""Explanations as data: tests/explain_cases. Their texts are golden files there."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from db.clients import FACT_FIELDS, Client, Payer, Verification
from db.groups import Group
from db.history_reading import PastChange
from db.stamps import Stamp, order
from events.conditions import Condition
from events.explanations import Explanation, GroupVersionsPage
from events.result_examples import ANSWERS
from workers.cli.explanation_words import explanation_card, group_versions_table
from workers.commands.group_records import condition_of
from workers.explaining.explanations import explanation_of
from workers.explaining.situations import Hold, Member, Situation

FOLDER = Path(__file__).parent.parent / "explain_cases"
CASES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "cases.yaml").read_text())["cases"]
START = datetime(2026, 11, 22, 10, tzinfo=UTC)
NOW = START + timedelta(hours=1)
SAID = Stamp(START, order(17, 3))


def client(given: dict[str, Any]) -> Client:
    facts = dict(given)
    geoip = facts.pop("geoip_country", None)
    payers, passed = facts.pop("payers", {}), facts.pop("verifications", [])
    return Client(
        "1042",
        START,
        stamps=dict.fromkeys(FACT_FIELDS, SAID),
        geoip_country=None if geoip == "unknown" else geoip,
        geoip_build=None if geoip == "unknown" else 1_700_000_000,
        payers={
            key: Payer(status, active, deleted=False, stamp=SAID) for key, (status, active) in payers.items()
        },
        verifications={method: Verification(passed=SAID) for method in passed},
        **facts,
    )


def situation(case: dict[str, Any]) -> Situation:
    last = case.get("last")
    source = case.get("member") or ("rule" if last and last["joined"] else None)
    change = None
    if last is not None:
        change = PastChange(
            "1042",
            "vip",
            last["joined"],
            4,
            source or "rule",
            last["moment"],
            START,
            "client-registered/3/17",
            last.get("actor"),
            last.get("reason"),
            None,
            4,
        )
    hold = case.get("hold")
    return Situation(
        client_id="1042",
        facts=client(case["facts"]) if "facts" in case else None,
        parameters_left_out=case.get("parameters_left_out", False),
        group=Group(
            "vip",
            "VIP",
            conditions=tuple(condition_of(Condition.model_validate(each)) for each in case["conditions"]),
            **case["group"],
        ),
        group_version=2,
        group_changed_at=START,
        member=None
        if source is None
        else Member(source, START, (last or {}).get("actor"), (last or {}).get("reason")),
        hold=None
        if hold is None
        else Hold(**{**hold, "expires_at": START + timedelta(seconds=hold["expires_at"])}),
        last=change,
        leaves_by=case.get("leaves_by"),
        version=4 if last else 0,
        at=NOW,
        is_now=not case.get("then", False),
    )


def rendered(explanation: Explanation) -> str:
    out = io.StringIO()
    Console(file=out, width=140, color_system=None).print(explanation_card(explanation))
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_the_explanation(case: dict[str, Any]) -> None:
    made = explanation_of(situation(case)).model_dump(mode="json")
    decided = made["decided_by"]
    assert {
        "member": made["member"],
        "verdict": made["verdict"],
        "verdicts": [each["verdict"] for each in made["conditions"]],
        "facts": [each["fact"] for each in made["conditions"]],
        "would_differ": made["would_differ"],
        "decided_by": decided and decided["code"],
        "checks": [each["moment"] for each in made["checks"]],
    } == case["expect"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_in_words(case: dict[str, Any]) -> None:
    assert rendered(explanation_of(situation(case))) == (FOLDER / f"{case['name']}.txt").read_text()


def test_every_golden_file_is_of_a_case() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == {case["name"] for case in CASES}


def test_a_groups_history_in_words() -> None:
    [version] = ANSWERS["group-history"]["result"]["versions"]
    condition = {"condition_group": 1, "type": "country", "comparison": "equals", "value": "DE"}
    differences = [
        *version["differences"],
        {"path": "auto_assignment.schedule", "before": None, "after": "0 3 * * *"},
        {"path": "conditions", "before": [condition], "after": [{**condition, "value": "FR"}]},
    ]
    page = GroupVersionsPage.model_validate(
        {"versions": [{**version, "differences": differences}]}, strict=False
    )
    out = io.StringIO()
    Console(file=out, width=140, color_system=None).print(group_versions_table(page.versions))
    words = [line.strip() for line in out.getvalue().splitlines()]
    assert words[2].endswith("2   changed   anna   auto_assignment.exclude: off -> on")
    assert words[3:] == [
        "auto_assignment.schedule: none -> 0 3 * * *",
        "- (1) country is DE",
        "+ (1) country is FR",
    ]
