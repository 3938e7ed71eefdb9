"""Sets of small numbers as the bits of one integer, and back."""

from collections.abc import Iterable, Iterator

_FEW = 16  # set bits up to which picking them one by one is faster than writing the whole number down


def mask_of(bits: Iterable[int]) -> int:
    """The integer with these bits set. Takes time in the number of bits plus the highest of them."""
    positions = list(bits)
    if len(positions) <= _FEW:
        mask = 0
        for position in positions:
            mask |= 1 << position
        return mask
    packed = bytearray(max(positions) // 8 + 1)
    for position in positions:
        packed[position >> 3] |= 1 << (position & 7)
    return int.from_bytes(packed, "little")


def bits_of(mask: int) -> Iterator[int]:
    """The set bits of a non-negative integer, lowest first."""
    if mask.bit_count() <= _FEW:
        while mask:
            lowest = mask & -mask
            yield lowest.bit_length() - 1
            mask ^= lowest
        return
    digits = f"{mask:b}"[::-1]
    position = digits.find("1")
    while position >= 0:
        yield position
        position = digits.find("1", position + 1)
