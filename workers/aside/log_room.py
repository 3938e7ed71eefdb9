"""Whether the log has room for a piece of a long job: what it appends waits before the changes behind it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from db import positions

if TYPE_CHECKING:
    from db.connections import AnyConnection

_SHORT: Final = 2_000
"""Rows that the relay has yet to send, about what it sends in a tenth of a second: no change waits longer."""
_PATIENCE: Final = 20
_LOOK_S: Final = 0.05


async def has_room(connection: AnyConnection, waited: int, max_backlog: int) -> bool:
    """Whether a piece may be appended now; waits a moment where it may not.

    `waited` is how often the answer was no since the last piece. Where the log is never short, a piece goes
    all the same after about a second, as long as the relay keeps up: the intake pauses at `max_backlog` rows,
    and a job leaves it the half.
    """
    backlog = await positions.relay_backlog(connection)
    most = max_backlog // 2 if waited >= _PATIENCE else min(_SHORT, max_backlog // 2)
    if backlog <= most:
        return True
    await asyncio.sleep(_LOOK_S)
    return False
