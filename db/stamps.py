"""When a fact was said, and which of two records said at the same time counts.

contracts.md, *Order*: the newest by its own time wins; at equal times a deletion wins over
client-changed, that over client-registered; within one topic the later offset. A stamp is a pair
that Python compares in that order, so that the outcome does not depend on the order of arrival.
"""

from datetime import datetime
from typing import Final, NamedTuple

_PARTITION_BITS: Final = 12
_OFFSET_BITS: Final = 48

REGISTERED: Final = 0
CHANGED: Final = 1


class Stamp(NamedTuple):
    """The time of a record and its place among records of the same time."""

    at: datetime
    order: int


def order(offset: int, partition: int, rank: int = REGISTERED) -> int:
    """Pack rank, offset and partition into one bigint that sorts as the three do.

    Offsets of different partitions of one topic cannot be compared; the packing does so all the
    same, since any fixed order serves and no order would leave the outcome to chance.
    """
    return (
        rank << (_OFFSET_BITS + _PARTITION_BITS)
        | (offset & ((1 << _OFFSET_BITS) - 1)) << _PARTITION_BITS
        | partition & ((1 << _PARTITION_BITS) - 1)
    )


class Place(NamedTuple):
    """What `order` packs."""

    offset: int
    partition: int
    rank: int


def place_of(packed: int) -> Place:
    """Undo `order`."""
    return Place(
        packed >> _PARTITION_BITS & ((1 << _OFFSET_BITS) - 1),
        packed & ((1 << _PARTITION_BITS) - 1),
        packed >> (_OFFSET_BITS + _PARTITION_BITS),
    )
