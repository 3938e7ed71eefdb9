"""Runs: what touches more clients than one transaction should, done in chunks that the workers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from db.queries import load

if TYPE_CHECKING:
    from db.connections import AnyConnection

_runs: Final = load("runs")

CHUNK: Final = 500
"""Clients in a chunk: a transaction of tens of milliseconds, so that events pass between."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it is."""

    run_id: str
    kind: str
    groups: tuple[str, ...]
    state: str
    checked: int
    total: int
    joined: int
    left: int
    to_leave: int
    started_at: datetime
    finished_at: datetime | None
    actor: str | None
    reason: str | None
    error: str | None
    """Why it failed."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is to do."""

    kind: str
    groups: tuple[str, ...]
    task: Mapping[str, Any]
    cause: str
    actor: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some clients of a run, to be done in one transaction."""

    run_id: str
    number: int
    client_ids: Sequence[str]


async def start(
    connection: AnyConnection, run_id: str, order: Order, *, now: datetime, client_ids: Sequence[str] | None
) -> None:
    """Write a run; without `client_ids` it is planned later, by `plan`."""
    await _runs.start(
        connection,
        run_id=run_id,
        kind=order.kind,
        groups=list(order.groups),
        task=dict(order.task),
        total=len(client_ids or ()),
        planned=client_ids is not None,
        started_at=now,
        cause=order.cause,
        actor=order.actor,
        reason=order.reason,
    )
    if client_ids is not None:
        await _runs.add_chunks(connection, run_id=run_id, client_ids=list(client_ids), size=CHUNK)


async def plan(connection: AnyConnection) -> str | None:
    """Cut one run that waits for it into chunks; answers its id. It is about all who are in its group."""
    row = await _runs.unplanned(connection)
    if row is None:
        return None
    run_id: str = row["run_id"]
    await _runs.add_chunks_of_group(connection, run_id=run_id, group_id=row["task"]["group"], size=CHUNK)
    await _runs.planned(connection, run_id=run_id)
    return run_id


async def claim(connection: AnyConnection) -> Chunk | None:
    """Take a chunk, in turn over the runs. If the transaction fails, the chunk is free again."""
    row = await _runs.claim(connection)
    return None if row is None else Chunk(row["run_id"], row["number"], row["client_ids"])


async def order(connection: AnyConnection, run_id: str) -> Order:
    """What a run is to do."""
    row = await _runs.task(connection, run_id=run_id)
    return Order(row["kind"], tuple(row["groups"]), row["task"], row["cause"], row["actor"], row["reason"])


async def count(connection: AnyConnection, run_id: str, *, checked: int, joined: int, left: int) -> bool:
    """Add what a chunk came to; answers whether it was the last one.

    Waits for other chunks of the run that are at this step, and holds the run until the transaction ends.
    """
    await _runs.count(connection, run_id=run_id, checked=checked, joined=joined, left=left)
    return await is_through(connection, run_id)


async def is_through(connection: AnyConnection, run_id: str) -> bool:
    """Whether nothing of a run is left to be done."""
    through: bool = await _runs.is_through(connection, run_id=run_id)
    return through


async def finish(
    connection: AnyConnection, run_id: str, state: str, *, now: datetime, error: str | None = None
) -> None:
    """End a run, and forget what is left of it."""
    await _runs.drop_chunks(connection, run_id=run_id)
    await _runs.finish(connection, run_id=run_id, state=state, finished_at=now, error=error)


async def is_time_to_tell(connection: AnyConnection, run_id: str, now: datetime) -> bool:
    """Whether a second has gone by since progress was told last; counts as told then."""
    return bool(await _runs.tell(connection, run_id=run_id, now=now))


async def fail_chunk(connection: AnyConnection, chunk: Chunk) -> int:
    """Count a failure of a chunk; answers how many it has by now."""
    failures: int | None = await _runs.fail_chunk(connection, run_id=chunk.run_id, number=chunk.number)
    return failures or 0


async def find(connection: AnyConnection, run_id: str) -> Run | None:
    """One run, or None."""
    row = await _runs.run(connection, run_id=run_id)
    if row is None:
        return None
    values = dict(row)
    return Run(**values | {"groups": tuple(values["groups"])})


async def going_on(connection: AnyConnection, group: str) -> str | None:
    """The id of a run on a group that is going, or None."""
    run_id: str | None = await _runs.going(connection, group_id=group)
    return run_id
