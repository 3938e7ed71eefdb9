"""`make demo`: ends by itself and tells the truth, or says in one sentence why not."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
import yaml

from deploy.local import demo_check
from deploy.local.demo_traffic import Seen
from deploy.local.demo_world import World
from events.conditions import CONDITION_TYPES

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "deploy.local.demo"]
WITHOUT_SERVERS = {
    name: value
    for name, value in os.environ.items()
    if name not in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL")
}


def seen(client: str, group: str, change: str, version: int) -> Seen:
    return Seen({"client_id": client, "group": group, "change": change, "version": version, "cause": ""}, 0.0)


def record(version: int, *groups: str) -> dict[str, object]:
    return {"version": version, "groups": {group: {} for group in groups}}


def test_it_shows_changes_sums_up_and_ends() -> None:
    done = subprocess.run(
        [*DEMO, "--watched", "8", "--burst", "1000"],
        cwd=ROOT,
        env=WITHOUT_SERVERS,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "8 groups: 8 created." in done.stdout
    assert "joins demo-unverified" in done.stdout
    assert "at rest, one event at a time" in done.stdout
    assert "Burst: 1,000 events and " in done.stdout
    assert "give the same groups as client-memberships." in done.stdout


def test_ctrl_c_stops_everything() -> None:
    # In a folder of its own for temporary files: what is left there at the end is the demo's.
    with tempfile.TemporaryDirectory(prefix="cg-demo-") as folder:
        Path(folder).chmod(0o755)
        demo = subprocess.Popen(
            DEMO,
            cwd=ROOT,
            env={**WITHOUT_SERVERS, "TMPDIR": folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert demo.stdout is not None
        for line in demo.stdout:
            if "Creating topics" in line:
                break
        time.sleep(1.0)
        children = psutil.Process(demo.pid).children(recursive=True)
        assert children
        demo.send_signal(signal.SIGINT)
        _, errors = demo.communicate(timeout=60)
        assert demo.returncode == 130, errors
        assert errors == "Stopped.\n"
        assert not psutil.wait_procs(children, timeout=10)[1]
        assert not list(Path(folder).iterdir())


def test_a_worker_that_dies_is_a_sentence() -> None:
    with tempfile.TemporaryDirectory(prefix="cg-demo-") as folder:
        Path(folder).chmod(0o755)
        demo = subprocess.Popen(
            DEMO,
            cwd=ROOT,
            env={**WITHOUT_SERVERS, "TMPDIR": folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert demo.stdout is not None
        for line in demo.stdout:
            if "one by one" in line:
                break
        workers = [
            child
            for child in psutil.Process(demo.pid).children(recursive=True)
            if child.cmdline()[-1:] == ["worker"] and not any("guard" in part for part in child.cmdline())
        ]
        assert len(workers) == 1
        workers[0].kill()
        _, errors = demo.communicate(timeout=60)
        assert demo.returncode == 1, errors
        assert errors.startswith("Error: the worker has ended by itself")
        assert "Logs are kept in" in errors
        assert "Traceback" not in errors


def test_a_failure_is_a_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        DEMO,
        cwd=ROOT,
        env={**WITHOUT_SERVERS, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: no Kafka answers at 127.0.0.1:1")
    assert "Traceback" not in done.stderr


def test_its_groups_use_every_type_of_condition() -> None:
    groups = yaml.safe_load((ROOT / "deploy" / "local" / "demo_groups.yaml").read_bytes())["groups"]
    used = {condition["type"] for group in groups for condition in group["conditions"]}
    assert used == set(CONDITION_TYPES)


def test_its_world_is_the_same_for_the_same_seed() -> None:
    def told(seed: int) -> list[str]:
        world = World("run", seed)
        return [event.says for event in world.burst(500)]

    assert told(1) == told(1) != told(2)


def test_its_check_finds_nothing_where_all_is_well() -> None:
    folded = demo_check.fold(
        [
            seen("1", "a", "joined", 1),
            seen("1", "b", "joined", 2),
            seen("1", "a", "left", 3),
            seen("2", "a", "joined", 1),
            seen("2", "a", "left", 2),
        ]
    )
    assert demo_check.differences(folded, {"1": record(3, "b"), "2": None, "3": record(0)}) == []
    assert (folded.joined["a"], folded.left["a"], folded.members["a"], folded.members["b"]) == (2, 2, 0, 1)


@pytest.mark.parametrize(
    ("changes", "published", "says"),
    [
        ([("1", "a", "joined", 2)], {"1": record(2, "a")}, "version 2 came after 0"),
        ([("1", "a", "joined", 1)] * 2, {"1": record(1, "a")}, "version 1 came after 1"),
        ([("1", "a", "left", 1)], {"1": record(1)}, "left a twice"),
        ([("1", "a", "joined", 1)], {"1": record(1)}, "differs"),
        ([("1", "a", "joined", 1)], {"1": record(2, "a")}, "has version 2"),
        ([("1", "a", "joined", 1)], {"1": None}, "differs"),
        ([("1", "a", "joined", 1), ("1", "a", "left", 2)], {}, "has nothing of it"),
        ([], {"1": record(1, "a")}, "differs"),
    ],
)
def test_its_check_finds_what_is_wrong(
    changes: list[tuple[str, str, str, int]], published: dict[str, dict[str, object] | None], says: str
) -> None:
    found = demo_check.differences(demo_check.fold(seen(*change) for change in changes), published)
    assert any(says in each for each in found), found


def test_percentiles_are_values_that_were_measured() -> None:
    ordered = [float(number) for number in range(1, 101)]
    assert [demo_check.percentile(ordered, share) for share in (0.0, 0.5, 0.99, 1.0)] == [
        1.0,
        50.0,
        99.0,
        100.0,
    ]
    assert demo_check.percentile([7.0], 0.99) == 7.0
