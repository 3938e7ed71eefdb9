"""When groups are checked by the clock (mission T3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from db import locks
from db.queries import load

if TYPE_CHECKING:
    from db.connections import AnyConnection

_schedules: Final = load("schedules")


class Scheduled(NamedTuple):
    """A group that is checked by the clock."""

    group: str
    schedule: str
    timezone: str
    dealt_at: datetime
    next_at: datetime


async def set_schedule(
    connection: AnyConnection, group: str, schedule: str, timezone: str, *, now: datetime, next_at: datetime
) -> None:
    """Check a group at these moments from `now` on; if it is so already, nothing changes."""
    await _schedules.set_schedule(
        connection, group_id=group, schedule=schedule, timezone=timezone, now=now, next_at=next_at
    )


async def unset(connection: AnyConnection, group: str) -> None:
    """Do not check a group by the clock any more."""
    await _schedules.unset(connection, group_id=group)


async def hold(connection: AnyConnection) -> bool:
    """Be the only one to deal with schedules until the transaction ends; answers whether nobody else is."""
    return bool(await _schedules.try_lock(connection, namespace=locks.NAMESPACE, lock=locks.SCHEDULES))


async def due(connection: AnyConnection, now: datetime) -> list[Scheduled]:
    """Those that are due, in the order of their moments."""
    return [Scheduled(*row) async for row in _schedules.due(connection, now=now)]


async def astray(connection: AnyConnection, now: datetime, by: timedelta) -> list[Scheduled]:
    """Those that were dealt with in a future further away than `by`: the clock was wrong then."""
    return [Scheduled(*row) async for row in _schedules.astray(connection, beyond=now + by)]


async def deal(connection: AnyConnection, group: str, *, now: datetime, next_at: datetime) -> None:
    """All moments of a group up to now are dealt with."""
    await _schedules.deal(connection, group_id=group, now=now, next_at=next_at)
