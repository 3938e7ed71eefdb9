"""What an operator types at a console and what comes of it, as data: tests/acceptance/console_cases/*.yaml.

A file is a list of cases, a case has a `name` and `steps`, done one after another. A step may have:

- events: topic -> values to publish. The step ends when the worker has taken them: topics have no order
  among each other, and a command must find the facts there
- say: a command, exactly as it is typed; `key` its record's key, `headers` its headers (only with librdkafka)
- answer: what the answer must have, in part: null is for what is not there
- dead_letter: instead of an answer: what the dead letter's headers must have
- client-groups, client-memberships: id -> what the newest record must come to have, in part; gone: a
  tombstone
- membership-changed: the changes since the step that asked last, in part, for each client in their order,
  or only how many; at the end of a case there must be no others
- assignment-runs: what the newest record of the run that was answered last must come to have

`…` is anything, `<run>` what stood there first, again. `~vip` is the id vip of this test alone, `"~1..3"`
in a list three such ids, `#1` a whole number of this test alone that has too many digits for a floating-point
number, `<now+2s>` a time. `only: librdkafka` is for what the console tools cannot type.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "acceptance" / "console_cases"
EXPECTATIONS = ("client-groups", "client-memberships", "membership-changed", "assignment-runs")
STEP = {"events", "say", "key", "headers", "answer", "dead_letter", *EXPECTATIONS}
GONE = "gone"
"""Stands for a tombstone."""


@dataclass(frozen=True)
class Case:
    name: str
    text: str
    """Its steps as YAML, with the ids of no test yet."""
    only: str | None

    def steps(self, prefix: str) -> list[Mapping[str, Any]]:
        """The steps for one test, whose ids all have the prefix."""
        steps: list[Mapping[str, Any]] = yaml.safe_load(filled(self.text, prefix))
        for step in steps:
            assert not step.keys() - STEP, f"{self.name}: {step.keys() - STEP}"
        return steps


def filled(text: str, prefix: str) -> str:
    number = f"90071992547{int(prefix[1:], 16):010}"
    text = re.sub(r'"~(\d+)\.\.(\d+)"', _range, text)
    text = re.sub(r"~(?=\w)", f"{prefix}-", text)
    return re.sub(r"#(?=\d)", number, text)


def _range(found: re.Match[str]) -> str:
    return ",".join(f'"~{number}"' for number in range(int(found[1]), int(found[2]) + 1))


def with_times(text: str) -> str:
    """With the times as of now."""
    return re.sub(
        r"<now\+(\d+)s>",
        lambda found: (datetime.now(UTC) + timedelta(seconds=int(found[1]))).isoformat(),
        text,
    )


def all_cases() -> list[Case]:
    return [
        Case(each["name"], yaml.safe_dump(each["steps"], allow_unicode=True), each.get("only"))
        for path in sorted(FOLDER.glob("*.yaml"))
        for each in yaml.safe_load(path.read_text())
    ]
