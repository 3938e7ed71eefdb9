"""Conditions as contracts.md puts them, evaluated on their raw JSON: obvious and slow, a second opinion.

A verdict is True (met), False (not met) or None (unknown).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

UNKNOWN: Final = "(unknown)"
"""The GeoIP country of a client whose address is not known; no country has this code."""

NEGATIONS: Final = {
    "not_equals": "equals",
    "none_of": "one_of",
    "not_contains": "contains",
    "is_not_set": "is_set",
}


@dataclass(frozen=True)
class Facts:
    """What is known of a client. None = known to have none."""

    country: str | None = None
    geoip_country: str | None = UNKNOWN
    provider: str | None = None
    authorization_method: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    payers: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    """Payer id -> (status, active), without deleted payers."""
    passed: frozenset[str] = frozenset()
    """The methods in which the client has passed verification."""


def verdict_of_group(conditions: list[dict[str, Any]], facts: Facts) -> bool | None:
    """AND over the condition groups of OR over the conditions of each."""
    numbers = sorted({condition["condition_group"] for condition in conditions})
    return all_of(
        any_of(verdict(c, facts) for c in conditions if c["condition_group"] == number) for number in numbers
    )


def any_of(verdicts: Iterable[bool | None]) -> bool | None:
    """True when one surely holds; else unknown when one may."""
    found = list(verdicts)
    if True in found:
        return True
    return None if None in found else False


def all_of(verdicts: Iterable[bool | None]) -> bool | None:
    """False when one surely doesn't hold; else unknown when one may not."""
    found = list(verdicts)
    if False in found:
        return False
    return None if None in found else True


def verdict(condition: Mapping[str, Any], facts: Facts) -> bool | None:
    """One condition."""
    values = facts_read(condition, facts)
    if condition["type"] == "geoip_country" and UNKNOWN in values:
        return None
    comparison = condition["comparison"]
    if comparison in NEGATIONS:
        return not any_value_meets(NEGATIONS[comparison], values, condition)
    return any_value_meets(comparison, values, condition)


def facts_read(condition: Mapping[str, Any], facts: Facts) -> list[str]:
    """The values that the condition looks at; an empty list = there are none."""
    kind = condition["type"]
    single: str | None
    if kind == "country":
        single = facts.country
    elif kind == "geoip_country":
        single = facts.geoip_country
    elif kind == "provider":
        single = facts.provider
    elif kind == "authorization_method":
        single = facts.authorization_method
    elif kind == "request_parameter":
        single = facts.parameters.get(condition["parameter"])
    elif kind == "verification_status":
        single = "passed" if facts.passed else "failed"
    elif kind == "verification_method":
        return sorted(facts.passed)
    elif kind == "payer_status":
        inactive_too = condition.get("include_inactive", False)
        return sorted(status for status, active in facts.payers.values() if active or inactive_too)
    else:
        raise AssertionError(kind)
    return [] if single is None else [single]


def any_value_meets(comparison: str, values: list[str], condition: Mapping[str, Any]) -> bool:
    """Whether a value meets a comparison that is not a negation."""
    if comparison == "is_set":
        return bool(values)
    wanted = condition["value"]
    if comparison == "one_of":
        codes = [as_code(condition["type"], one) for one in wanted]
        return any(value in codes for value in values)
    wanted = as_code(condition["type"], wanted)
    return any(meets(comparison, value, wanted) for value in values)


def as_code(kind: str, value: str) -> str:
    """Codes are accepted in any case; ids and request parameters are text as it is."""
    if kind in {"country", "geoip_country"}:
        return value.upper()
    if kind in {"provider", "request_parameter"}:
        return str(value)
    return value.lower()


def meets(comparison: str, value: str, wanted: str) -> bool:
    """One value of a fact against the condition's."""
    if comparison == "equals":
        return value == wanted
    if comparison == "contains":
        return wanted in value
    if comparison == "starts_with":
        return value.startswith(wanted)
    if comparison == "ends_with":
        return value.endswith(wanted)
    if comparison == "matches":
        return re.search(wanted, value) is not None
    left, right = number(value), number(wanted)
    if left is None or right is None:
        return False
    return left > right if comparison == "greater_than" else left < right


def number(text: str) -> Decimal | None:
    """A finite number, or None."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def what_it_reads(condition: Mapping[str, Any]) -> str:
    """The name of the fact that the condition reads, as in `changed_facts`."""
    kind: str = condition["type"]
    if kind == "request_parameter":
        return f"request_parameter {condition['parameter']}"
    if kind in {"verification_status", "verification_method"}:
        return "verification"
    return kind


def changed_facts(before: Facts, after: Facts) -> set[str]:
    """The names of the facts whose values differ."""
    changed: set[str] = set()
    if before.country != after.country:
        changed.add("country")
    if before.geoip_country != after.geoip_country:
        changed.add("geoip_country")
    if before.provider != after.provider:
        changed.add("provider")
    if before.authorization_method != after.authorization_method:
        changed.add("authorization_method")
    if before.payers != after.payers:
        changed.add("payer_status")
    if before.passed != after.passed:
        changed.add("verification")
    for name in set(before.parameters) | set(after.parameters):
        if before.parameters.get(name) != after.parameters.get(name):
            changed.add(f"request_parameter {name}")
    return changed
