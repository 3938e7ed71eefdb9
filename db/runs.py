"""Runs: what touches more clients than one transaction should, done in chunks that the workers share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from db import locks
from db.queries import load
from db.sweeps import RANGE

if TYPE_CHECKING:
    from db.connections import AnyConnection

_runs: Final = load("runs")

CHUNK: Final = 500
"""Clients locked and written in one transaction: tens of milliseconds, so that events pass between."""


class RunOverError(Exception):
    """The run of a chunk ended while the chunk was under way."""


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
    skipped: Mapping[str, int]
    """Why -> how many were left as they are."""
    started_at: datetime
    finished_at: datetime | None
    actor: str | None
    reason: str | None
    ended: str | None
    """Why it failed or was cancelled."""


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
    """Some clients of a run, for one transaction: those named, or the registered ones of a range of ids."""

    run_id: str
    number: int
    client_ids: Sequence[str] | None
    after_id: str | None
    last_id: str | None
    clients: int
    """How many it counts for."""


@dataclass(frozen=True, slots=True)
class Came:
    """What a chunk came to."""

    checked: int = 0
    joined: int = 0
    left: int = 0
    to_leave: int = 0
    """Leaves collected, less those that are done."""
    skipped: Mapping[str, int] = field(default_factory=dict)


class Going(NamedTuple):
    """A run that is not over."""

    run_id: str
    kind: str
    state: str


async def start(
    connection: AnyConnection, run_id: str, order: Order, *, now: datetime, client_ids: Sequence[str] | None
) -> None:
    """Write a run; without `client_ids` it is planned later, by whoever finds it `unplanned`."""
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
    await _runs.add_groups(connection, run_id=run_id, groups=list(order.groups))
    if client_ids is not None:
        await _runs.add_chunks(connection, run_id=run_id, client_ids=list(client_ids), size=CHUNK)


async def start_ended(
    connection: AnyConnection, run_id: str, order: Order, *, now: datetime, why: str
) -> None:
    """Write a run that is cancelled before it began, to say so."""
    await _runs.start_ended(
        connection,
        run_id=run_id,
        kind=order.kind,
        groups=list(order.groups),
        now=now,
        cause=order.cause,
        ended=why,
    )


async def plan(connection: AnyConnection) -> str | None:
    """Cut one run that waits for it into chunks; answers its id."""
    row = await _runs.unplanned(connection)
    if row is None:
        return None
    run_id: str = row["run_id"]
    match row["kind"]:
        case "delete":
            group_id = row["task"]["group"]
            await _runs.add_chunks_of_group(connection, run_id=run_id, group_id=group_id, size=CHUNK)
        case "undo":
            undone = row["task"]["run_id"]
            await _runs.add_chunks_of_run(connection, run_id=run_id, undone=undone, size=CHUNK)
        case "owed":
            await _runs.add_chunks_of_owed(connection, run_id=run_id, size=CHUNK)
        case kind:
            # A check reads a range at once, and locks few of it; where addresses changed, all may be locked.
            size = CHUNK if kind == "geoip" else RANGE
            await _runs.add_chunks_of_everybody(connection, run_id=run_id, size=size)
    await _runs.planned(connection, run_id=run_id)
    return run_id


async def claim(connection: AnyConnection, kinds: Collection[str]) -> Chunk | None:
    """Take a chunk of such runs, in turn over the runs. If the transaction fails, it is free again."""
    row = await _runs.claim(connection, kinds=list(kinds))
    return None if row is None else Chunk(*row)


async def put_back(connection: AnyConnection, chunk: Chunk, *, after_id: str, clients: int) -> None:
    """Leave what is beyond an id of a chunk that was claimed, for another time."""
    await _runs.put_back(
        connection,
        run_id=chunk.run_id,
        number=chunk.number,
        after_id=after_id,
        last_id=chunk.last_id,
        clients=clients,
    )


async def order(connection: AnyConnection, run_id: str) -> Order:
    """What a run is to do."""
    row = await _runs.order(connection, run_id=run_id)
    return Order(row["kind"], tuple(row["groups"]), row["task"], row["cause"], row["actor"], row["reason"])


async def count(connection: AnyConnection, run_id: str, came: Came) -> bool:
    """Add what a chunk came to; answers whether it was the last one of a run that is going.

    Waits for other chunks of the run that are at this step, and holds the run until the transaction ends.
    Raises RunOverError where it ended meanwhile: roll back, for what was told of its end counts.
    """
    row = await _runs.count(
        connection,
        run_id=run_id,
        checked=came.checked,
        joined=came.joined,
        left=came.left,
        to_leave=came.to_leave,
        skipped=dict(came.skipped),
    )
    if row["state"] != "running":
        raise RunOverError(run_id)
    return await is_through(connection, run_id)


async def is_through(connection: AnyConnection, run_id: str) -> bool:
    """Whether nothing of a run is left to be done."""
    through: bool = await _runs.is_through(connection, run_id=run_id)
    return through


async def lock(connection: AnyConnection, run_id: str) -> Going | None:
    """A run, held until the transaction ends; it may be over. None where there is none of this id."""
    row = await _runs.lock(connection, run_id=run_id)
    return None if row is None else Going(row["run_id"], row["kind"], row["state"])


async def finish(
    connection: AnyConnection, run_id: str, state: str, *, now: datetime, why: str | None = None
) -> None:
    """End a run. What is left of it is deleted later, by `clear`."""
    await _runs.finish(connection, run_id=run_id, state=state, finished_at=now, ended=why)


async def clear(connection: AnyConnection, limit: int) -> None:
    """Delete some of what is left of a run that is over. Waits for nobody."""
    run_id = await _runs.not_cleared(connection)
    if run_id is None:
        return
    dropped = await _runs.drop_chunks(connection, run_id=run_id, limit=limit)
    dropped += await _runs.drop_leaves(connection, run_id=run_id, limit=limit)
    if not dropped:
        await _runs.cleared(connection, run_id=run_id)


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


async def going_on(connection: AnyConnection, group: str) -> list[Going]:
    """The runs on a group that are not over, the oldest first."""
    return [Going(*row) async for row in _runs.going(connection, group_id=group)]


async def hold_owed(connection: AnyConnection) -> bool:
    """Be the only one to start what is owed until the transaction ends; answers whether nobody else is."""
    return bool(await _runs.try_lock(connection, namespace=locks.NAMESPACE, lock=locks.OWED))


async def is_going(connection: AnyConnection, kind: str) -> bool:
    """Whether a run of a kind is going or held."""
    return bool(await _runs.is_going(connection, kind=kind))


async def dropped_groups(connection: AnyConnection, run_id: str) -> dict[str, str]:
    """The groups that fell out of a run, and why."""
    return {row["group_id"]: row["dropped"] async for row in _runs.dropped_groups(connection, run_id=run_id)}


async def drop_group(
    connection: AnyConnection, group: str, why: str, kinds: Collection[str]
) -> Collection[str]:
    """Let a group fall out of all runs of some kinds; answers those runs, which are held from here on."""
    rows = _runs.drop_group(connection, group_id=group, why=why, kinds=list(kinds))
    return [row["run_id"] async for row in rows]


async def still_checks(connection: AnyConnection, run_id: str) -> bool:
    """Whether a run has any group left to check. Corrects how many are to leave, too."""
    await _runs.set_to_leave(connection, run_id=run_id)
    checks: bool = await _runs.still_checks(connection, run_id=run_id)
    return checks


async def changed_by(
    connection: AnyConnection, run_id: str, client_ids: Sequence[str]
) -> list[tuple[str, str, bool, str, bool, str | None]]:
    """What a run changed of these clients: client, group, joined, source, whether newest, present cause.

    In version order for each client. The cause is that of the membership as it is, None where there is none.
    """
    rows = _runs.changed_by(connection, run_id=run_id, client_ids=list(client_ids))
    return [tuple(row) async for row in rows]
