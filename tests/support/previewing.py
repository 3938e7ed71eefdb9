"""Previews, on a real database: put aside among the other commands, done by an `Aside` of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from db import pool as pools
from events.commands import Preview
from tests.support.asking import Asking
from tests.support.driver import Driver
from workers.aside.preview_job import PreviewJob
from workers.aside.service import Aside

NAME = "test-previews"
"""Of the connection in whose snapshot previews read."""


class Previewing:
    """One worker's share of the previews, beside what else it does aside."""

    def __init__(
        self, work: Driver, snapshots: asyncpg.Pool[asyncpg.Record], telling: asyncpg.Pool[asyncpg.Record]
    ) -> None:
        self.asking = Asking(work)
        self.telling = telling
        """Of one connection: who takes it holds previews up where they tell how far they are."""
        self.job = PreviewJob(telling, clock=lambda: work.now, committed=lambda: None)
        self.aside = Aside(
            snapshots,
            readings={Preview: self.job},
            deeds={},
            long=True,
            clock=lambda: work.now,
            committed=lambda: None,
        )

    async def ask(self, **fields: Any) -> dict[str, Any]:
        """Do one preview; returns its answer."""
        cause = await self.asking.put("preview", **fields)
        while await self.aside.step():
            pass
        (answer,) = await self.asking.answers(cause)
        return answer


@asynccontextmanager
async def previewing(work: Driver, database_url: str) -> AsyncIterator[Previewing]:
    """Previews on the database of a driver."""
    snapshots = await pools.create(database_url, size=1, application_name=NAME, isolation="repeatable read")
    telling = await pools.create(database_url, size=1)
    try:
        yield Previewing(work, snapshots, telling)
    finally:
        await snapshots.close()
        await telling.close()
