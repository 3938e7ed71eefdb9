"""Previews, checks and other runs as operators type them: the command itself, a real worker, real Kafka."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from tests.acceptance.test_operator_cli import COMMAND, ROOT, Typed
from tests.support.running import Running

GROUP = """\
group: {0}
name: Ours
auto_assignment:
  {{periodic: true, schedule: 0 0 1 1 *, upon_change: false, exclude: true,
    hold_leaves_over: {{percent: 0, count: 0}}}}
conditions:
  - {{condition_group: 1, type: request_parameter, parameter: {0}, comparison: equals, value: {1}}}
"""


@pytest.fixture
def typed(running: Running) -> Typed:
    return Typed({**running.environment, "USER": "olga"})


async def register(running: Running, parameter: str, **values: str) -> None:
    """Clients whose ids are `parameter-name`, each with a value of a request parameter of their own."""
    async with AIOKafkaProducer(**running.arguments) as producer:
        for name, value in values.items():
            client_id = f"{parameter}-{name}"
            event = {"client_id": client_id, "request_parameters": {parameter: value}}
            await producer.send_and_wait("client-registered", json.dumps(event).encode(), client_id.encode())


def until_known(typed: Typed, *client_ids: str) -> None:
    """Events are taken on their own topics, in their own time."""
    end = time.monotonic() + 30
    for client_id in client_ids:
        while '"registered": true' not in typed("client", client_id, "--json").stdout:
            assert time.monotonic() < end
            time.sleep(0.2)


async def test_a_preview_then_a_check(running: Running, typed: Typed, prefix: str, tmp_path: Path) -> None:
    await register(running, prefix, a="x", b="x", c="y")
    a, b, c = (f"{prefix}-{name}" for name in "abc")
    until_known(typed, a, b, c)
    file = tmp_path / "group.yaml"
    file.write_text(GROUP.format(prefix, "x"))
    previewed = typed.says("preview", str(file))
    [row] = [line for line in previewed.splitlines() if line.startswith(f"{prefix} ")]
    assert row.split()[1:5] == ["2", "0", "0", "0"]
    assert f"{prefix}: would join: {a}, {b}\n" in previewed
    assert "Nothing was changed." in previewed

    typed("put", str(file))
    checked = typed("check", prefix, "--reason", "new rules")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert " is done: 2 joined, 0 left, " in checked.stdout

    file.write_text(GROUP.format(prefix, "y"))
    [answer] = typed.json("preview", str(file))["previews"]
    result = answer["result"]
    assert (result["would_join"], result["would_leave"], result["would_be_held"]) == (1, 2, True)
    assert result["sample"] == {"join": [c], "leave": [a, b]}
    assert "held for an operator" in typed.says("preview", str(file))


async def held_run(running: Running, typed: Typed, prefix: str) -> str:
    """A check by which `b` joined, and that would take out `a`; answers its id."""
    await register(running, prefix, a="x", b="y")
    until_known(typed, f"{prefix}-a", f"{prefix}-b")
    typed("put", "-", content=GROUP.format(prefix, "y"))
    typed("add", prefix, f"{prefix}-a")
    held = typed("check", prefix)
    assert held.returncode == 1
    assert f"{prefix}: held: 1 of 2 members: {prefix}-a\n" in held.stdout
    return held.stdout.partition("approve ")[2].partition("`")[0]


async def test_what_is_held_is_approved_and_undone(running: Running, typed: Typed, prefix: str) -> None:
    run_id = await held_run(running, typed, prefix)
    card = typed.says("run", run_id, "--follow")
    assert "olga" in card
    assert f"1 of 2: {prefix}-a" in " ".join(card.split())
    approved = typed.json("approve", run_id)
    assert (approved["status"], approved["group"]) == ("accepted", None)
    assert [(run["state"], run["left"]) for run in approved["runs"]] == [("done", 1)]
    assert typed.says("members", prefix, "--ids").split() == [f"{prefix}-b"]
    over = typed("cancel", run_id)
    assert (over.returncode, over.stdout) == (1, "")
    assert over.stderr == f"Error: run_id: the run {run_id} is over already: its state is done\n"
    assert " is done: 1 joined, 1 left, 2 of 2 clients looked at.\n" in typed.says("undo", run_id)
    assert typed.says("members", prefix, "--ids").split() == [f"{prefix}-a"]


async def test_what_is_held_is_cancelled(running: Running, typed: Typed, prefix: str) -> None:
    run_id = await held_run(running, typed, prefix)
    assert typed.says("cancel", run_id, "--reason", "no") == (
        f"run {run_id} is cancelled; what it did stays.\n"
    )
    assert "by olga: no" in typed.says("run", run_id)
    assert run_id in typed.says("runs", "--group", prefix)


def test_many_groups_are_previewed_and_what_is_wrong_is_located(
    typed: Typed, prefix: str, tmp_path: Path
) -> None:
    file = tmp_path / "groups.yaml"
    condition = "{{condition_group: 1, type: country, comparison: equals, value: {2}}}"
    moment = "auto_assignment: {{upon_registration: true}}"
    one = "- {{group: {0}-{1}, name: One, " + moment + ", conditions: [" + condition + "]}}"
    lines = ["groups:", one.format(prefix, 1, "DE"), one.format(prefix, 2, "Germany")]
    file.write_text("\n".join(lines))
    done = typed("preview", str(file))
    assert done.returncode == 1
    assert f"{prefix}-1" in done.stdout
    assert done.stderr.startswith(f"{file}:3: conditions[0].value: expected an ISO 3166-1")
    terminal = Typed({**typed.environment, "TTY_COMPATIBLE": "1", "TERM": "xterm"})
    bar = terminal("preview", "-", content="\n".join(lines[:2]))
    assert bar.returncode == 0
    assert "preview" in bar.stderr


def test_runs_are_followed_as_they_are_told_of(typed: Typed, prefix: str) -> None:
    process = subprocess.Popen(
        [str(COMMAND), "runs", "--follow", "--group", prefix],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=typed.environment,
        cwd=ROOT,
    )
    try:
        assert process.stderr is not None
        assert process.stdout is not None
        assert process.stderr.readline() == "Following from now on; Ctrl-C ends it.\n"
        typed.says("preview", "-", content=GROUP.format(prefix, "x"))
        lines = [process.stdout.readline() for _ in range(2)]
        assert [
            f"preview of {prefix}: {state}, " in line
            for state, line in zip(("running", "done"), lines, strict=True)
        ] == [True, True]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_leaves_a_check_going(running: Running, typed: Typed, prefix: str) -> None:
    typed("put", "-", content=GROUP.format(prefix, "x"))
    named = typed.says("check", prefix, "--no-wait")
    assert named.startswith(f"{prefix}: goes on as run ")
    run_id = named.rpartition("run ")[2].strip("`.\n")
    typed.says("run", run_id, "--follow")
    running.worker.stop()  # so that the answer to whoever follows does not come
    try:
        process = subprocess.Popen(
            [str(COMMAND), "run", run_id, "--follow"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**typed.environment, "TTY_COMPATIBLE": "1", "TERM": "xterm"},
            cwd=ROOT,
        )
        assert process.stderr is not None
        seen = ""
        while "run" not in seen:  # the bar stands
            seen += process.stderr.read(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 130
        assert f"The run goes on: `client-groups run {run_id} --follow`" in err
        assert "Traceback" not in err
    finally:
        running.start_worker()
