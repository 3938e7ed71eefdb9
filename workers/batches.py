"""What the intake hands to a handler, and what a handler hands back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from events.record import Record


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive records of one partition.

    `start` is the position the fetch began at: the offset that `input_positions` must hold for this
    slice to be taken. `end` is the position after it, the next slice's `start`. Offsets have holes
    (transaction markers, compaction), so neither can be told from the records; a slice may hold none.
    """

    topic: str
    partition: int
    start: int
    end: int
    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Batch:
    """Slices that are done in one transaction: at most one of each partition."""

    slices: tuple[Slice, ...]

    def __len__(self) -> int:
        """How many records."""
        return sum(len(part.records) for part in self.slices)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch that was committed.

    `moved`: partitions whose position was not their slice's `start`. Their slices were dropped, not
    done; the intake reads the position again and seeks there.
    """

    moved: frozenset[tuple[str, int]] = frozenset()
