"""How runs begin, and what is told of them on assignment-runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from secrets import token_hex

from db import runs
from db.connections import AnyConnection
from db.log import Outgoing
from db.runs import Order, Run
from events.encode import encode, headers
from events.outputs import AssignmentRun
from events.topics import ASSIGNMENT_RUNS


def run_of(run: Run) -> AssignmentRun:
    """The run as it is told."""
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
            "started_at": run.started_at.astimezone(UTC),
            "finished_at": run.finished_at,
            "actor": run.actor,
            "reason": run.error or run.reason,
        }
    )


async def start_run(
    connection: AnyConnection, order: Order, *, now: datetime, client_ids: Sequence[str] | None
) -> tuple[str, Outgoing]:
    """Write a run; answers its id and the record that tells of it. Without ids it is planned later."""
    # Of a kind that can be read out and sorts by time.
    run_id = f"{now:%Y%m%dT%H%M%S}-{token_hex(4)}"
    await runs.start(connection, run_id, order, now=now, client_ids=client_ids)
    return run_id, await run_record(connection, run_id, now)


async def run_record(connection: AnyConnection, run_id: str, now: datetime) -> Outgoing:
    """The record that tells how a run stands. Raises LookupError for one that does not exist."""
    run = await runs.find(connection, run_id)
    if run is None:
        raise LookupError(f"there is no run {run_id}")
    return Outgoing(
        ASSIGNMENT_RUNS.name,
        run_id.encode(),
        encode(run_of(run)),
        headers(ASSIGNMENT_RUNS.name, f"{run_id}:{token_hex(8)}", now, run_id),
    )
