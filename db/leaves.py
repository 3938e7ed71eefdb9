"""The leaves that a check collects, applied at its end or held for an operator (mission B4)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from db.queries import load
from db.runs import CHUNK

if TYPE_CHECKING:
    from db.connections import AnyConnection

_runs: Final = load("runs")


class Leaving(NamedTuple):
    """How many are to leave a group, of how many, and from what on that is held."""

    group: str
    leaving: int
    members: int
    percent: Decimal | None
    at_least: int | None
    """Both None: never held."""

    @property
    def is_too_many(self) -> bool:
        """Whether they are more than both numbers of `hold_leaves_over`."""
        if self.percent is None or self.at_least is None:
            return False
        return self.leaving > self.at_least and self.leaving * 100 > self.percent * self.members


class Held(NamedTuple):
    """What waits for an operator."""

    group: str
    members: int
    """When its leaves were counted."""
    leaving: int
    sample: Sequence[str]
    """The first of those who are to leave, by id."""


async def groups_checked(connection: AnyConnection, run_id: str) -> dict[str, bool]:
    """The groups that a run still checks, each with whether its leaves are held."""
    rows = _runs.groups_checked(connection, run_id=run_id)
    return {row["group_id"]: row["held"] async for row in rows}


async def collect(
    connection: AnyConnection, run_id: str, leaves: Sequence[tuple[str, str, str | None]]
) -> None:
    """Remember who is to leave: client, group, moment (None: that of the run)."""
    if leaves:
        client_ids, groups, moments = map(list, zip(*leaves, strict=True))
        await _runs.collect_leaves(
            connection, run_id=run_id, client_ids=client_ids, group_ids=groups, moments=moments
        )


async def of_clients(
    connection: AnyConnection, run_id: str, client_ids: Collection[str]
) -> list[tuple[str, str, str | None]]:
    """Who of these clients is to leave what (client, group, moment): what is still checked and not held."""
    rows = _runs.leaves_of(connection, run_id=run_id, client_ids=list(client_ids))
    return [tuple(row) async for row in rows]


async def forget(connection: AnyConnection, run_id: str, client_ids: Collection[str]) -> int:
    """Forget who was to leave a group that is not held, as it is done; answers how many that were."""
    forgotten: int = await _runs.forget_leaves(connection, run_id=run_id, client_ids=list(client_ids))
    return forgotten


async def count(connection: AnyConnection, run_id: str) -> list[Leaving]:
    """How many are to leave each group that is still checked, where there are any."""
    return [Leaving(*row) async for row in _runs.count_leaves(connection, run_id=run_id)]


async def hold(connection: AnyConnection, run_id: str, groups: Sequence[Leaving]) -> None:
    """Let the leaves of these groups wait for an operator."""
    await _runs.hold_groups(
        connection,
        run_id=run_id,
        groups=[each.group for each in groups],
        members=[each.members for each in groups],
    )


async def held(connection: AnyConnection, run_id: str, *, sample: int) -> list[Held]:
    """What of a run waits for an operator, with so many of those who are to leave."""
    return [Held(*row) async for row in _runs.held_groups(connection, run_id=run_id, sample=sample)]


async def set_held(connection: AnyConnection, run_id: str, now: datetime) -> None:
    """All of a run is done but what is held."""
    await _runs.hold(connection, run_id=run_id, now=now)


async def add_chunks(connection: AnyConnection, run_id: str, first: int) -> None:
    """Cut those who are to leave and are not held into chunks, numbered from `first`."""
    await _runs.add_chunks_of_leaves(connection, run_id=run_id, first=first, size=CHUNK)


async def release(connection: AnyConnection, run_id: str, first: int, now: datetime) -> None:
    """Let a held run go on with what is held, in chunks numbered from `first`."""
    await _runs.release(connection, run_id=run_id)
    await add_chunks(connection, run_id, first)
    await _runs.resume(connection, run_id=run_id, now=now)


async def held_since(connection: AnyConnection, before: datetime) -> list[str]:
    """The runs that are held since before a moment, held for this transaction; not those that others have."""
    return [row["run_id"] async for row in _runs.held_since(connection, before=before)]
