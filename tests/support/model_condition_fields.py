"""How the conditions of a group are read: each into one spelling, or the sentence why it is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import pycountry

from tests.support.model_conditions import number
from tests.support.model_fields import (
    METHODS,
    PAYER_STATUSES,
    Number,
    Poison,
    as_id,
    authorization_method,
    compact,
    country,
    none_or_missing,
    one_of,
    text,
    truth,
    whole,
)

PAST_COUNTRIES: Final = frozenset(each.alpha_2 for each in pycountry.historic_countries)
LISTS: Final = frozenset({"one_of", "none_of"})
WITHOUT_VALUE: Final = frozenset({"is_set", "is_not_set"})
FOR_ALL_TYPES: Final = LISTS | {"equals", "not_equals"}
FOR_TEXT: Final = (
    FOR_ALL_TYPES
    | WITHOUT_VALUE
    | {"contains", "not_contains", "starts_with", "ends_with", "matches", "greater_than", "less_than"}
)


def _parameter_value(value: object, name: str) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, bool | Number):
        raise Poison(f"{name} is no text")
    return compact(value)


def _past_or_present_country(value: object, name: str) -> str:
    """A group may go on naming a country that does not exist any more."""
    past = isinstance(value, str) and value.isascii() and value.upper() in PAST_COUNTRIES
    return str(value).upper() if past else country(value, name)


_VALUES: Final[Mapping[str, Any]] = {
    "country": _past_or_present_country,
    "geoip_country": _past_or_present_country,
    "request_parameter": _parameter_value,
    "payer_status": lambda value, name: one_of(value, PAYER_STATUSES, name),
    "provider": as_id,
    "authorization_method": authorization_method,
    "verification_status": lambda value, name: one_of(value, frozenset({"passed", "failed"}), name),
    "verification_method": lambda value, name: one_of(value, METHODS, name),
}


def read_conditions(value: object, name: str) -> list[dict[str, Any]]:
    """All of a group's. Raises Poison."""
    if not isinstance(value, list):
        raise Poison(f"{name} is no list")
    return [read_condition(each) for each in value]


def read_condition(given: object) -> dict[str, Any]:
    """One condition; parts that it does not have are not there."""
    if not isinstance(given, dict):
        raise Poison("a condition is no object")
    kind = one_of(given.get("type"), frozenset(_VALUES), "type")
    comparison = one_of(
        given.get("comparison"), FOR_TEXT if kind == "request_parameter" else FOR_ALL_TYPES, "comparison"
    )
    read: dict[str, Any] = {
        "condition_group": whole(given.get("condition_group"), "condition_group", 1),
        "type": kind,
        "comparison": comparison,
    }
    value = given.get("value")
    if value == "" and kind != "request_parameter":
        value = None
    if (value is None) != (comparison in WITHOUT_VALUE) or isinstance(value, list) != (comparison in LISTS):
        raise Poison("value does not suit the comparison")
    if isinstance(value, list):
        read["value"] = _list(kind, value)
    elif value is not None:
        read["value"] = _VALUES[kind](value, "value")
        _refuse_unusable(comparison, read["value"])
    if (kind == "request_parameter") != (none_or_missing(given, "parameter") is False):
        raise Poison("parameter is missing or too much")
    if kind == "request_parameter":
        read["parameter"] = text(given["parameter"], "parameter")
    if truth(given, "include_inactive"):
        if kind != "payer_status":
            raise Poison("include_inactive is for payers")
        read["include_inactive"] = True
    return read


def _list(kind: str, values: list[Any]) -> list[str]:
    if not values:
        raise Poison("value is an empty list")
    return list(dict.fromkeys(_VALUES[kind](value, "value") for value in values))


def _refuse_unusable(comparison: str, value: str) -> None:
    if comparison in {"greater_than", "less_than"} and number(value) is None:
        raise Poison("value is no number")
    if comparison == "matches":
        try:
            re.compile(value)
        except re.error as error:
            raise Poison("value is no regular expression") from error


def named(conditions: Iterable[Mapping[str, Any]], kind: str) -> set[str]:
    """The values that conditions of a type name, whatever their comparison."""
    return {
        value
        for condition in conditions
        if condition["type"] == kind
        for value in ([condition["value"]] if isinstance(condition["value"], str) else condition["value"])
    }
