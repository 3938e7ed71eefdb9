"""Ends a process that is stuck, so that its supervisor starts it again."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import asyncpg
from aiokafka.errors import KafkaError
from mode import Service

from db.errors import is_transient
from workers import logs
from workers.intake.partitions import State
from workers.intake.service import Intake

LOOK_S: Final = 5.0
"""How often it looks."""
ANSWER_S: Final = 4.0
"""How long brokers and database have to answer."""


class StuckError(Exception):
    """Nothing moves though there is work and brokers and database answer."""


class Watchdog(Service):
    """Looks whether records are taken while there are some.

    aiokafka's consumer can sit still after brokers were restarted (aio-libs/aiokafka #1154). While
    brokers or database are away it waits: a new process could do no more.
    """

    def __init__(
        self,
        intake: Intake,
        pool: asyncpg.Pool[asyncpg.Record],
        *,
        stuck_seconds: float,
        batch_stuck_seconds: float,
        **kwargs: Any,
    ) -> None:
        """Without progress for `stuck_seconds`, or with one batch in hand for the longer time, it crashes."""
        super().__init__(**kwargs)
        self._intake = intake
        self._pool = pool
        self._stuck_seconds = stuck_seconds
        self._batch_stuck_seconds = batch_stuck_seconds
        self._logger = logs.get(__name__)

    @Service.timer(LOOK_S)
    async def _look(self) -> None:
        await self.look()

    async def look(self) -> None:
        """Raise StuckError, which crashes the process, if the intake is stuck."""
        busy = max(lane.busy_for for lane in self._intake.lanes)
        if busy > self._batch_stuck_seconds and await self._database_answers():
            raise StuckError(f"a batch has been in hand for {busy:.0f} seconds, and the database answers")
        if busy or self._intake.backpressure.paused:
            return
        assignment = self._intake.assignment
        now = time.monotonic()
        if not assignment.joined:
            if now - assignment.since > 2 * self._stuck_seconds and await self._brokers_answer():
                raise StuckError(f"no partitions from the group for {now - assignment.since:.0f} seconds")
            return
        still = now - max(self._intake.progressed, assignment.since)
        if still > self._stuck_seconds and (waiting := await self._waiting()):
            raise StuckError(f"{waiting} offsets wait and none was taken for {still:.0f} seconds")

    async def _waiting(self) -> int:
        """How many offsets wait to be read, by the brokers' word; 0 when they do not answer."""
        reader = self._intake.reader
        partitions = self._intake.assignment.in_state(State.READY)
        if reader is None or not partitions:
            return 0
        try:
            async with asyncio.timeout(ANSWER_S):
                ends = await reader.consumer.end_offsets([partition.tp for partition in partitions])
        except (KafkaError, TimeoutError) as error:
            self._logger.warning("watchdog: the brokers do not say where the topics end", error=repr(error))
            return 0
        return sum(max(0, ends[partition.tp] - partition.next) for partition in partitions)

    async def _brokers_answer(self) -> bool:
        reader = self._intake.reader
        if reader is None:
            return False
        try:
            async with asyncio.timeout(ANSWER_S):
                await reader.consumer.topics()
        except (KafkaError, TimeoutError):
            return False
        return True

    async def _database_answers(self) -> bool:
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._pool.fetchval("SELECT 1")
        except Exception as error:
            if not is_transient(error):
                raise
            return False
        return True
