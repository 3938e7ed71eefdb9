"""The consumer of the input topics: reads slices from sought positions, and never jumps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    CorruptRecordException,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
)

from events.replays import restored
from workers import logs
from workers.intake.batches import Slice
from workers.intake.partitions import Assignment, Partition, State
from workers.kafka import record_of

FETCH_WAIT_MS: Final = 500
"""How long a read waits for records; then the caller looks whether it has more partitions by now."""
BROKER_WAIT_MS: Final = 100
"""How long a broker holds a fetch open. Short, as aiokafka has one fetch a broker under way: a partition
that has been drained waits for the answer of a fetch that does not ask for it."""

_UNREADABLE: Final = (
    CorruptRecordException,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
)

Records = dict[TopicPartition, list["ConsumerRecord[Any, Any]"]]


class Reader:
    """An AIOKafkaConsumer, together with the assignment that it keeps up to date."""

    def __init__(
        self,
        *,
        topics: Sequence[str],
        arguments: dict[str, Any],
        group: str,
        session_timeout: float,
        assignment: Assignment,
        assigned: Callable[[], None],
        revoked: Callable[[], Awaitable[None]],
    ) -> None:
        """`assigned` and `revoked` are called when `assignment` has changed; the group waits for `revoked`.

        `arguments` are those of workers.kafka.client_arguments; `session_timeout` is in seconds.
        To be made inside a running event loop.
        """
        self._topics = topics
        self._assignment = assignment
        self._assigned = assigned
        self._revoked = revoked
        self._logger = logs.get(__name__)
        self.consumer: Any = AIOKafkaConsumer(
            **arguments,
            group_id=group,
            enable_auto_commit=False,
            # Positions are sought, never made up: one outside the log is for an operator.
            auto_offset_reset="none",
            isolation_level="read_committed",
            # The same partition numbers of all topics come to one worker, and so do a client's events.
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=int(session_timeout * 1000),
            heartbeat_interval_ms=int(session_timeout * 300),
            rebalance_timeout_ms=int(session_timeout * 1000),
            # A paused intake does not poll and must not be put out of the group for it; the watchdog
            # looks after a stuck one. This is the most that the field holds.
            max_poll_interval_ms=2**31 - 1,
            fetch_max_wait_ms=BROKER_WAIT_MS,
            # Topics and partitions made later are noticed within this time.
            metadata_max_age_ms=30_000,
        )

    async def connect(self) -> None:
        """Connect to the brokers. Raises KafkaConnectionError where none answers; may be tried again."""
        # Without topics it does not wait for the group: the listener must not miss the first assignment.
        await self.consumer.start()

    def join(self) -> None:
        """Join the group, in the background."""
        self.consumer.subscribe(list(self._topics), listener=_Listener(self))

    async def leave(self) -> None:
        """Leave the group at once and close the connections."""
        await self.consumer.stop()

    def check(self) -> None:
        """Raise what the group has against this worker (rights, timeouts), if anything.

        aiokafka keeps it for the next getmany(), which is not called before there are partitions.
        """
        self.consumer._coordinator.check_errors()  # noqa: SLF001 - there is no public way

    # -- what the group says

    def take(self, assigned: Iterable[TopicPartition]) -> None:
        """The group gave these partitions: read nothing before their positions are known."""
        self._assignment.take(assigned)
        for partition in self._assignment:
            self.hold(partition)
            # Any offset keeps aiokafka from looking for a committed one and beginning there.
            self.consumer.seek(partition.tp, 0)
        self._logger.info("partitions assigned", count=len(self._assignment))
        self._assigned()

    async def give_up(self) -> None:
        """The group takes all partitions away."""
        self._assignment.drop()
        await self._revoked()

    # -- partitions

    def hold(self, partition: Partition) -> None:
        """Read nothing of it until it is begun again."""
        self.consumer.pause(partition.tp)
        partition.state = State.PLACING

    def begin(self, partition: Partition, position: int) -> None:
        """Read it from `position` on."""
        partition.ready(position)
        self.consumer.seek(partition.tp, position)
        self.consumer.resume(partition.tp)

    def block(self, partition: Partition, problem: str, *, unreadable_at: int | None = None) -> None:
        """Read nothing of it until an operator has acted, and say so once."""
        self.consumer.pause(partition.tp)
        if partition.block(problem, unreadable_at=unreadable_at):
            topic, number = partition.tp
            self._logger.error(
                "partition is not consumed until its position is set"
                f" (client-groups position set {topic} {number} OFFSET)",
                topic=topic,
                partition=number,
                problem=problem,
            )

    # -- records

    async def read(self, lane: int, max_records: int) -> tuple[Slice, ...]:
        """The next slices of a lane's partitions, `max_records` in all. Waits up to FETCH_WAIT_MS for some.

        What cannot be read blocks its partition; a position outside the log makes it be placed again.
        Raises other KafkaErrors. Nothing is lost when the caller is cancelled.
        """
        epoch = self._assignment.epoch
        partitions = self._assignment.of_lane(lane)
        try:
            fetched = await self._poll(partitions, max_records)
        except OffsetOutOfRangeError as error:
            self._rewind(partitions, epoch)
            if epoch == self._assignment.epoch:
                for partition in partitions:
                    if partition.tp in error.args[0]:
                        self.hold(partition)
                self._assigned()
            return ()
        except NoOffsetForPartitionError:
            # It looked for a committed offset just before the first seek.
            self._rewind(partitions, epoch)
            return ()
        except KafkaError:
            self._rewind(partitions, epoch)
            raise
        if epoch != self._assignment.epoch:
            # Taken away and given again while we waited: these records belong to the new assignment.
            self._rewind(self._assignment.of_lane(lane), self._assignment.epoch)
            return ()
        slices = []
        for partition in partitions:
            # Returns without waiting: the position is known since the seek.
            end = await self.consumer.position(partition.tp)
            if end != partition.next:
                records = tuple(restored(record_of(each)) for each in fetched.get(partition.tp, ()))
                topic, number = partition.tp
                slices.append(Slice(topic, number, partition.next, end, records))
                partition.next = end
        return tuple(slices)

    async def _poll(self, partitions: list[Partition], max_records: int) -> Records:
        epoch = self._assignment.epoch
        try:
            return await self._getmany(partitions, max_records)
        except Exception as error:
            if not _is_unreadable(error):
                raise
        # aiokafka does not say which partition it was: find it.
        for partition in partitions:
            self._rewind(partitions, epoch)
            if fetched := await self._one_by_one(partition, max_records):
                return {partition.tp: fetched}
            if epoch != self._assignment.epoch or partition.state is State.BLOCKED:
                break
        return {}

    async def _one_by_one(self, partition: Partition, max_records: int) -> list[ConsumerRecord[Any, Any]]:
        """Records up to the one that cannot be read; blocks the partition if that is the first."""
        epoch = self._assignment.epoch
        fetched: list[ConsumerRecord[Any, Any]] = []
        while len(fetched) < max_records:
            try:
                one = await self._getmany([partition], 1)
            except Exception as error:
                if not _is_unreadable(error):
                    raise
                if not fetched and epoch == self._assignment.epoch:
                    position = partition.next
                    reason = f"what follows the position {position} cannot be read: {error!r}"
                    self.block(partition, reason, unreadable_at=position)
                break
            if not one:
                break
            fetched += one[partition.tp]
        return fetched

    async def _getmany(self, partitions: list[Partition], max_records: int) -> Records:
        fetched: Records = await self.consumer.getmany(
            *[partition.tp for partition in partitions], timeout_ms=FETCH_WAIT_MS, max_records=max_records
        )
        return fetched

    def _rewind(self, partitions: Iterable[Partition], epoch: int) -> None:
        # When getmany fails on one partition, the records it had of others are gone, yet their positions
        # have moved (read in aiokafka 0.14): go back to the end of what was handed out.
        if epoch == self._assignment.epoch:
            for partition in partitions:
                if partition.state is State.READY:
                    self.consumer.seek(partition.tp, partition.next)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka swallows exceptions raised here, and its heartbeats stand still while `assigned` runs."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._reader.give_up()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._reader.take(assigned)


def _is_unreadable(error: Exception) -> bool:
    # What unpacking a damaged record raises may be anything but a KafkaError; other KafkaErrors are about
    # the connection or the group.
    return isinstance(error, _UNREADABLE) or not isinstance(error, KafkaError)
