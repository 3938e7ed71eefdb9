"""What has to hold for a worker to be ready for events."""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg

from db.errors import is_transient
from workers.health import Check
from workers.intake.partitions import State
from workers.intake.service import Intake
from workers.relay.service import Relay
from workers.relay.service import State as RelayState

PING_S: Final = 1.0
SILENCE_S: Final = 5.0
"""An idle intake asks the brokers ten times a second; after so long without an answer they are away."""


def database_answers(pool: asyncpg.Pool[asyncpg.Record]) -> Check:
    """The database answers within PING_S."""

    async def check() -> list[str]:
        try:
            async with asyncio.timeout(PING_S):
                await pool.fetchval("SELECT 1")
        except Exception as error:
            if not is_transient(error):
                raise
            return [f"the database does not answer: {str(error) or type(error).__name__}"]
        return []

    return check


def intake_reads(intake: Intake) -> Check:
    """The intake has its partitions, knows their positions and reads every one of them."""

    async def check() -> list[str]:
        if not intake.assignment.joined:
            return ["the intake has not joined its group"]
        problems = [
            f"{partition.tp.topic}/{partition.tp.partition} is not consumed: {partition.problem}"
            for partition in intake.assignment.in_state(State.BLOCKED)
        ]
        if (silence := intake.broker_silence()) > SILENCE_S:
            problems.append(f"the brokers have not answered for {silence:.0f} seconds")
        placing = len(intake.assignment.in_state(State.PLACING))
        return [*problems, f"positions of {placing} partitions are being read"] if placing else problems

    return check


def relay_sends(relay: Relay) -> Check:
    """The relay of this process, or another one, sends what the log has."""

    async def check() -> list[str]:
        ready = relay.doing in (RelayState.ACTIVE, RelayState.STANDING_BY)
        return [] if ready else [f"the relay is {relay.doing.value}"]

    return check
