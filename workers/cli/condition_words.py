"""Conditions in words: one line for each, as an operator would say it."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Final

from events.conditions import Condition

VALUES_SHOWN: Final = 20
"""Of a list; the JSON has all."""
FACTS: Final[Mapping[str, str]] = {
    "country": "country",
    "geoip_country": "country by GeoIP",
    "payer_status": "payer status",
    "provider": "provider",
    "authorization_method": "authorization method",
    "verification_status": "verification status",
    "verification_method": "verification method",
}
_COMPARISONS: Final[Mapping[str, str]] = {
    "equals": "is",
    "not_equals": "is not",
    "one_of": "is one of",
    "none_of": "is none of",
    "contains": "contains",
    "not_contains": "does not contain",
    "starts_with": "starts with",
    "ends_with": "ends with",
    "matches": "matches",
    "is_set": "is set",
    "is_not_set": "is not set",
    "greater_than": "is greater than",
    "less_than": "is less than",
}


def in_words(condition: Condition) -> str:
    """One condition, as `payer status (also inactive) is one of individual, legal_entity`."""
    if condition.type == "request_parameter":
        fact = f'request parameter "{condition.parameter}"'
    else:
        fact = FACTS[condition.type] + (" (also inactive)" if condition.include_inactive else "")
    words = f"{fact} {_COMPARISONS[condition.comparison]}"
    return words if condition.value is None else f"{words} {_value(condition)}"


def by_group(conditions: Iterable[Condition]) -> list[tuple[int, list[str]]]:
    """The condition groups by number, each with its conditions in words."""

    def number(condition: Condition) -> int:
        return condition.condition_group

    ordered = sorted(conditions, key=number)
    return [(at, [in_words(each) for each in found]) for at, found in groupby(ordered, key=number)]


def _value(condition: Condition) -> str:
    given = condition.value if isinstance(condition.value, list) else [condition.value]
    quote = '"' if condition.type == "request_parameter" else ""
    shown = ", ".join(f"{quote}{value}{quote}" for value in given[:VALUES_SHOWN])
    more = len(given) - VALUES_SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown
