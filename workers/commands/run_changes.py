"""Commands that start checks, approve, cancel and undo runs (mission T4, B4)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from db import leaves, runs
from db.connections import AnyConnection
from db.log import Outgoing
from db.runs import Going, Order
from events.commands import ApproveRun, CancelRun, Command, RefreshGeoip, StartCheck, UndoRun
from events.record import FieldProblem
from rules.attributes import GEOIP_COUNTRY
from workers.commands.answers import Done, Given, Rejected
from workers.commands.membership_changes import refuse_unknown
from workers.runs.checks import APPROVED_FROM
from workers.runs.records import run_record, start_run

_GOING: Final = ("running", "held")
CHECKS: Final = ("schedule", "forced")
"""The kinds of runs that go by a group's conditions and options."""
ALL_BUT_DELETION: Final = (*CHECKS, "undo", "members", "geoip", "owed")


async def start_check(connection: AnyConnection, command: StartCheck, given: Given) -> Done:
    """Check all clients against a group, in a run."""
    rules = await given.rulesets.hold(connection)
    refuse_unknown(rules, {"group": command.group})
    for run in await runs.going_on(connection, command.group):
        if run.state == "running":
            message = f"the run {run.run_id} of this group is still going: wait for it, or cancel it"
            raise Rejected(FieldProblem("run_going", "group", message))
    warnings = []
    if not rules.conditional & rules.mask([command.group]):
        message = "the group has no conditions: a check changes nothing"
        warnings.append(FieldProblem("no_conditions", "group", message))
    order = Order("forced", (command.group,), {}, given.record.cause, command.actor, command.reason)
    run_id, told = await start_run(connection, order, now=given.now, client_ids=None)
    return Done(warnings=warnings, run_id=run_id, records=[told])


async def refresh_geoip(connection: AnyConnection, command: RefreshGeoip, given: Given) -> Done:
    """Look all addresses up again, in a run."""
    rules = await given.rulesets.hold(connection)
    if await runs.is_going(connection, "geoip"):
        message = "all addresses are being looked up already: list-runs shows the run"
        raise Rejected(FieldProblem("run_going", "command", message))
    groups = rules.decode(rules.upon_change & rules.readers([GEOIP_COUNTRY]))
    order = Order("geoip", tuple(sorted(groups)), {}, given.record.cause, command.actor, command.reason)
    run_id, told = await start_run(connection, order, now=given.now, client_ids=None)
    return Done(run_id=run_id, records=[told])


async def approve_run(connection: AnyConnection, command: ApproveRun, given: Given) -> Done:
    """Let a held run go on with what it holds."""
    run = await _locked(connection, command.run_id, ("held",), "is not held")
    await leaves.release(connection, run.run_id, APPROVED_FROM, given.now)
    return Done(run_id=run.run_id, records=[await run_record(connection, run.run_id, given.now)])


async def cancel_run(connection: AnyConnection, command: CancelRun, given: Given) -> Done:
    """End a run; what it has done stays."""
    run = await _locked(connection, command.run_id, _GOING, "is over already")
    if run.kind == "delete":
        message = "a group that is being deleted cannot be kept: its members are leaving"
        raise Rejected(FieldProblem("wrong_kind", "run_id", message))
    await runs.finish(connection, run.run_id, "cancelled", now=given.now, why=_by(command))
    told = await run_record(connection, run.run_id, given.now)
    return Done({"run_id": run.run_id, "state": "cancelled"}, records=[told])


async def undo_run(connection: AnyConnection, command: UndoRun, given: Given) -> Done:
    """Put back what a run changed, in a run."""
    await _locked(connection, command.run_id, ("done", "cancelled", "failed"), "is not over: cancel it first")
    undone = await runs.order(connection, command.run_id)
    task = {"run_id": command.run_id}
    order = Order("undo", undone.groups, task, given.record.cause, command.actor, command.reason)
    run_id, told = await start_run(connection, order, now=given.now, client_ids=None)
    return Done(run_id=run_id, records=[told])


async def drop_group(
    connection: AnyConnection, group: str, why: str, now: datetime, kinds: Collection[str]
) -> list[Outgoing]:
    """Let a group fall out of the runs of these kinds that are going; answers what is to be said of them.

    The rules must be held alone: no chunk of them is under way.
    """
    told = []
    for run_id in await runs.drop_group(connection, group, why, kinds):
        if not await runs.still_checks(connection, run_id):
            await runs.finish(connection, run_id, "cancelled", now=now, why=f"{group}: {why}")
        elif await _waits_for_nothing(connection, run_id):
            await runs.finish(connection, run_id, "done", now=now)
        told.append(await run_record(connection, run_id, now))
    return told


async def _waits_for_nothing(connection: AnyConnection, run_id: str) -> bool:
    run = await runs.lock(connection, run_id)
    return run is not None and run.state == "held" and not await leaves.held(connection, run_id, sample=0)


async def _locked(connection: AnyConnection, run_id: str, states: tuple[str, ...], says: str) -> Going:
    run = await runs.lock(connection, run_id)
    if run is None:
        raise Rejected(FieldProblem("unknown_run", "run_id", f"there is no run {run_id}"))
    if run.state not in states:
        message = f"the run {run_id} {says}: its state is {run.state}"
        raise Rejected(FieldProblem("wrong_state", "run_id", message))
    return run


def _by(command: Command) -> str:
    return f"by {command.actor}" + (f": {command.reason}" if command.reason else "")
