"""Reads the input topics in batches, from the positions in the database, and hands them to lanes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import asyncpg
from aiokafka.errors import KafkaError
from mode import Service
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from db.errors import is_transient
from workers import logs, metrics
from workers.intake.backpressure import Backpressure
from workers.intake.batches import Batch, Outcome
from workers.intake.lanes import Handed, Lane
from workers.intake.partitions import Assignment, Partition, State
from workers.intake.placement import Placement, place
from workers.intake.reader import Reader

LONGEST_WAIT_S: Final = 5.0
"""The longest wait between two tries to reach brokers or database."""
RECHECK_S: Final = 5.0
"""How often blocked partitions are placed again, for an operator may have set their position."""
UNREADABLE_S: Final = 60.0
"""How often an unreadable record is tried again though nobody moved the position."""
REPORT_S: Final = 5.0
"""How often the lag is measured and the group's offsets, which are for its display only, are committed."""

MakeReader = Callable[..., Reader]
"""Reader with its arguments but those that an Intake gives: assignment, assigned, revoked."""


class Intake(Service):
    """Feeds lanes. Starts in the background: it waits for brokers and database that are away."""

    def __init__(
        self,
        *,
        make_reader: MakeReader,
        pool: asyncpg.Pool[asyncpg.Record],
        lanes: Sequence[Lane],
        backpressure: Backpressure,
        batch_records: int,
        revoke_seconds: float,
        shutdown_seconds: float,
        **kwargs: Any,
    ) -> None:
        """A rebalance waits `revoke_seconds`, a stop `shutdown_seconds` for the batches in hand."""
        super().__init__(**kwargs)
        self._make_reader = make_reader
        self._pool = pool
        self.lanes = lanes
        self.backpressure = backpressure
        self._batch_records = batch_records
        self._revoke_seconds = revoke_seconds
        self._shutdown_seconds = shutdown_seconds
        self.assignment = Assignment(len(lanes))
        self.progressed = time.monotonic()
        """When a batch was last handed out or done."""
        self.reader: Reader | None = None
        self._jobs: list[asyncio.Future[None]] = []
        self._unplaced = asyncio.Event()
        self._logger = logs.get(__name__)
        self.add_dependency(backpressure)

    # -- life

    async def on_start(self) -> None:
        """Begin to connect; does not wait for it."""
        self._begin_job(self._run())

    async def on_stop(self) -> None:
        """Let the batches in hand finish, then leave the group at once, so that others take over."""
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        # After a crash the batch that failed stays in hand.
        if not await self.settle(0 if self.crashed else self._shutdown_seconds):
            self._logger.warning("stopping with a batch in hand: it is rolled back and done again elsewhere")
        self.assignment.drop()
        if self.reader is not None:
            with suppress(TimeoutError, KafkaError):
                await asyncio.wait_for(self.reader.leave(), LONGEST_WAIT_S)

    async def settle(self, seconds: float) -> bool:
        """Wait until no batch is in hand, at most `seconds`; answers whether that is so."""
        waits = [asyncio.ensure_future(lane.idle.wait()) for lane in self.lanes]
        _, pending = await asyncio.wait(waits, timeout=seconds)
        for wait in pending:
            wait.cancel()
        return not pending

    def _begin_job(self, job: Any) -> None:
        # An exception in it crashes this service, and with it the process.
        self._jobs.append(self.add_future(job))

    async def _run(self) -> None:
        self.reader = reader = self._make_reader(
            assignment=self.assignment, assigned=self._unplaced.set, revoked=self._revoked
        )
        retrying = AsyncRetrying(
            wait=wait_random_exponential(multiplier=0.1, max=LONGEST_WAIT_S),
            retry=retry_if_exception(_passes),
            before_sleep=self._say_waiting,
        )
        await retrying(reader.connect)
        reader.join()
        self._begin_job(self._place(reader))
        self._begin_job(self._report(reader))
        for lane in self.lanes:
            self._begin_job(self._feed(reader, lane))

    async def _revoked(self) -> None:
        await self.settle(self._revoke_seconds)

    def _say_waiting(self, state: RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        self._logger.warning("waiting for Kafka", error=str(error) or repr(error))

    # -- positions

    async def _place(self, reader: Reader) -> None:
        while not self.should_stop:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._unplaced.wait(), RECHECK_S)
            self._unplaced.clear()
            epoch = self.assignment.epoch
            wanted = {p.tp: p for p in self.assignment if p.state is not State.READY}
            if not wanted:
                continue
            try:
                found = await place(reader.consumer, self._pool, wanted)
            except Exception as error:
                if not _passes(error):
                    raise
                self._logger.warning("positions cannot be read yet", error=str(error) or repr(error))
                await asyncio.sleep(1.0)
                self._unplaced.set()
                continue
            if epoch == self.assignment.epoch:
                for tp, placement in found.items():
                    self._put(reader, wanted[tp], placement)
                self.assignment.changed.set()

    def _put(self, reader: Reader, partition: Partition, placement: Placement) -> None:
        if placement.problem is not None:
            reader.block(partition, placement.problem)
            return
        unreadable = partition.unreadable_at == placement.position
        if not unreadable or time.monotonic() - partition.blocked_since > UNREADABLE_S:
            reader.begin(partition, placement.position)

    # -- batches

    async def _feed(self, reader: Reader, lane: Lane) -> None:
        while not self.should_stop:
            await lane.idle.wait()
            await self.backpressure.admit()
            try:
                if not self.assignment.of_lane(lane.index):
                    reader.check()
                    await self.assignment.wait_for_change(1.0)
                    continue
                slices = await reader.read(lane.index, self._batch_records)
            except KafkaError as error:
                if not error.retriable:
                    raise
                self._logger.warning("records cannot be read yet", error=str(error) or repr(error))
                await asyncio.sleep(1.0)
                continue
            # No await since the slices were taken: a cancellation loses nothing.
            if slices:
                self.progressed = time.monotonic()
                self.backpressure.worked()
                lane.hand(Handed(Batch(slices), self.assignment.epoch))

    def is_stale(self, handed: Handed) -> bool:
        """Whether the partitions of a batch have been taken away since it was handed out."""
        return handed.epoch != self.assignment.epoch

    def finished(self, lane: Lane, handed: Handed, outcome: Outcome | None) -> None:
        """A batch is done (`outcome`), or was dropped before it began (None). Frees the lane."""
        lane.done()
        self.progressed = time.monotonic()
        if outcome is None:
            return
        metrics.BATCHES.labels(lane.index).inc()
        metrics.BATCH_SECONDS.observe(time.monotonic() - handed.at)
        metrics.BATCH_RECORDS.observe(len(handed.batch))
        metrics.MOVED.inc(len(outcome.moved))
        for part in handed.batch.slices:
            moved = (part.topic, part.partition) in outcome.moved
            if not moved:
                metrics.RECORDS.labels(part.topic).inc(len(part.records))
            partition = self.assignment.get(part.topic, part.partition)
            if partition is None or self.reader is None or self.is_stale(handed):
                continue
            if moved:
                self.reader.hold(partition)
                self._unplaced.set()
            else:
                partition.done = part.end

    def broker_silence(self) -> float:
        """For how long the brokers have answered no fetch, while this asks them for records. Seconds."""
        if (
            self.reader is None
            or self.backpressure.paused
            or not all(lane.idle.is_set() for lane in self.lanes)
        ):
            return 0.0
        ready = self.assignment.in_state(State.READY)
        if not ready:
            return 0.0
        answered = max(self.reader.consumer.last_poll_timestamp(partition.tp) or 0 for partition in ready)
        return min(
            time.time() - answered / 1000, time.monotonic() - max(self.assignment.since, self.progressed)
        )

    # -- lag display

    async def _report(self, reader: Reader) -> None:
        committed: dict[Any, int] = {}
        while not self.should_stop:
            await asyncio.sleep(REPORT_S)
            ready = self.assignment.in_state(State.READY)
            for partition in ready:
                end = reader.consumer.last_stable_offset(partition.tp)
                if end is not None:
                    metrics.LAG.labels(*partition.tp).set(max(0, end - partition.done))
            offsets = {p.tp: p.done for p in ready if committed.get(p.tp) != p.done}
            if offsets:
                # Nothing depends on it; a rebalance or a broker away makes it fail.
                with suppress(KafkaError, TimeoutError):
                    await asyncio.wait_for(reader.consumer.commit(offsets), REPORT_S)
                    committed.update(offsets)


def _passes(error: BaseException) -> bool:
    return isinstance(error, KafkaError) or is_transient(error)
