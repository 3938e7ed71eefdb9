"""Runs as operators look at them: newest first, in pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from db.queries import load
from db.runs import Run

if TYPE_CHECKING:
    from db.connections import AnyConnection

_reading: Final = load("run_reading")

Place = tuple[datetime, str]
"""When a run started, and its id."""
NEWEST: Final[Place] = (datetime.max.replace(tzinfo=UTC), "")
"""A place above all others."""


async def newest(connection: AnyConnection, group_id: str | None, before: Place, limit: int) -> list[Run]:
    """Runs (of one group, where that is given) from below the place `before`, newest first."""
    place = {"started_at": before[0], "run_id": before[1], "row_limit": limit}
    rows = (
        _reading.newest(connection, **place)
        if group_id is None
        else _reading.newest_of_group(connection, **place, group_id=group_id)
    )
    return [Run(**dict(row) | {"groups": tuple(row["groups"])}) async for row in rows]
