"""Conditions that every text meets, so that they say no more than `is_set`."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from rules.comparisons import PatternError, compile_pattern
from rules.model import Comparison, Condition

_EMPTY_IN_EVERY: Final = (
    Comparison.CONTAINS,
    Comparison.NOT_CONTAINS,
    Comparison.STARTS_WITH,
    Comparison.ENDS_WITH,
)
# What RE2's assertions tell apart next to a place: the text's edge, a word character, a line's end, others.
_NEIGHBOURS: Final = ("", "a", "\n", "-")


def compares_with_every_text(condition: Condition) -> bool:
    """Whether the comparison (of a negated one, what it negates) holds for every text there is."""
    if not isinstance(condition.value, str):
        return False
    if condition.comparison is Comparison.MATCHES:
        return matches_every_text(condition.value)
    return condition.comparison in _EMPTY_IN_EVERY and not condition.value


@lru_cache(maxsize=512)
def matches_every_text(pattern: str) -> bool:
    r"""Whether the regular expression is found in every text; never wrongly true.

    It is where it matches nothing at all at the beginning of every text, or at the end of every text.
    Assertions (`^`, `$`, `\b`) see of a place only what stands next to it, so one text for each kind of
    neighbour stands for all. `^.*$` is not found in every text: the point leaves out line ends.
    """
    if compile_pattern(pattern).search(b"") is None:
        return False
    before = ((f"(?:{pattern}){_quoted(each)}", each) for each in _NEIGHBOURS)
    after = ((f"{_quoted(each)}(?:{pattern})", each) for each in _NEIGHBOURS)
    return _all_match(before) or _all_match(after)


def _quoted(character: str) -> str:
    return "\\n" if character == "\n" else character


def _all_match(cases: Iterable[tuple[str, str]]) -> bool:
    try:
        # The character is matched by what was added, so that nothing is left for the pattern itself.
        return all(compile_pattern(each).fullmatch(text.encode()) is not None for each, text in cases)
    except PatternError:  # too large with the addition, or \Q that swallows it
        return False
