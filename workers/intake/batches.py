"""What the intake hands to a handler, and what a handler hands back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """Two batches that do the same one after the other. The batch must hold two records or more."""
    if len(batch.slices) > 1:
        middle = len(batch.slices) // 2
        return Batch(batch.slices[:middle]), Batch(batch.slices[middle:])
    (part,) = batch.slices
    middle = len(part.records) // 2
    split = part.records[middle].offset
    return (
        Batch((replace(part, end=split, records=part.records[:middle]),)),
        Batch((replace(part, start=split, records=part.records[middle:]),)),
    )


def singles(part: Slice) -> Iterator[Slice]:
    """Slices of one record each that do the same one after the other; one that holds none stays as it is."""
    if not part.records:
        yield part
    start = part.start
    for place, record in enumerate(part.records, start=1):
        end = part.end if place == len(part.records) else record.offset + 1
        yield replace(part, start=start, end=end, records=(record,))
        start = end
