"""A group as `put-group` gives it, read into one spelling, and what `change-group` makes of it.

Written from contracts.md alone. A definition is a dict with every field of a group; what is not given
stands there with its default. `upon_change` stays None where nobody set it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import available_timezones

import pycountry
from cronsim import CronSim, CronSimError

from tests.support.model_condition_fields import read_conditions
from tests.support.model_fields import Number, Poison, identifier, none_or_missing, text, truth, whole

Definition = dict[str, Any]

CURRENCIES: Final = frozenset(currency.alpha_3 for currency in pycountry.currencies)
RATE: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
_ANY_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
HOLD: Final = {"percent": Decimal(10), "count": 100}


def read_group(said: Mapping[str, Any]) -> Definition:
    """The whole group of a `put-group`. Raises Poison."""
    group = read_fields(said)
    if "name" not in group:
        raise Poison("name is required")
    whole_group = {**defaults(), **group}
    whole_group["auto_assignment"] = {**auto_defaults(), **(group.get("auto_assignment") or {})}
    held = whole_group["auto_assignment"]["hold_leaves_over"]
    whole_group["auto_assignment"]["hold_leaves_over"] = None if held is None else {**HOLD, **held}
    _refuse_without_schedule(whole_group)
    return whole_group


def changed(before: Definition, change: Mapping[str, Any]) -> Definition:
    """`before` with the fields that `read_fields` gave. Raises Poison where the whole is wrong."""
    after = {**before, **change}
    if "auto_assignment" in change:
        given = change["auto_assignment"]
        if given is None:
            after["auto_assignment"] = auto_defaults()
        else:
            automatic = {**before["auto_assignment"], **given}
            if given.get("hold_leaves_over") is not None:
                held = before["auto_assignment"]["hold_leaves_over"] or HOLD
                automatic["hold_leaves_over"] = {**held, **given["hold_leaves_over"]}
            after["auto_assignment"] = automatic
    _refuse_without_schedule(after)
    return after


def in_force(group: Definition) -> Definition:
    """The same with `upon_change` as it works: what readers see, and what a new version is told by."""
    auto = group["auto_assignment"]
    return {**group, "auto_assignment": {**auto, "upon_change": checks_upon_change(auto)}}


def checks_upon_change(auto: Mapping[str, Any]) -> bool:
    """As set, else on where another automatic check is."""
    set_to: bool | None = auto["upon_change"]
    return bool(auto["upon_registration"] or auto["periodic"]) if set_to is None else set_to


def defaults() -> Definition:
    """All fields that may be missing, but `auto_assignment`."""
    return {
        "description": "",
        "currency_rates": {},
        "allow_service_suspension": False,
        "allow_service_deletion": False,
        "ignore_service_limit": False,
        "conditions": [],
    }


def auto_defaults() -> dict[str, Any]:
    """Those of `auto_assignment`."""
    return {
        "upon_registration": False,
        "upon_change": None,
        "periodic": False,
        "schedule": None,
        "timezone": "UTC",
        "exclude": False,
        "keep_manual": False,
        "hold_leaves_over": dict(HOLD),
    }


def read_fields(said: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are there; null and "" give the default. Raises Poison."""
    read: dict[str, Any] = {"group": identifier(said, "group")}
    if "name" in said:
        read["name"] = text(said["name"], "name")
        if not read["name"].strip() or len(read["name"]) > 255:
            raise Poison("name is blank or too long")
    return read | _read(said, _FIELDS, defaults() | {"auto_assignment": None})


def _read(
    said: Mapping[str, Any], readers: Mapping[str, Callable[[Any, str], Any]], instead: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        name: instead[name] if none_or_missing(said, name) else read(said[name], name)
        for name, read in readers.items()
        if name in said
    }


def _switch(value: object, name: str) -> bool:
    return bool(truth({name: value}, name))


def _rates(value: object, name: str) -> dict[str, str]:
    rates: dict[str, str] = {}
    for pair, rate in _object(value, name).items():
        currencies = pair.upper().split("/")
        known = len(currencies) == 2 and set(currencies) <= CURRENCIES and currencies[0] != currencies[1]
        digits = str(rate) if isinstance(rate, str | Number) else ""
        if not known or pair.upper() in rates or not RATE.fullmatch(digits) or Decimal(digits) == 0:
            raise Poison(f"{name}: {pair}")
        rates[pair.upper()] = digits
    return rates


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Poison(f"{name} is no object")
    return value


def _auto(value: object, name: str) -> dict[str, Any]:
    return _read(_object(value, name), _AUTO, auto_defaults() | {"hold_leaves_over": None})


def _cron(value: object, name: str) -> str:
    fields = text(value, name).split()
    try:
        if len(fields) != 5:
            raise Poison(f"{name} has five fields")
        CronSim(" ".join(fields), _ANY_DAY)
    except CronSimError as error:
        raise Poison(f"{name} is no cron schedule") from error
    return " ".join(fields)


def _zone(value: object, name: str) -> str:
    if text(value, name) not in available_timezones():
        raise Poison(f"{name} is no time zone")
    return str(value)


def _hold(value: object, name: str) -> dict[str, Any]:
    return _read(_object(value, name), {"percent": _percent, "count": whole}, HOLD)


def _percent(value: object, name: str) -> Decimal:
    if not isinstance(value, Number) or not 0 <= Decimal(value.text) <= 100:
        raise Poison(f"{name} is no percentage")
    return Decimal(value.text)


_FIELDS: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "description": text,
    "currency_rates": _rates,
    "allow_service_suspension": _switch,
    "allow_service_deletion": _switch,
    "ignore_service_limit": _switch,
    "auto_assignment": _auto,
    "conditions": read_conditions,
}
_AUTO: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "upon_registration": _switch,
    "upon_change": _switch,
    "periodic": _switch,
    "schedule": _cron,
    "timezone": _zone,
    "exclude": _switch,
    "keep_manual": _switch,
    "hold_leaves_over": _hold,
}


def _refuse_without_schedule(group: Definition) -> None:
    if group["auto_assignment"]["periodic"] and group["auto_assignment"]["schedule"] is None:
        raise Poison("periodic wants a schedule")
