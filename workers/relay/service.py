"""The relay: sends the log to Kafka, each row exactly once and in order. Design: docs/architecture.md."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import structlog
import tenacity
from aiokafka.errors import KafkaConnectionError, KafkaError
from mode import Service

from db import relay as log_table
from workers.crashpoints import reach
from workers.relay import metrics
from workers.relay.messages import Message, changes_and_records, last_rows, snapshot
from workers.relay.producer import PositionUnreadableError, RefusedError, RelayProducer
from workers.relay.refusals import Refusals
from workers.relay.settings import PositionAheadError, RelaySettings, RelayStalledError, State
from workers.relay.upkeep import RelayUpkeep

if TYPE_CHECKING:
    from db.relay import LogRow, RelayConnection

__all__ = ["PositionAheadError", "Relay", "RelaySettings", "RelayStalledError", "State"]

_logger = structlog.get_logger(__name__)

_RECOMMIT_EVERY_S: Final = 24 * 3600.0
"""Kafka forgets the offsets of a group that commits nothing for a week (offsets.retention.minutes)."""


class Relay(Service):
    """Sends what writers append to the log on to Kafka.

    Any number may run: one is active, the others stand by at a lock in the database. It waits for a
    database or broker that is away as long as it takes, and skips nothing. It crashes (and with it
    the process) only with RelayStalledError. Stopping finishes the transaction in hand.
    """

    def __init__(
        self, *, database_url: str, kafka: Mapping[str, Any], settings: RelaySettings | None = None
    ) -> None:
        """Make it; nothing is opened before it starts. `kafka`: workers.kafka.client_arguments."""
        super().__init__()
        self._database_url = database_url
        self._kafka = kafka
        self._settings = settings or RelaySettings()
        self._wake = asyncio.Event()
        self._done = asyncio.Event()
        self._done.set()  # until it runs there is nothing to wait for
        self._state = State.STOPPED
        self._said: tuple[State, object] = (State.STOPPED, None)
        self._position: int | None = None
        self._committed_at = 0.0
        self._stalls = 0
        self._refusals = Refusals(self._settings.batch_bytes)

    @property
    def position(self) -> int | None:
        """The seq of the next row to send: all below it is committed. None before it was ever active."""
        return self._position

    @property
    def is_active(self) -> bool:
        """Whether this is the one relay, and nothing failed since it became that."""
        return self._state is State.ACTIVE

    @property
    def doing(self) -> State:
        """What it does now."""
        return self._state

    def wake(self) -> None:
        """Say that the log has something new. Does not block; to be called on the event loop only."""
        self._wake.set()

    async def on_stop(self) -> None:
        """Wait until the transaction in hand is done, no longer than one may take."""
        self._wake.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.stall_s):
                await self._done.wait()

    @Service.task
    async def _run(self) -> None:
        self._done.clear()
        try:
            while not self.should_stop:
                await self._try_until_something_is_sent()
        finally:
            self._say(State.STOPPED)
            self._done.set()

    async def _try_until_something_is_sent(self) -> None:
        """Waits grow from failure to failure; after one that made progress they begin short again."""
        async for attempt in tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, Exception) and not isinstance(error, RelayStalledError)
            ),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=self._settings.longest_wait_s),
            sleep=self.sleep,  # ends early when the service stops
            reraise=True,
        ):
            with attempt:
                if not self.should_stop:
                    await self._lead()

    async def _lead(self) -> None:
        """Be the one relay until something fails or the service stops.

        Whatever fails, all is dropped, and it begins again at the lock. Raises what failed, unless
        something was sent by then.
        """
        before = self._position
        try:
            async with log_table.connect(self._database_url) as connection:
                if await self._get_lock(connection):
                    await self._relay(connection)
        except RelayStalledError:
            raise
        except Exception as exc:
            metrics.RESTARTS.labels(type(exc).__name__).inc()
            if isinstance(exc, KafkaConnectionError):
                self._stalls = 0  # no broker at all: it is away, and we wait
            self._say(State.WAITING, error=type(exc).__name__, detail=_describe(exc))
            if self._position == before:
                raise

    async def _get_lock(self, connection: RelayConnection) -> bool:
        while not self.should_stop:
            if await log_table.try_lock(connection):
                return True
            self._say(State.STANDING_BY)
            await self.sleep(self._settings.standby_s)
        return False

    async def _relay(self, connection: RelayConnection) -> None:
        producer = RelayProducer(self._settings.producer(self._kafka, batch_bytes=self._refusals.batch_bytes))
        try:
            position = await self._find_position(connection, producer)
            # On the connection that holds the lock and reads: losing one loses the others.
            await log_table.listen(connection, self.wake)
            self._say(State.ACTIVE, position=position)
            metrics.ACTIVE.set(1)
            await self._send_on(connection, producer, position)
        finally:
            metrics.ACTIVE.set(0)
            await producer.drop()

    async def _find_position(self, connection: RelayConnection, producer: RelayProducer) -> int:
        async with self._stall_limit():
            committed = await producer.start()
        mirror = await log_table.mirror(connection)
        last_seq = await log_table.last_seq(connection)
        position = mirror if committed is None else committed
        if position > last_seq + 1:
            raise PositionAheadError(position, last_seq, self._settings.group)
        if position < mirror or (committed is None and mirror > 1):
            _logger.warning(
                "relay.position_lost_or_set_back", kafka=committed, mirror=mirror, position=position
            )
        if committed is None:
            await self._commit(producer, position, [])
        self._committed_at = time.monotonic()
        self._position = position
        await log_table.move_mirror(connection, position)
        return position

    async def _send_on(self, connection: RelayConnection, producer: RelayProducer, position: int) -> None:
        upkeep = RelayUpkeep(connection)
        while not self.should_stop:
            # Before the read: what is appended after the read wakes the wait below.
            self._wake.clear()
            rows = await log_table.read(
                connection, position, row_limit=self._settings.rows, byte_limit=self._settings.read_bytes
            )
            if rows:
                position = await self._send(connection, producer, rows)
                await upkeep.after_rows(position)
                continue
            if time.monotonic() - self._committed_at > _RECOMMIT_EVERY_S:
                await self._commit(producer, position, [])
            await upkeep.when_idle(position)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.poll_s):
                    await self._wake.wait()

    async def _send(
        self, connection: RelayConnection, producer: RelayProducer, rows: Sequence[LogRow]
    ) -> int:
        """Send rows and the snapshots they ask for; answers the new position."""
        messages = changes_and_records(rows, self._refusals.changes)
        # In a statement after the one that read the rows: a snapshot is never behind the changes beside it.
        asked, now = last_rows(rows), datetime.now(UTC)
        for state in await log_table.client_states(connection, sorted(asked)):
            message = snapshot(state, asked[state.client_id], now)
            messages.append(await self._refusals.fit(connection, message))
        position = rows[-1].seq + 1
        try:
            await self._commit(producer, position, messages)
        except RefusedError as refused:
            await self._refusals.learn(connection, refused)
            raise
        reach("relay-after-commit")
        self._position = position
        self._refusals.forget()
        # After the commit: the mirror may be behind Kafka, never ahead.
        await log_table.move_mirror(connection, position)
        for topic, count in Counter(message.topic for message in messages).items():
            metrics.MESSAGES.labels(topic).inc(count)
        return position

    async def _commit(self, producer: RelayProducer, position: int, messages: Sequence[Message]) -> None:
        with metrics.TRANSACTION_SECONDS.time():
            async with self._stall_limit():
                await producer.transact(position, messages, one_by_one=self._refusals.one_by_one)
        self._committed_at = time.monotonic()
        self._stalls = 0

    @asynccontextmanager
    async def _stall_limit(self) -> AsyncIterator[None]:
        """Give up in time: aiokafka tries forever, and may be stuck after a broker's restart (#1154)."""
        try:
            async with asyncio.timeout(self._settings.stall_s):
                yield
        except TimeoutError as exc:
            self._stalls += 1
            if self._stalls >= self._settings.stalls:
                raise RelayStalledError(
                    f"{self._stalls} transactions in a row did not end within {self._settings.stall_s} s"
                ) from exc
            raise

    def _say(self, state: State, **details: object) -> None:
        """Change the state, with one line in the log; none where it and its error are the same as before."""
        self._state = state
        if (state, details.get("error")) != self._said:
            self._said = (state, details.get("error"))
            log = _logger.warning if state is State.WAITING else _logger.info
            log("relay.state", state=state.value, **details)


def _describe(error: Exception) -> str:
    """For the log: of errors whose text may hold clients' data only where they were raised."""
    if isinstance(error, KafkaError | OSError | RefusedError | PositionAheadError | PositionUnreadableError):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{place.filename.rpartition('/')[2]}:{place.lineno}"
