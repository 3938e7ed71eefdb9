"""Commands that are done aside, on a real database: put aside in a transaction, then done step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from db import positions
from events.base import Command
from events.commands import decode_command
from events.replays import restored
from tests.support.driver import Driver
from workers.aside.jobs import Job
from workers.aside.readings import READINGS
from workers.aside.service import Aside, put_aside

RESULTS = "group-command-results"


class Asking:
    """One worker's share of what is done aside."""

    def __init__(self, work: Driver, *, deeds: Mapping[type[Command], Job] | None = None) -> None:
        self.work = work
        self.committed = asyncio.Event()
        self.aside = Aside(
            work.pool,
            readings=READINGS,
            deeds=deeds or {},
            clock=lambda: work.now,
            committed=self.committed.set,
        )

    async def put(
        self, command: str, *, headers: Sequence[tuple[str, bytes | None]] = (), **fields: Any
    ) -> str:
        """Put a command aside; returns the cause by which its answer is known."""
        self.work.now += timedelta(seconds=1)
        record = restored(self.work.record("group-commands", {"command": command, **fields}, headers=headers))
        decoded = decode_command(record, now=self.work.now)
        async with self.work.pool.acquire() as connection, connection.transaction():
            place = (record.topic, record.partition)
            await positions.create(connection, {place: record.offset})
            assert await positions.advance(connection, [(*place, record.offset, record.offset + 1)])
            await put_aside(connection, decoded, record, self.work.now)
        return record.cause

    async def run(self) -> int:
        """Do all there is; returns in how many steps."""
        steps = 0
        while await self.aside.step():
            steps += 1
        return steps

    async def ask(self, command: str, **fields: Any) -> dict[str, Any]:
        """Do one command; returns its answer."""
        cause = await self.put(command, **fields)
        await self.run()
        (answer,) = await self.answers(cause)
        return answer

    async def answers(self, cause: str) -> list[dict[str, Any]]:
        """The answers to one command: there is to be one."""
        return [answer for answer in await self.work.sent(RESULTS) if answer["cause"] == cause]

    async def pages(self, command: str, rows: str, **fields: Any) -> list[list[Any]]:
        """All pages of a list."""
        pages = []
        after: str | None = None
        while True:
            answer = await self.ask(command, **fields, after=after)
            assert answer["status"] == "done", answer
            pages.append(answer["result"][rows])
            after = answer["result"].get("after")
            if after is None:
                return pages


@pytest.fixture
def asking(work: Driver) -> Asking:
    return Asking(work)
