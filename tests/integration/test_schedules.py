"""Checks by the clock (mission T3), with a clock moved by hand."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.driver import Driver, condition, driver

DE = condition("country", value="DE")


async def put(
    work: Driver, group: str, schedule: str = "0 3 * * *", timezone: str = "UTC", **more: Any
) -> None:
    auto = {"periodic": True, "schedule": schedule, "timezone": timezone, "exclude": True, **more}
    answer = await work.command("put-group", group=group, name=group, auto_assignment=auto, conditions=[DE])
    assert answer["status"] == "done", answer


async def started(work: Driver) -> list[tuple[str, ...]]:
    """The groups of the scheduled runs that were started, in their order."""
    rows = await work.fetch(
        "SELECT groups FROM runs WHERE kind = 'schedule' AND state <> 'cancelled' ORDER BY started_at, run_id"
    )
    return [tuple(groups) for (groups,) in rows]


async def tick(work: Driver, at: datetime) -> int:
    """Let it be that time; answers how many runs were started."""
    before = len(await started(work))
    work.now = at
    await work.scheduler.tick()
    await work.run_all()
    return len(await started(work)) - before


def utc(day: int, hour: int, minute: int = 0, second: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, second, tzinfo=UTC)


async def test_each_due_moment_runs_once_for_all_groups_that_are_due(work: Driver) -> None:
    await work.publish("client-registered", client_id="1", registered_at=work.at(0), country="DE")
    for group in ("b", "a"):
        await put(work, group)
    await put(work, "noon", "0 12 * * *")
    assert await tick(work, utc(22, 11, 59, 59)) == 0
    assert await tick(work, utc(23, 2, 59, 59)) == 1
    assert await started(work) == [("noon",)]
    assert await tick(work, utc(23, 3)) == 1
    assert await tick(work, utc(23, 3, 0, 1)) == 0
    assert await started(work) == [("noon",), ("a", "b")]
    assert await work.groups("1") == {"a": "rule", "b": "rule", "noon": "rule"}
    assert await tick(work, utc(24, 3)) == 1


async def test_moments_that_were_missed_count_once(work: Driver) -> None:
    await put(work, "a")
    assert await tick(work, utc(29, 9)) == 1
    assert await tick(work, utc(29, 9, 1)) == 0
    assert await tick(work, utc(30, 3)) == 1


async def test_a_step_of_the_clock_repeats_nothing(work: Driver) -> None:
    await put(work, "a")
    assert await tick(work, utc(23, 3)) == 1
    assert await tick(work, utc(23, 0)) == 0  # three hours back
    assert await tick(work, utc(23, 3)) == 0
    assert await tick(work, utc(23, 9)) == 0  # and forward
    assert await tick(work, utc(24, 3)) == 1


async def test_a_clock_that_was_far_ahead_begins_anew(work: Driver) -> None:
    await put(work, "a")
    assert await tick(work, datetime(2036, 1, 1, tzinfo=UTC)) == 1
    assert await tick(work, utc(23, 2)) == 0
    assert await tick(work, utc(23, 3)) == 1


@pytest.mark.parametrize(
    ("before", "due"),
    [
        # In Berlin 2:30 is skipped on 29 March 2026, and comes twice on 25 October.
        (utc(28, 12, month=3), [utc(29, 1, 0, 0, month=3), utc(30, 0, 30, month=3)]),
        (utc(24, 12, month=10), [utc(25, 0, 30, month=10), utc(26, 1, 30, month=10)]),
    ],
)
async def test_daylight_saving(work: Driver, before: datetime, due: list[datetime]) -> None:
    work.now = before
    await put(work, "a", "30 2 * * *", "Europe/Berlin")
    moments = []
    now = before
    while now < before + timedelta(hours=42):
        now += timedelta(minutes=30)
        if await tick(work, now):
            moments.append(now)
    assert moments == due


async def test_a_group_whose_run_is_going_is_not_started_again_and_that_is_said(work: Driver) -> None:
    await put(work, "a")
    answer = await work.command("start-check", group="a")
    await put(work, "b")
    work.now = utc(23, 3)
    await work.scheduler.tick()
    assert await started(work) == [("b",)]
    (said,) = [each for each in await work.sent("assignment-runs") if each["state"] == "cancelled"]
    assert (said["groups"], said["kind"]) == (["a"], "schedule")
    assert answer["run_id"] in said["reason"]


async def test_a_schedule_that_changes_or_goes(work: Driver) -> None:
    await put(work, "a", "0 11 * * *")
    await put(work, "a", "0 12 * * *")
    assert await tick(work, utc(22, 11)) == 0
    await put(work, "a", "0 12 * * *", keep_manual=True)
    assert await tick(work, utc(22, 12)) == 1
    await work.command("change-group", group="a", auto_assignment={"periodic": False})
    assert await tick(work, utc(25, 12)) == 0
    await put(work, "a")
    await work.command("delete-group", group="a")
    assert await tick(work, utc(27, 3)) == 0


async def test_two_leaders_start_it_once(work: Driver, database_url: str) -> None:
    await put(work, "a")
    async with driver(database_url) as other:
        work.now = other.now = utc(23, 3)
        await asyncio.gather(work.scheduler.tick(), other.scheduler.tick())
        await asyncio.gather(work.scheduler.tick(), other.scheduler.tick())
    assert await started(work) == [("a",)]
