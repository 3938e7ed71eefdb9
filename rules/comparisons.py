"""The comparisons, one plain function each: a text of the fact against the value of the condition.

All are exact and case-sensitive, on code points as they came (no Unicode normalisation). The negated
comparisons have no function here: they are the exact negations of the others (`NEGATED`).
"""

import re
from collections.abc import Callable
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any, Final

import re2

from rules.model import Comparison

NEGATED: Final = {
    Comparison.NOT_EQUALS: Comparison.EQUALS,
    Comparison.NONE_OF: Comparison.ONE_OF,
    Comparison.NOT_CONTAINS: Comparison.CONTAINS,
    Comparison.IS_NOT_SET: Comparison.IS_SET,
}
"""What each negated comparison is the negation of."""

MAX_PATTERN_CHARACTERS: Final = 1_000
MAX_PROGRAM_INSTRUCTIONS: Final = 2_000  # RE2's worst case is text length x instructions, at some 8 ns each
MAX_PATTERN_MEMORY: Final = 1 << 20  # bytes a pattern may use, caches included
MAX_NUMBER_CHARACTERS: Final = 1_000

# What JSON and people write as a number. Decimal alone would also take "1_000", " 5 ", other scripts' digits.
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
# Without traps an exponent out of range gives NaN, and no exception that depends on the thread's context.
_EXACT: Final = Context(traps=[])


class PatternError(ValueError):
    """A regular expression that cannot be used; the text is the reason."""


def equals(text: str, value: str) -> bool:
    """Whether both are the same text."""
    return text == value


def one_of(text: str, values: tuple[str, ...]) -> bool:
    """Whether the text is one of the values."""
    return text in values


def contains(text: str, value: str) -> bool:
    """Whether the value stands anywhere in the text."""
    return value in text


def starts_with(text: str, value: str) -> bool:
    """Whether the text begins with the value."""
    return text.startswith(value)


def ends_with(text: str, value: str) -> bool:
    """Whether the text ends with the value."""
    return text.endswith(value)


def matches(text: str, pattern: str) -> bool:
    """Whether the regular expression is found anywhere in the text. Takes time linear in the text.

    Raises PatternError for a pattern that `compile_pattern` refuses.
    """
    return compile_pattern(pattern).search(_utf8(text)) is not None


def is_set(_text: str, _value: None) -> bool:
    """True: a text that is there is set, an empty one too."""
    return True


def greater_than(text: str, value: str) -> bool:
    """Whether both are numbers and the text's is larger; what is no number is neither greater nor less."""
    left, right = number(text), number(value)
    return left is not None and right is not None and left > right


def less_than(text: str, value: str) -> bool:
    """Whether both are numbers and the text's is the smaller."""
    left, right = number(text), number(value)
    return left is not None and right is not None and left < right


POSITIVE: Final[dict[Comparison, Callable[[str, Any], bool]]] = {
    Comparison.EQUALS: equals,
    Comparison.ONE_OF: one_of,
    Comparison.CONTAINS: contains,
    Comparison.STARTS_WITH: starts_with,
    Comparison.ENDS_WITH: ends_with,
    Comparison.MATCHES: matches,
    Comparison.IS_SET: is_set,
    Comparison.GREATER_THAN: greater_than,
    Comparison.LESS_THAN: less_than,
}
"""The function of each comparison that is not a negation."""


@lru_cache(maxsize=4_096)
def number(text: str) -> Decimal | None:
    """The text as an exact finite number, or None where it is none.

    A number is ASCII digits with an optional sign, fraction and exponent, of at most 1,000 characters:
    comparing two such numbers takes microseconds, whatever their exponents, so that no client can make a
    check slow.
    """
    if len(text) > MAX_NUMBER_CHARACTERS or not _NUMBER.fullmatch(text):
        return None
    parsed = Decimal(text, _EXACT)
    return parsed if parsed.is_finite() else None


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> Any:  # google-re2 has no types
    """The compiled RE2 expression, from a cache of the 512 used last.

    Raises PatternError with RE2's reason for what RE2 does not accept, and for a pattern so large that its
    memory or its worst time would not be bounded.
    """
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise PatternError(f"longer than {MAX_PATTERN_CHARACTERS:,} characters")
    options = re2.Options()
    options.log_errors = False  # else RE2 writes them to stderr
    options.never_capture = True
    options.max_mem = MAX_PATTERN_MEMORY
    try:
        # Past re2.compile's own cache, which would be a second one. Bytes, as RE2 gets UTF-8 in any case.
        compiled = re2._Regexp(_utf8(pattern), options)  # noqa: SLF001
    except re2.error as error:
        raise PatternError(_reason(error)) from error
    if compiled.programsize > MAX_PROGRAM_INSTRUCTIONS:
        raise PatternError(f"too large: more than {MAX_PROGRAM_INSTRUCTIONS:,} instructions when compiled")
    return compiled


def _utf8(text: str) -> bytes:
    """The text for RE2; a lone surrogate, which JSON can carry, becomes bytes that match no character."""
    return text.encode("utf-8", "surrogatepass")


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else str(error)
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
