"""The partitions a worker has now, and which of them it reads."""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from aiokafka import TopicPartition

from workers import metrics


class State(enum.Enum):
    """What is done with a partition."""

    PLACING = "its position is being read"
    READY = "it is consumed"
    BLOCKED = "it is not consumed until an operator acts"


@dataclass(slots=True)
class Partition:
    """One partition for as long as this worker has it."""

    tp: TopicPartition
    lane: int
    state: State = State.PLACING
    next: int = 0
    """The `start` of the next slice to hand out. Only while READY."""
    done: int = 0
    """The `end` of the last slice that was committed."""
    problem: str = ""
    """Why it is BLOCKED: a sentence for an operator."""
    unreadable_at: int | None = None
    """BLOCKED because the record at or after this position cannot be read."""
    blocked_since: float = 0.0

    def block(self, problem: str, *, unreadable_at: int | None = None) -> bool:
        """Stop consuming it; answers whether this is news."""
        news = self.state is not State.BLOCKED and self.problem != problem
        self.state = State.BLOCKED
        self.problem = problem
        self.unreadable_at = unreadable_at
        self.blocked_since = time.monotonic()
        metrics.BLOCKED.labels(self.tp.topic, self.tp.partition).set(1)
        return news

    def ready(self, position: int) -> None:
        """Consume it from `position` on."""
        self.state = State.READY
        self.next = self.done = position
        self.problem = ""
        self.unreadable_at = None
        metrics.BLOCKED.labels(self.tp.topic, self.tp.partition).set(0)


class Assignment:
    """All partitions of this worker. `epoch` grows with each change by the group."""

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        self._partitions: dict[TopicPartition, Partition] = {}
        self.epoch = 0
        self.joined = False
        """Whether the group has given this worker its partitions (which may be none)."""
        self.since = time.monotonic()
        """When `joined` last changed."""
        self.changed = asyncio.Event()
        """To be set when a partition has become READY."""

    def __iter__(self) -> Iterator[Partition]:
        return iter(self._partitions.values())

    def __len__(self) -> int:
        return len(self._partitions)

    def get(self, topic: str, number: int) -> Partition | None:
        """The partition, if this worker has it."""
        return self._partitions.get(TopicPartition(topic, number))

    def take(self, assigned: Iterable[TopicPartition]) -> None:
        """The group gave this worker these partitions, and no others."""
        # The same client has the same partition number on each topic: by number, its events come to one
        # lane, and lanes do not wait for each other's locks.
        self._replace({tp: Partition(tp, tp.partition % self._lanes) for tp in sorted(assigned)}, joined=True)
        metrics.ASSIGNMENTS.inc()

    def drop(self) -> None:
        """The group takes all partitions away."""
        self._replace({}, joined=False)

    def _replace(self, partitions: dict[TopicPartition, Partition], *, joined: bool) -> None:
        for gone in self._partitions.keys() - partitions.keys():
            for gauge in (metrics.BLOCKED, metrics.LAG):
                gauge.remove(gone.topic, str(gone.partition))
        self._partitions = partitions
        self.epoch += 1
        self.joined = joined
        self.since = time.monotonic()
        metrics.PARTITIONS.set(len(partitions))
        self.changed.set()

    async def wait_for_change(self, seconds: float) -> None:
        """Wait until a partition may have become READY, at most `seconds`."""
        self.changed.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.changed.wait(), seconds)

    def in_state(self, state: State) -> list[Partition]:
        """The partitions in one state."""
        return [partition for partition in self if partition.state is state]

    def of_lane(self, lane: int) -> list[Partition]:
        """The partitions a lane reads now."""
        return [partition for partition in self if partition.lane == lane and partition.state is State.READY]

    def blocked(self) -> list[Partition]:
        """The partitions that wait for an operator."""
        return self.in_state(State.BLOCKED)
