"""Where the condition groups of every client group stand in the wide mask.

The wide mask is `planes` rows of `width` bits; the bit of row *p* and column *c* is `p * width + c`, a
*slot*. A client group has the column of its own bit, and its condition groups stand there one below the
other, so that *all of them hold* is one AND of the rows for all client groups at once. A group with fewer
condition groups than rows has the rest always set. One with more goes on in extra columns, so that a single
long rule does not make every check longer.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rules.model import Condition, GroupRules

MAX_PLANES: Final = 8
_LONG_SHARE: Final = 32  # one rule in so many may need extra columns
_SPARE_SHARE: Final = 8  # spare columns for what comes: a part of those in use, ...
_SPARE_COLUMNS: Final = 16  # ... and at least so many


@dataclass(frozen=True, slots=True)
class Placed:
    """One client group in the wide mask."""

    columns: tuple[int, ...]
    """Its own column, then the extra ones."""
    clauses: tuple[tuple[int, tuple[Condition, ...]], ...]
    """The slot and the conditions of each of its condition groups."""
    padding: tuple[int, ...]
    """The slots of its columns that hold no condition group and are always set."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The measures of the wide mask."""

    width: int
    planes: int

    @classmethod
    def fitting(cls, groups: Sequence[GroupRules]) -> "Grid":
        """The measures for these groups in columns 0, 1, 2 …, with columns to spare."""
        sizes = Counter(len(clauses_of(group.conditions)) for group in groups)
        conditional = sizes.total() - sizes[0]
        planes = 1
        while not _suits(planes, sum(sizes[size] for size in sizes if size > planes), conditional):
            planes += 1
        extra = sum(count * (-(-size // planes) - 1) for size, count in sizes.items() if size)
        columns = len(groups) + extra
        return cls(columns + max(_SPARE_COLUMNS, columns // _SPARE_SHARE), planes)

    def suits(self, long: int, conditional: int) -> bool:
        """Whether these rows do for so many groups with extra columns among so many with conditions."""
        return _suits(self.planes, long, conditional)

    def columns_for(self, group: GroupRules) -> int:
        """How many columns the group takes, its own included."""
        return max(1, -(-len(clauses_of(group.conditions)) // self.planes))

    def place(self, group: GroupRules, columns: tuple[int, ...]) -> Placed:
        """The group in these columns (as many as `columns_for` says); without conditions it takes no slot."""
        slots = [plane * self.width + column for column in columns for plane in range(self.planes)]
        clauses = clauses_of(group.conditions)
        return Placed(
            columns,
            tuple(zip(slots, clauses, strict=False)),
            tuple(slots[len(clauses) :]) if clauses else (),
        )


def clauses_of(conditions: Iterable[Condition]) -> list[tuple[Condition, ...]]:
    """The conditions of each condition group, by its number: OR inside one, AND between them."""
    by_number: dict[int, list[Condition]] = {}
    for condition in conditions:
        by_number.setdefault(condition.condition_group, []).append(condition)
    return [tuple(by_number[number]) for number in sorted(by_number)]


def _suits(planes: int, long: int, conditional: int) -> bool:
    # Extra columns are looked at one group after the other, rows for all groups at once.
    return planes == MAX_PLANES or long * _LONG_SHARE <= conditional
