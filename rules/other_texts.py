"""Whether a text that no condition names may meet several conditions of a request parameter at once."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from rules.comparisons import NEGATED, number
from rules.every_text import compares_with_every_text
from rules.model import Comparison, Condition

_NUMBER_CHARACTERS: Final = frozenset("0123456789+-.eE")
_NAMING: Final = (Comparison.EQUALS, Comparison.ONE_OF)


class Wanted(NamedTuple):
    """A condition that is to be met, or that is not to be met."""

    condition: Condition
    met: bool


def other_text_may_meet(wanted: Iterable[Wanted]) -> bool:
    """False only where no text can do what is wanted but, perhaps, one that a condition names.

    True may be wrong: regular expressions are not looked into.
    """
    compared: dict[tuple[Comparison, bool], list[str]] = {}
    for condition, met in wanted:
        positive = NEGATED.get(condition.comparison)
        comparison = positive or condition.comparison
        holds = met if positive is None else not met
        if comparison in _NAMING or comparison is Comparison.IS_SET:
            if holds == (comparison in _NAMING):
                return False
        elif not holds and compares_with_every_text(condition):
            return False
        elif isinstance(condition.value, str):
            compared.setdefault((comparison, holds), []).append(condition.value)
    return _pieces_fit(compared) and _patterns_fit(compared) and _numbers_fit(compared)


_Compared = dict[tuple[Comparison, bool], list[str]]


def _pieces_fit(compared: _Compared) -> bool:
    starts = compared.get((Comparison.STARTS_WITH, True), [])
    ends = compared.get((Comparison.ENDS_WITH, True), [])
    start, end = _longest(starts), _longest(ends)
    if not all(map(start.startswith, starts)) or not all(map(end.endswith, ends)):
        return False
    if any(map(start.startswith, compared.get((Comparison.STARTS_WITH, False), []))):
        return False
    if any(map(end.endswith, compared.get((Comparison.ENDS_WITH, False), []))):
        return False
    pieces = [start, end, *compared.get((Comparison.CONTAINS, True), [])]
    left_out = compared.get((Comparison.CONTAINS, False), [])
    return not any(each in piece for each in left_out for piece in pieces)


def _patterns_fit(compared: _Compared) -> bool:
    found = compared.get((Comparison.MATCHES, True), [])
    return set(found).isdisjoint(compared.get((Comparison.MATCHES, False), []))


def _numbers_fit(compared: _Compared) -> bool:
    above = _numbers(compared, Comparison.GREATER_THAN, holds=True)
    below = _numbers(compared, Comparison.LESS_THAN, holds=True)
    if not above and not below:
        return True  # it need not be a number
    pieces = (Comparison.STARTS_WITH, Comparison.ENDS_WITH, Comparison.CONTAINS)
    if any(set(text) - _NUMBER_CHARACTERS for each in pieces for text in compared.get((each, True), [])):
        return False
    at_most = _numbers(compared, Comparison.GREATER_THAN, holds=False)
    at_least = _numbers(compared, Comparison.LESS_THAN, holds=False)
    return (
        _all_below(above, below, or_equal=False)
        and _all_below(above, at_most, or_equal=False)
        and _all_below(at_least, below, or_equal=False)
        and _all_below(at_least, at_most, or_equal=True)
    )


def _numbers(compared: _Compared, comparison: Comparison, *, holds: bool) -> list[Decimal]:
    parsed = map(number, compared.get((comparison, holds), []))
    return [each for each in parsed if each is not None]


def _all_below(low: Sequence[Decimal], high: Sequence[Decimal], *, or_equal: bool) -> bool:
    if not low or not high:
        return True
    highest, lowest = max(low), min(high)
    return highest < lowest or (or_equal and highest == lowest)


def _longest(texts: Sequence[str]) -> str:
    return max(texts, key=len, default="")
