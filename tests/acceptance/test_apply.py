"""`client-groups apply`, as an operator runs it: the command itself, a real worker, real files."""

import asyncio
import json
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiokafka import AIOKafkaConsumer

from events.conditions import COMPARISONS, CONDITION_TYPES
from events.topics import CLIENT_GROUPS
from tests.support.running import Running

ROOT = Path(__file__).parents[2]
COMMAND = Path(sysconfig.get_path("scripts")) / "client-groups"
GUIDE = (ROOT / "docs" / "groups.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
TO_COPY = (ROOT / "deploy" / "examples" / "groups.yaml").read_text()
TWO_GROUPS = """\
groups:
  - group: {0}-a
    name: A
    auto_assignment: {{upon_registration: true}}
  - group: {0}-b
    name: B
    conditions:
      - {{condition_group: 1, type: country, comparison: equals, value: NO}}
    auto_assignment: {{upon_change: true}}
"""


def apply(
    running: Running, content: str, *options: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(COMMAND), "apply", "-", *options],
        input=content,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=running.environment if environment is None else environment,
        cwd=ROOT,
    )


def statuses(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str, int | None]]:
    assert done.returncode == 0, done.stderr
    return [(each["group"], each["status"], each["version"]) for each in json.loads(done.stdout)["groups"]]


async def published(running: Running, group: str) -> dict[str, Any]:
    """The newest record of a group on client-groups."""
    consumer = AIOKafkaConsumer(
        CLIENT_GROUPS.name,
        **running.arguments,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    await consumer.start()
    found: dict[str, Any] = {}
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        for place, end in ends.items():
            while await consumer.position(place) < end:
                for records in (await consumer.getmany(place, timeout_ms=200)).values():
                    found.update(
                        {record.key.decode(): json.loads(record.value or b"null") for record in records}
                    )
    finally:
        await consumer.stop()
    value: dict[str, Any] = found[group]
    return value


async def test_created_unchanged_changed(running: Running, prefix: str) -> None:
    content = TWO_GROUPS.format(prefix)
    a, b = f"{prefix}-a", f"{prefix}-b"
    created = apply(running, content, "--actor", "olga", "--reason", "because", "--json")
    assert statuses(created) == [(a, "created", 1), (b, "created", 1)]
    group = await published(running, b)
    assert (group["version"], group["updated_by"], group["conditions"][0]["value"]) == (1, "olga", "NO")

    assert statuses(apply(running, content, "--json")) == [(a, "unchanged", 1), (b, "unchanged", 1)]
    assert (await published(running, b))["updated_by"] == "olga"

    changed = apply(running, content.replace("NO", "SE"), "--json")
    assert statuses(changed) == [(a, "unchanged", 1), (b, "changed", 2)]
    [warning] = json.loads(changed.stdout)["groups"][1]["warnings"]
    assert (warning["code"], warning["path"], warning["line"]) == (
        "conditions_changed",
        "groups[1].conditions",
        7,
    )


def test_the_table_for_people(running: Running, prefix: str) -> None:
    content = TWO_GROUPS.format(prefix)
    done = apply(running, content)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(rf"{prefix}-a .* created", done.stdout)
    assert "2 groups: 2 created." in done.stdout
    again = apply(running, content)
    assert (again.returncode, again.stderr) == (0, "")
    assert "Nothing changed: 2 groups as in the file before." in again.stdout
    assert "\x1b" not in again.stdout


def test_a_file_with_a_mistake_is_refused_as_a_whole(running: Running, prefix: str) -> None:
    content = TWO_GROUPS.format(prefix)
    done = apply(running, content.replace("value: NO", "value: Norway"))
    assert done.returncode == 1
    assert "<stdin>:8: groups[1].conditions[0].value: expected an ISO 3166-1" in done.stderr
    assert "1 error: nothing was sent." in done.stderr
    # Had the other group been sent, it would not be created now.
    assert [status for _, status, _ in statuses(apply(running, content, "--json"))] == ["created", "created"]


def test_dry_run_sends_nothing(running: Running, prefix: str) -> None:
    content = TWO_GROUPS.format(prefix)
    done = apply(running, content, "--dry-run", environment={})
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 groups checked, nothing wrong; nothing was sent." in done.stdout
    assert [status for _, status, _ in statuses(apply(running, content, "--json"))] == ["created", "created"]


def test_unknown_fields_are_named_once(running: Running, prefix: str) -> None:
    content = TWO_GROUPS.format(prefix).replace("upon_registration", "upon_registraton")
    [first, _] = json.loads(apply(running, content, "--json").stdout)["groups"]
    assert first["status"] == "created"
    assert [(warning["path"], warning["line"]) for warning in first["warnings"]] == [
        ("groups[0].auto_assignment.upon_registraton", 4)
    ]


async def test_without_a_worker_it_says_what_is_not_answered(running: Running, prefix: str) -> None:
    await asyncio.to_thread(running.worker.stop)
    try:
        done = await asyncio.to_thread(apply, running, TWO_GROUPS.format(prefix), "--timeout", "1")
    finally:
        await asyncio.to_thread(running.start_worker)
    assert done.returncode == 3
    assert f"no answer within 1 s to 2 of 2 commands (put-group {prefix}-a, {prefix}-b)" in done.stderr
    assert done.stdout.count("unanswered") == 2
    # They were carried out meanwhile: the same file does no harm.
    again = await asyncio.to_thread(apply, running, TWO_GROUPS.format(prefix), "--json")
    assert [status for _, status, _ in statuses(again)] == ["unchanged", "unchanged"]


def test_exit_codes_and_sentences_without_kafka_and_settings(running: Running) -> None:
    content = TWO_GROUPS.format("never")
    away = apply(
        running, content, environment={**running.environment, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    )
    assert (away.returncode, away.stdout) == (3, "")
    assert away.stderr == "Error: no Kafka answers at 127.0.0.1:1.\n"
    unset = apply(running, content, environment={})
    assert unset.returncode == 2
    assert unset.stderr.startswith("KAFKA_BOOTSTRAP_SERVERS is not set")
    wrong = subprocess.run([str(COMMAND), "apply", "no-such-file.yaml"], capture_output=True, check=False)
    assert wrong.returncode == 2
    for stderr in (away.stderr, unset.stderr, wrong.stderr.decode()):
        assert "Traceback" not in stderr


@pytest.mark.parametrize("example", [*EXAMPLES, TO_COPY], ids=[*range(len(EXAMPLES)), "to copy"])
async def test_the_examples_of_the_guide(running: Running, example: str, prefix: str) -> None:
    await running.publish_provider("7", "google", "facebook", "phone")
    groups = yaml.safe_load(example)["groups"]
    own = re.sub(r"group: (?=[a-z])(?!\d)", f"group: {prefix}-", example)
    found = statuses(apply(running, own, "--json"))
    assert [(group, status) for group, status, _ in found] == [
        (f"{prefix}-{group['group']}", "created") for group in groups
    ]


def test_the_guide_has_every_type_and_comparison() -> None:
    conditions = [
        condition
        for example in EXAMPLES
        for group in yaml.safe_load(example)["groups"]
        for condition in group.get("conditions", [])
    ]
    assert {condition["type"] for condition in conditions} == set(CONDITION_TYPES)
    assert {condition["comparison"] for condition in conditions} == set(COMPARISONS)


async def test_the_defaults_of_the_guide(running: Running, prefix: str) -> None:
    text = next(example for example in EXAMPLES if "group: example" in example)
    apply(running, f"groups: [{{group: {prefix}, name: An example}}]")
    apply(running, text.replace("group: example", f"group: {prefix}-full"))
    bare, full = await published(running, prefix), await published(running, f"{prefix}-full")
    for name in ("group", "updated_at"):
        del bare[name], full[name]
    assert bare == full
