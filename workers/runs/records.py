"""How runs begin, and what is told of them on assignment-runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from secrets import token_hex
from typing import Final

from db import leaves, runs
from db.connections import AnyConnection
from db.log import Outgoing
from db.runs import Order, Run
from events.encode import encode, headers
from events.outputs import AssignmentRun
from events.topics import ASSIGNMENT_RUNS

SAMPLE: Final = 10
"""Clients named of those who are held."""


async def run_of(connection: AnyConnection, run: Run) -> AssignmentRun:
    """The run as it is told."""
    held = await leaves.held(connection, run.run_id, sample=SAMPLE) if run.state == "held" else []
    return AssignmentRun.model_validate(
        {
            "run_id": run.run_id,
            "groups": list(run.groups),
            "kind": run.kind,
            "state": run.state,
            "checked": run.checked,
            "total": run.total,
            "joined": run.joined,
            "left": run.left,
            "to_leave": run.to_leave,
            "held": {
                each.group: {"to_leave": each.leaving, "members": each.members, "sample": each.sample}
                for each in held
            }
            or None,
            "dropped": await runs.dropped_groups(connection, run.run_id) or None,
            "skipped": dict(run.skipped) or None,
            "started_at": run.started_at.astimezone(UTC),
            "finished_at": run.finished_at,
            "actor": run.actor,
            "reason": run.ended or run.reason,
        }
    )


def new_run_id(now: datetime) -> str:
    """One that can be read out and sorts by time."""
    return f"{now:%Y%m%dT%H%M%S}-{token_hex(4)}"


async def start_run(
    connection: AnyConnection, order: Order, *, now: datetime, client_ids: Sequence[str] | None
) -> tuple[str, Outgoing]:
    """Write a run; answers its id and the record that tells of it. Without ids it is planned later."""
    run_id = new_run_id(now)
    await runs.start(connection, run_id, order, now=now, client_ids=client_ids)
    return run_id, await run_record(connection, run_id, now)


async def run_record(connection: AnyConnection, run_id: str, now: datetime) -> Outgoing:
    """The record that tells how a run stands. Raises LookupError for one that does not exist."""
    run = await runs.find(connection, run_id)
    if run is None:
        raise LookupError(f"there is no run {run_id}")
    return told(await run_of(connection, run), now)


def told(run: AssignmentRun, now: datetime) -> Outgoing:
    """The record that says this of a run."""
    return Outgoing(
        ASSIGNMENT_RUNS.name,
        run.run_id.encode(),
        encode(run),
        headers(ASSIGNMENT_RUNS.name, f"{run.run_id}:{token_hex(8)}", now, run.run_id),
    )
