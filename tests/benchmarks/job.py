"""The worker's whole job, from a backlog in Kafka until the last change can be read with read_committed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from tests.benchmarks.kafka import Backlog, Subscriber
from tests.benchmarks.stand import LEFT, Stand, StandError, until

if TYPE_CHECKING:
    import asyncpg
    from confluent_kafka import Message

    from deploy.local.processes import Child

CHANGES: Final = "membership-changed"
START_SECONDS: Final = 60.0
TIMEOUT: Final = 300.0  # seconds for all
_CHANGES: Final = """
SELECT (SELECT count(*) FROM membership_history) - (SELECT count(*) FROM kept.membership_history)
"""
_HELD: Final = """
SELECT count(*) FROM pg_locks WHERE relation = 'input_positions'::regclass AND NOT granted
"""


@dataclass(frozen=True)
class Measured:
    """One run."""

    events: int
    changes: int
    seconds: float
    processor: dict[str, float]
    """Microseconds an event by process."""

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds


class _Count:
    def __init__(self) -> None:
        self.changes = 0
        self.last = 0.0

    def seen(self, at: float, _: Message) -> None:
        self.changes += 1
        self.last = at


async def run(stand: Stand, backlog: Backlog, setup: str) -> Measured:
    """One run over the backlog. The clock starts when a worker that stands by may read its positions."""
    await stand.restore(backlog.starts)
    count = _Count()
    subscriber = await asyncio.to_thread(Subscriber, stand.bootstrap_servers, CHANGES, count.seen)
    connection, gate = await stand.connect(), await stand.connect()
    try:
        subscriber.start()
        # A worker reads the positions before anything else: as long as they are locked it stands by,
        # with its connections open and its partitions assigned.
        transaction = gate.transaction()
        await transaction.start()
        await gate.execute("LOCK TABLE input_positions IN ACCESS EXCLUSIVE MODE")
        async with stand.workers(setup, wait=False) as children:
            await until(partial(connection.fetchval, _HELD), at_most=START_SECONDS)
            await asyncio.sleep(1.0)  # what else a process does when it starts is over by then
            before, began = stand.processor_time(children), time.perf_counter()
            await transaction.rollback()
            changes = await _until_done(connection, backlog, count, children)
            ended, after = time.perf_counter(), stand.processor_time(children)
    finally:
        await asyncio.to_thread(subscriber.stop)
        await gate.close()
        await connection.close()
    if changes:
        ended = max(count.last, began)
    processor = {name: (after[name] - before[name]) * 1e6 / backlog.events for name in before}
    return Measured(backlog.events, changes, ended - began, processor)


async def _until_done(
    connection: asyncpg.Connection[asyncpg.Record],
    backlog: Backlog,
    count: _Count,
    children: dict[str, Child],
) -> int:
    """Wait until all is taken and every change was read; answers how many there are."""

    async def all_is_taken() -> bool:
        ended = next((child for child in children.values() if not child.running), None)
        if ended is not None:
            raise StandError(str(ended.failure("ended by itself")))
        return not await connection.fetchval(LEFT, *backlog.wanted)

    async def all_was_read() -> bool:
        return count.changes >= changes

    await until(all_is_taken, at_most=TIMEOUT)
    changes: int = await connection.fetchval(_CHANGES)
    await until(all_was_read, every=0.005, at_most=TIMEOUT)
    await asyncio.sleep(0.2)
    if count.changes != changes:
        raise StandError(f"{count.changes} changes were read, there are {changes}")
    return changes
