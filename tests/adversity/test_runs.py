"""A worker is killed in the middle of a run: each chunk is done once, by it or by the next one."""

from __future__ import annotations

import signal

import pytest

from tests.support.driver import condition, driver
from tests.support.runner_process import run_until_killed

DE = condition("country", value="DE")
CLIENTS = [f"c{number:04}" for number in range(1_100)]


@pytest.mark.parametrize(
    ("crash_at", "done"),
    [
        ("chunk-before-commit", 0),
        ("chunk-before-commit:2", 500),
        ("chunk-after-commit", 500),
        ("chunk-after-commit:3", 1_100),
    ],
)
async def test_a_kill_in_the_middle_of_a_run(database_url: str, crash_at: str, done: int) -> None:
    async with driver(database_url) as work:
        at = work.now.isoformat()
        records = [
            work.record("client-registered", {"client_id": each, "registered_at": at, "country": "DE"})
            for each in CLIENTS
        ]
        await work.handle(*records)
        await work.command("put-group", group="de", name="DE", auto_assignment={}, conditions=[DE])
        answer = await work.command("start-check", group="de")
        assert await run_until_killed(database_url, crash_at) == -signal.SIGKILL
        assert await work.fetch("SELECT count(*) FROM memberships") == [(done,)]
        await work.run_all()
        told = [each for each in await work.sent("assignment-runs") if each["run_id"] == answer["run_id"]][-1]
        assert (told["state"], told["checked"], told["joined"]) == ("done", 1_100, 1_100)
        assert await work.fetch("SELECT count(*), max(version) FROM membership_history") == [(1_100, 1)]
