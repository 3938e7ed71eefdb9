"""From a batch of records to one transaction: the way of an event through this project.

decode -> lock clients -> fold facts, check groups -> write the net result, the log and the position.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge
from typing import TYPE_CHECKING, cast

import asyncpg
import structlog

from db import clients, log, positions
from db.connections import AnyConnection
from db.log import Outgoing
from db.net import write
from events.decode import InputEvent, decode
from events.providers import ProviderChanged
from events.record import InvalidRecord, Record
from events.topics import GROUP_COMMANDS
from events.usage import GroupUsageChanged
from events.wire import traceparent
from workers import crashpoints, logs
from workers.aside.kept_records import with_whole_records
from workers.intake.batches import Batch, Outcome, Slice, halves, singles
from workers.intake.burial import buried
from workers.intake.provider_events import take_provider
from workers.intake.usage_events import take_usage
from workers.membership.folding import CLIENT_EVENTS, ClientEvent, LookUp
from workers.membership.work import Work
from workers.transactions import persist

if TYPE_CHECKING:
    from asyncpg import Pool

    from workers.commands.handler import CommandHandler
    from workers.membership.rulesets import RuleSets

logger = structlog.get_logger(__name__)

Take = Callable[[AnyConnection, Batch], Awaitable[bool]]
"""Does the work of slices whose positions have been moved; answers whether it appended to the log."""

_NOT_THE_RECORDS_FAULT = (
    asyncpg.SyntaxOrAccessError,  # a table, column or right is missing: the schema is not ours
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)


@dataclass(frozen=True, slots=True)
class HandlerSettings:
    """What can be set of the handling of batches."""

    max_ahead: timedelta = timedelta(minutes=5)
    """How far ahead of the worker's clock a record's time may be."""
    trace_inputs: bool = False
    """Keep the order in which records were taken, in `input_trace`."""
    longest_wait_s: float = 5.0
    """The longest wait between two tries while the database is away."""


def utc_now() -> datetime:
    """The worker's clock."""
    return datetime.now(UTC)


class BatchHandler:
    """Does batches, each in one transaction with its positions; several lanes may call it at once."""

    def __init__(
        self,
        pool: Pool[asyncpg.Record],
        rulesets: RuleSets,
        commands: CommandHandler,
        look_up: LookUp,
        *,
        settings: HandlerSettings | None = None,
        clock: Callable[[], datetime] = utc_now,
        committed: Callable[[], None] = lambda: None,
        commanded: Callable[[], None] = lambda: None,
    ) -> None:
        """`committed` is called after each commit that appended to the log, `commanded` after each command.

        Neither may block.
        """
        self._commanded = commanded
        self._pool = pool
        self._rulesets = rulesets
        self._commands = commands
        self._look_up = look_up
        self._settings = settings or HandlerSettings()
        self._clock = clock
        self._committed = committed

    async def handle(self, batch: Batch) -> Outcome:
        """Do all of a batch; answers which slices were dropped because their position had moved.

        Waits and tries again while the database is away. A record that fails for good, by its data
        or by a bug, is found by halving the batch and becomes a dead letter. Raises only what
        cannot go on: a schema that is not ours, or a right that is missing.
        """
        batch = await with_whole_records(self._pool, batch)
        moved: set[tuple[str, int]] = set()
        events = tuple(part for part in batch.slices if part.topic != GROUP_COMMANDS.name)
        if events:
            now = self._clock()
            decoded = {id(record): self._decode(record, now) for part in events for record in part.records}

            async def take(connection: AnyConnection, part: Batch) -> bool:
                return await self._take_events(connection, part, decoded)

            moved |= await self._do(Batch(events), take)
        for part in batch.slices:
            if part.topic == GROUP_COMMANDS.name:
                moved |= await self._do_commands(part)
        return Outcome(frozenset(moved))

    def _decode(self, record: Record, now: datetime) -> InputEvent | InvalidRecord:
        try:
            return decode(record, now=now, max_ahead=self._settings.max_ahead)
        except InvalidRecord as invalid:
            return invalid

    async def _do_commands(self, part: Slice) -> set[tuple[str, int]]:
        """Commands are carried out one by one, each in a transaction of its own."""
        for single in singles(part):
            moved = await self._do(Batch((single,)), self._take_command)
            if moved:
                return moved
            self._commanded()
        return set()

    async def _do(self, batch: Batch, take: Take) -> set[tuple[str, int]]:
        """Do a batch; where it fails for good, do its halves, down to the one record that is to blame."""
        try:
            return await self._persist(batch, take)
        except _NOT_THE_RECORDS_FAULT:
            raise
        except Exception as error:
            if len(batch) > 1:
                logger.warning("batch failed and is halved", records=len(batch), error=type(error).__name__)
                first, second = halves(batch)
                return await self._do(first, take) | await self._do(second, take)
            if len(batch) == 0:
                raise  # nothing to blame it on but the positions themselves
            record = next(record for part in batch.slices for record in part.records)
            logger.error(  # noqa: TRY400 - the message, which may quote the record, is in the dead letter
                "record failed and becomes a dead letter",
                cause=record.cause,
                **logs.failure(error),
            )
            failure = error

            async def bury(connection: AnyConnection, _: Batch) -> bool:
                return await log.append(
                    connection, records=[buried(record, failure)], trace=self._trace([record])
                )

            return await self._persist(batch, bury)

    async def _persist(self, batch: Batch, take: Take) -> set[tuple[str, int]]:
        return await persist(lambda: self._once(batch, take), longest_wait_s=self._settings.longest_wait_s)

    async def _once(self, batch: Batch, take: Take) -> set[tuple[str, int]]:
        appended = False
        async with self._pool.acquire() as connection:
            async with connection.transaction():
                advanced = await positions.advance(
                    connection, [(part.topic, part.partition, part.start, part.end) for part in batch.slices]
                )
                ours = tuple(part for part in batch.slices if (part.topic, part.partition) in advanced)
                if any(part.records for part in ours):
                    appended = await take(connection, Batch(ours))
                crashpoints.reach("batch-before-commit")
            crashpoints.reach("batch-after-commit")
        if appended:
            self._committed()
        return {(part.topic, part.partition) for part in batch.slices} - advanced

    async def _take_command(self, connection: AnyConnection, batch: Batch) -> bool:
        (record,) = batch.slices[0].records
        done = await self._commands.take(connection, record, self._clock())
        return await write(connection, done.net, records=done.records, trace=self._trace([record]))

    async def _take_events(
        self, connection: AnyConnection, batch: Batch, decoded: dict[int, InputEvent | InvalidRecord]
    ) -> bool:
        # Partitions do not order against each other; their records' timestamps come nearest to what
        # happened. Each partition keeps its own order.
        records = list(merge(*(part.records for part in batch.slices), key=lambda record: record.timestamp))
        outgoing: list[Outgoing] = []
        client_events: list[tuple[Record, ClientEvent]] = []
        other_events: list[tuple[Record, ProviderChanged | GroupUsageChanged]] = []
        for record in records:
            event = decoded[id(record)]
            if type(event) in CLIENT_EVENTS:
                client_events.append((record, cast("ClientEvent", event)))
            elif isinstance(event, InvalidRecord):
                outgoing.append(buried(record, event))
            else:
                other_events.append((record, cast("ProviderChanged | GroupUsageChanged", event)))
        rules = await self._rulesets.hold(connection)
        client_ids = {event.client_id for _, event in client_events}
        work = Work(await clients.lock(connection, client_ids) if client_ids else {}, rules)
        now = self._clock()
        for record, event in client_events:
            work.take(event, record, self._look_up, now, traceparent(record) if record.headers else None)
        for record, about in other_events:
            if isinstance(about, ProviderChanged):
                await take_provider(connection, about, record)
            else:
                outgoing += await take_usage(connection, about, record, now)
        return await write(connection, work.net(), records=outgoing, trace=self._trace(records))

    def _trace(self, records: Iterable[Record]) -> list[tuple[str, int, int]]:
        if not self._settings.trace_inputs:
            return []
        return [(record.topic, record.partition, record.offset) for record in records]
