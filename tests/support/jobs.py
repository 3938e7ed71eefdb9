"""For tests of what runs aside: a job done step by step, each step in a transaction of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import orjson

from db.net import Net, write
from events.commands import decode_command
from events.record import Record
from tests.support.driver import Driver
from workers.aside.jobs import Step

JobStep = Callable[..., Awaitable[Step]]
_offsets = count(1_000_000)
"""Away from those of the driver, which has no holes in them."""


async def do(
    drive: Driver, job: JobStep, command: str, appended: Callable[[], None] = lambda: None, **fields: Any
) -> Step:
    """Do a command to its end; answers its last step. `appended` is called after each commit."""
    value = orjson.dumps({"command": command, **fields})
    at = int(drive.now.timestamp() * 1000)
    record = Record("group-commands", 0, next(_offsets), at, None, value)
    decoded = decode_command(record, now=drive.now)
    progress: dict[str, Any] | None = None
    while True:
        async with drive.pool.acquire() as connection, connection.transaction():
            step = await job(connection, decoded, progress, drive.now)
            await write(connection, Net(snapshots=list(step.snapshots)), records=step.records)
        appended()
        if step.result is not None or step.errors:
            return step
        # As it comes out of the database.
        progress = orjson.loads(orjson.dumps(step.progress))
