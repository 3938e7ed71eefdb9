"""list-runs, show-run."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from db import groups, run_reading, runs
from db.run_reading import NEWEST, Place
from events.reading_commands import ListRuns, ShowRun
from events.record import FieldProblem
from events.results import RunsPage
from workers.aside.group_readings import unknown_group
from workers.aside.jobs import Step
from workers.aside.pages import page, place_of, wrong_after
from workers.commands.answers import Rejected
from workers.runs.records import run_of

if TYPE_CHECKING:
    from db.connections import AnyConnection


async def list_runs(
    connection: AnyConnection, command: ListRuns, progress: dict[str, Any] | None, now: datetime
) -> Step:
    """Runs, newest first: all, or those of a group, which may be deleted."""
    before = await _place(connection, command.after)
    if command.group is not None and await groups.find(connection, command.group) is None:
        raise Rejected(await unknown_group(connection, command.group))
    found = await run_reading.newest(connection, command.group, before, command.limit + 1)
    shown = [await run_of(connection, run) for run in found]
    rows, after = page(shown, command.limit, lambda row: row.run_id)
    return Step(result=RunsPage(runs=rows, after=after))


async def _place(connection: AnyConnection, after: str | None) -> Place:
    run_id = place_of(after)
    if run_id is None:
        return NEWEST
    run = await runs.find(connection, run_id)
    if run is None:
        raise Rejected(wrong_after())
    return run.started_at, run.run_id


async def show_run(
    connection: AnyConnection, command: ShowRun, progress: dict[str, Any] | None, now: datetime
) -> Step:
    """One run."""
    run = await runs.find(connection, command.run_id)
    if run is None:
        message = "there is no such run; list-runs lists them"
        return Step(errors=[FieldProblem("unknown_run", "run_id", message)])
    return Step(result=await run_of(connection, run))
