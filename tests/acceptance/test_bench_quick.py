"""`make bench` in its smallest form: it goes through, and says what it should. Never what the figures are."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.support.stack import temporary_folder

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(800)  # two or three minutes on an idle machine


async def test_the_benchmark_measures_all_that_it_names(tmp_path: Path) -> None:
    results = tmp_path / "bench.json"
    # Not in pytest's own folder: as root, PostgreSQL runs as a user who cannot enter it.
    with temporary_folder() as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.benchmarks", "--quick"),
            *("--json", str(results), "--folder", str(folder / "stack")),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    found = json.loads(results.read_bytes())

    quiet = found["throughput"]["quiet"]
    names = {"bare Faust agent", "plain Faust agent", "one process", "intake + relay"}
    assert set(quiet["events_per_second"]) == names
    assert all(rate > 0 for rate in quiet["events_per_second"].values())
    assert set(quiet["processor_us_per_event"]["intake + relay"]) == {
        "worker",
        "relay",
        "PostgreSQL",
        "Kafka",
    }
    assert quiet["changes_per_event"] > 0
    assert set(found["evaluator"]["sizes"]) == {"10", "100", "1000", "10000"}
    for moment in ("at_rest", "under_load"):
        measured = found["latency"]["one process"][moment]
        assert measured["event_ms"]["count"] >= 10
        assert measured["floor_ms"]["count"] >= 10
    assert found["evidence"]["keeping"]["quiet"]["rows_per_event"] > 0
    assert set(found["evidence"]["explain_ms"]) == {"now", "version", "at"}
    for clients, run in found["runs"].items():
        assert run["first"]["checked"] == int(clients)
        assert run["first"]["state"] == "done"
        # What the rules and what queries make of it, who compute it apart from each other.
        assert (run["first"]["joined"], run["first"]["left"]) == (
            run["written"]["to_join"],
            run["written"]["to_leave"],
        )
        assert run["ratio_to_floor"] > 0
        assert run["events"]["during_ms"]["count"] > 0
        assert run["memory_mib"]["peak"] > 0
    assert found["scale"]["written"]["memberships"] == 40_000
    assert all(seconds["median"] > 0 for seconds in found["scale"]["seconds"].values())
    assert found["scale"]["deletion"]["answer"] == "accepted"
    assert len(found["aims"]) == 12
    assert found["machine"]["cores"] >= 1
    for aim in found["aims"]:
        assert aim["wanted"] in said.decode()
