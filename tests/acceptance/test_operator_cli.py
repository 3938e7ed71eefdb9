"""The commands of operators, as they type them: the command itself, a real worker, real Kafka."""

import json
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from tests.support.running import Running

ROOT = Path(__file__).parents[2]
COMMAND = Path(sysconfig.get_path("scripts")) / "client-groups"
GROUP = """\
group: {0}
name: Ours
description: For a test
conditions:
  - {{condition_group: 1, type: country, comparison: one_of, value: [NO, SE]}}
  - {{condition_group: 2, type: request_parameter, parameter: {0}, comparison: is_set}}
auto_assignment: {{upon_change: true}}
"""
"""Of conditions that no other group has, and checked: there is nothing to warn of."""
MANY = 1_500
"""More than a worker does at once: they go on as a run."""


class Typed:
    """Runs `client-groups` with arguments, as `typed("groups", "--json")`."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def __call__(self, *arguments: str, content: str | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(COMMAND), *arguments],
            input=content,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            env=self.environment,
            cwd=ROOT,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def json(self, *arguments: str, content: str | None = None) -> Any:
        """What it prints with --json, where it succeeds."""
        done = self(*arguments, "--json", content=content)
        assert (done.returncode, done.stderr) == (0, ""), done
        return json.loads(done.stdout)

    def says(self, *arguments: str, content: str | None = None) -> str:
        """What it prints, where it succeeds and has nothing to warn of."""
        done = self(*arguments, content=content)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout


@pytest.fixture
def typed(running: Running) -> Typed:
    return Typed({**running.environment, "USER": "olga"})


async def register(running: Running, *client_ids: str, **fields: Any) -> None:
    producer = AIOKafkaProducer(**running.arguments)
    await producer.start()
    try:
        for client_id in client_ids:
            event = {"client_id": client_id, **fields}
            await producer.send_and_wait("client-registered", json.dumps(event).encode(), client_id.encode())
    finally:
        await producer.stop()


def until(typed: Typed, *arguments: str, has: str) -> str:
    """Ask again until the answer has a text: events are taken on their own topics, in their own time."""
    end = time.monotonic() + 30
    while True:
        done = typed(*arguments)
        if has in done.stdout or time.monotonic() > end:
            assert has in done.stdout, done
            return done.stdout
        time.sleep(0.3)


def test_put_shows_what_became_of_the_group(typed: Typed, prefix: str, tmp_path: Path) -> None:
    content = GROUP.format(prefix)
    created = typed("put", "-", "--if-version", "0", content=content)
    assert created.stdout == f"{prefix}: created (version 1).\n"
    assert "start-check" in created.stderr  # a warning with its line
    assert typed.says("put", "-", content=content) == f"{prefix}: unchanged (version 1).\n"
    file = tmp_path / "group.yaml"
    file.write_text(content.replace("Ours", "Yours"))
    assert typed.says("put", str(file)) == f"{prefix}: changed (version 2).\n"
    assert typed.json("put", str(file))["result"] == {"version": 2, "changed": False}

    again = typed("put", str(file), "--if-version", "1")
    assert again.returncode == 1
    assert again.stderr == f"{file}:1: if_version: its version is 2, not 1\n"
    file.write_text(content.replace("NO", "Norway"))
    wrong = typed("put", str(file))
    assert wrong.returncode == 1
    assert wrong.stderr.startswith(f"{file}:5: conditions[0].value: value 1: expected an ISO 3166-1")


def test_by_hand_from_the_command_line_and_from_a_file(typed: Typed, prefix: str) -> None:
    typed("put", "-", content=GROUP.format(prefix))
    a, b, c = (f"{prefix}-{name}" for name in "abc")
    assert typed.says("add", prefix, a, b, a) == f"{prefix}: 2 memberships changed.\n"
    assert typed.json("add", prefix, b, "--file", "-", content=f"{c}\n\n")["result"] == {"changed": 1}
    assert typed.says("remove", prefix, "--file", "-", content=f"{a}\r\n") == (
        f"{prefix}: 1 membership changed.\n"
    )

    assert "1 membership and 1 pin changed" in typed.says("pin", prefix, a, "--in", "--expires", "2h")
    refused = typed("remove", prefix, a)
    assert refused.returncode == 1
    assert refused.stderr == (
        f"Error: clients[0]: the client {a} is pinned to the group {prefix}; unpin it first\n"
    )
    passed_over = typed("remove", prefix, b, a)
    assert (passed_over.returncode, passed_over.stdout) == (0, f"{prefix}: 1 membership changed.\n")
    assert passed_over.stderr.startswith("Warning: clients[1]: ")
    assert "1 membership and 1 pin changed" in typed.says("unpin", prefix, a)

    unknown = typed("add", f"{prefix}-other", a)
    assert unknown.returncode == 1
    assert unknown.stderr.startswith(f"Error: group: the group '{prefix}-other' is unknown")
    assert typed.says("delete", prefix) == f"{prefix}: 1 member left; the group is deleted.\n"


def test_what_goes_on_as_a_run_is_followed(typed: Typed, prefix: str) -> None:
    typed("put", "-", content=GROUP.format(prefix))
    clients = "\n".join(f"{prefix}-{number}" for number in range(MANY))
    added = typed.json("add", prefix, "--file", "-", content=clients)
    assert added["status"] == "accepted"
    [run] = added["runs"]
    assert (run["state"], run["checked"], run["joined"]) == ("done", MANY, MANY)

    named = typed("delete", prefix, "--no-wait")
    assert (named.returncode, named.stderr) == (0, "")
    assert named.stdout.startswith(f"{prefix}: goes on as run ")
    run_id = named.stdout.rpartition("run ")[2].strip("`.\n")
    assert f"run {run_id}" in until(typed, "run", run_id, has="state     done")
    assert run_id in typed.says("runs", "--group", prefix)

    typed("put", "-", content=GROUP.format(prefix))
    terminal = Typed({**typed.environment, "TTY_COMPATIBLE": "1", "TERM": "xterm"})
    held = terminal("pin", prefix, "--in", "--file", "-", content=clients)
    assert held.returncode == 0
    assert f"{MANY}/{MANY}" in held.stderr  # the bar
    assert f"{MANY:,} joined" in held.stdout


async def test_what_is_there_is_shown(running: Running, typed: Typed, prefix: str) -> None:
    group = GROUP.format(prefix).replace("upon_change", "upon_registration")
    typed("put", "-", content=group)
    client = f"{prefix}-1"
    await register(running, client, country="NO", ip="192.0.2.7", request_parameters={prefix: "\x1b[31m"})
    card = until(typed, "client", client, has="rule")
    assert ["country", "NO"] in [line.split() for line in card.splitlines()]
    assert "\\x1b[31m" in card
    assert prefix in card

    by_hand = f"{prefix}-2"
    typed.says("add", prefix, by_hand, "--reason", "asked for it")
    shown = typed.says("group", prefix)
    assert "members             2" in shown
    assert "(1) country is one of NO, SE" in shown
    assert f'and (2) request parameter "{prefix}" is set' in shown
    written = typed.says("group", prefix, "--yaml")
    assert typed.says("put", "-", content=written) == f"{prefix}: unchanged (version 1).\n"
    as_json = json.dumps(typed.json("group", prefix))
    assert typed.says("put", "-", content=as_json) == f"{prefix}: unchanged (version 1).\n"

    assert typed.says("members", prefix, "--ids").splitlines() == [client, by_hand]
    assert "manual" in typed.says("members", prefix)
    first = typed("members", prefix, "--limit", "1")
    assert client in first.stdout
    assert by_hand not in first.stdout
    assert first.stderr == "There are more.\n"
    joined = typed.json("members", prefix)
    assert (joined["result"]["clients"], "after" in joined["result"]) == ([client, by_hand], False)

    [row] = [line for line in typed.says("groups").splitlines() if line.startswith(prefix)]
    assert row.split()[:6] == [prefix, "Ours", "2", "2", "0", "1"]
    assert "asked for it" in typed.says("history", by_hand)
    [change] = typed.json("history", client, "--group", prefix)["result"]["changes"]
    assert (change["change"], change["moment"]) == ("joined", "registration")
    assert typed("history").returncode == 2

    unknown = typed("group", f"{prefix}-other", "--json")
    assert (unknown.returncode, json.loads(unknown.stdout)["status"]) == (1, "rejected")
    assert unknown.stderr == f"Error: group: the group '{prefix}-other' is unknown (did you mean {prefix}?)\n"


def test_pages_are_joined(typed: Typed, prefix: str) -> None:
    typed("put", "-", content=GROUP.format(prefix))
    clients = [f"{prefix}-{number:04}" for number in range(MANY)]
    typed("add", prefix, "--file", "-", content="\n".join(clients))
    result = typed.json("members", prefix)["result"]
    assert result["clients"] == clients
    assert list(result["memberships"]) == clients
    assert typed.says("members", prefix, "--ids").split() == clients


@contextmanager
def watching(typed: Typed, *options: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [str(COMMAND), "watch", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=typed.environment,
        cwd=ROOT,
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "Watching from now on; Ctrl-C ends it.\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_watch(typed: Typed, prefix: str) -> None:
    other = f"{prefix}-other"
    for group in (prefix, other):
        typed("put", "-", content=GROUP.format(group))
    typed("add", prefix, "before")
    with (
        watching(typed, "--group", prefix, "--limit", "2", "--json") as by_group,
        watching(typed, "--client", f"{prefix}-1") as by_client,
    ):
        typed("add", other, f"{prefix}-1")
        typed("add", prefix, f"{prefix}-1", "--reason", "asked for it")
        typed("remove", prefix, f"{prefix}-1")
        assert by_group.stdout is not None
        assert by_client.stdout is not None
        changes = [json.loads(by_group.stdout.readline()) for _ in range(2)]
        assert [(each["client_id"], each["change"]) for each in changes] == [
            (f"{prefix}-1", "joined"),
            (f"{prefix}-1", "left"),
        ]
        assert by_group.wait(20) == 0
        lines = [by_client.stdout.readline() for _ in range(3)]
        assert f"joined {other} (manual), version 1, by olga" in lines[0]
        assert f"joined {prefix} (manual), version 2, by olga: asked for it" in lines[1]
        by_client.send_signal(2)
        assert by_client.wait(20) == 0


def test_without_a_worker_it_says_so(running: Running, typed: Typed, prefix: str) -> None:
    running.worker.stop()
    try:
        for arguments in (
            ("groups",),
            ("client", "1"),
            ("put", "-"),
            ("run", "1"),
            ("members", prefix, "--ids"),
            ("history", "1", "--json"),
        ):
            content = GROUP.format(prefix) if arguments[0] == "put" else None
            done = typed(*arguments, "--timeout", "0.5", content=content)
            assert (done.returncode, done.stdout) == (3, ""), done
            assert done.stderr.startswith("Error: no answer to ")
            assert "is a worker running?" in done.stderr
            assert done.stderr.count("\n") == 1
        many = "\n".join(map(str, range(20_001)))
        done = typed("add", prefix, "--file", "-", "--timeout", "0.5", content=many)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.startswith(
            "Error: no answer within 0.5 s to 3 of 3 commands: is a worker running?"
        )
    finally:
        running.start_worker()


def test_without_kafka_it_says_so(typed: Typed) -> None:
    away = Typed({**typed.environment, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    for arguments in (("groups",), ("add", "vip", "1"), ("watch",)):
        done = away(*arguments)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr == "Error: no Kafka answers at 127.0.0.1:1.\n"
    without = {name: value for name, value in typed.environment.items() if name != "KAFKA_BOOTSTRAP_SERVERS"}
    for asked in (("groups",), ("delete", "vip"), ("watch",)):
        done = Typed(without)(*asked)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("KAFKA_BOOTSTRAP_SERVERS is not set")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "vip"), "no clients are given"),
        (("add", "vip", "x" * 65), "is no id"),
        (("add", "vip", "--file", "no-such-file"), "no-such-file"),
        (("pin", "vip", "1"), "--in"),
        (("pin", "vip", "1", "--in", "--expires", "soon"), "--expires"),
        (("groups", "--limit", "0"), "--limit"),
        (("group", "\udcff"), "not UTF-8"),
        (("add", "vip", "1", "--reason", "\udcff"), "not UTF-8"),
        (("put", "no-such-file"), "no-such-file"),
    ],
)
def test_usage(typed: Typed, arguments: tuple[str, ...], says: str) -> None:
    done = typed(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_a_shell_is_told_how_to_complete(typed: Typed) -> None:
    environment = {
        **typed.environment,
        "_CLIENT_GROUPS_COMPLETE": "complete_bash",
        "COMP_WORDS": "client-groups unp",
        "COMP_CWORD": "1",
    }
    assert Typed(environment)().stdout.split() == ["unpin"]
