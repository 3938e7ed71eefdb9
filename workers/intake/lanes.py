"""Lanes: each does one batch at a time; several do theirs side by side."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field

from faust.types import AppT

from workers.intake.batches import Batch
from workers.intake.channels import KeepingChannel


@dataclass(frozen=True, slots=True)
class Handed:
    """A batch that was handed out, and the assignment of partitions it belongs to."""

    batch: Batch
    epoch: int
    at: float = field(default_factory=time.monotonic)


class Lane:
    """A channel and the batch in hand.

    The next batch is fetched only when the one in hand is done. So a batch is as large as what has
    arrived meanwhile (large under load, a single record at rest), and none waits in a queue when
    partitions are taken away.
    """

    def __init__(self, app: AppT, index: int) -> None:
        self.index = index
        self.channel = KeepingChannel(app, maxsize=1)
        self.in_hand: Handed | None = None
        self.idle = asyncio.Event()
        self.idle.set()
        self.handed_at = -math.inf
        """When it was handed a batch last, by time.monotonic()."""

    def hand(self, handed: Handed) -> None:
        """Give the lane's agent a batch. Only for a lane that is idle."""
        assert self.in_hand is None
        self.in_hand = handed
        self.handed_at = handed.at
        self.idle.clear()
        self.channel.queue.put_nowait(handed)

    def done(self) -> None:
        """The batch in hand is done or dropped."""
        self.in_hand = None
        self.idle.set()

    @property
    def busy_for(self) -> float:
        """For how long the batch in hand has been there; 0 when idle. Seconds."""
        return 0.0 if self.in_hand is None else time.monotonic() - self.in_hand.at
