"""How one field of a record is read, or the sentence why it is poison: contracts.md, *Common to all*.

Written from contracts.md alone, so that the product's decoding has somebody to disagree with.
"""

from __future__ import annotations

import ipaddress
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import pycountry

PAYER_STATUSES: Final = frozenset({"legal_entity", "individual", "sole_proprietor"})
METHODS: Final = frozenset({"email", "phone", "manual", "payment_method"})
RESULTS: Final = frozenset({"passed", "failed", "revoked"})
USAGE_KINDS: Final = frozenset(
    {
        "tariff",
        "promotion",
        "contract_template",
        "segment_condition",
        "vat_setting",
        "payment_method",
        "affiliate_program",
    }
)
COUNTRIES: Final = frozenset({country.alpha_2 for country in pycountry.countries} | {"XK"})
RFC_3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


@dataclass(frozen=True)
class Number:
    """A JSON number as it was written: `1.50` stays that."""

    text: str

    def __str__(self) -> str:
        """As it was written."""
        return self.text


class Poison(Exception):  # noqa: N818
    """A record that belongs on its dead-letter topic; a command that is rejected."""


def compact(value: object) -> str:
    """JSON without blanks, numbers as they were written."""
    if isinstance(value, Number):
        return value.text
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{compact(name)}:{compact(one)}" for name, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def parse_time(text: object) -> datetime:
    """RFC 3339 with an offset; UTC, microseconds."""
    found = RFC_3339.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise Poison(f"{text!r} is no time")
    day, clock, fraction, offset = found.groups()
    fraction = (fraction or "0")[:6].ljust(6, "0")
    try:
        return datetime.fromisoformat(
            f"{day}T{clock}.{fraction}{offset.upper().replace('Z', '+00:00')}"
        ).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Poison(f"{text!r} is no time") from error


def identifier(body: Mapping[str, Any], name: str) -> str:
    """Text of 1-64 characters without control characters; an integer becomes its decimal text."""
    return as_id(body.get(name), name)


def as_id(value: object, name: str) -> str:
    """One id."""
    if isinstance(value, Number) and value.text.lstrip("-").isdigit():
        value = int(value.text)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 1 <= len(value) <= 64:
        raise Poison(f"{name} is no id")
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise Poison(f"{name} holds a control character")
    return value


def text(value: object, name: str) -> str:
    """Any text."""
    if not isinstance(value, str):
        raise Poison(f"{name} is no text")
    return value


def whole(value: object, name: str, least: int = 0) -> int:
    """A whole number, not below `least`."""
    if not isinstance(value, Number) or not value.text.isdigit() or int(value.text) < least:
        raise Poison(f"{name} is no whole number from {least} on")
    return int(value.text)


def truth(body: Mapping[str, Any], name: str) -> bool | None:
    """True or false; None where it is missing or says *none*."""
    if none_or_missing(body, name) is not False:
        return None
    value = body[name]
    if not isinstance(value, bool):
        raise Poison(f"{name} is neither true nor false")
    return value


def one_of(value: object, allowed: frozenset[str], name: str) -> str:
    """A code in any case."""
    if not isinstance(value, str) or value.lower() not in allowed:
        raise Poison(f"{name} is none of its codes")
    return value.lower()


def none_or_missing(body: Mapping[str, Any], name: str) -> bool | None:
    """None: missing, says nothing. True: says *none*. False: says something."""
    if name not in body:
        return None
    return body[name] is None or body[name] == ""


def client_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of client-registered and client-changed."""
    said: dict[str, Any] = {}
    for name, read in FIELDS.items():
        none = none_or_missing(body, name)
        if none is not None:
            said[name] = None if none else read(body[name], name)
    return said


def country(value: object, name: str) -> str:
    """ISO 3166-1 alpha-2, or XK."""
    if not isinstance(value, str) or not value.isascii() or value.upper() not in COUNTRIES:
        raise Poison(f"{name} is no country")
    return value.upper()


def address(value: object, name: str) -> str:
    """An IPv4 or IPv6 address."""
    if not isinstance(value, str):
        raise Poison(f"{name} is no text")
    if "%" in value:
        raise Poison(f"{name} is an address on one network only")
    try:
        return str(ipaddress.ip_address(value))
    except ValueError as error:
        raise Poison(f"{name} is no address") from error


def authorization_method(value: object, name: str) -> str:
    """Any code: which ones there are, providers say."""
    return as_id(text(value, name), name).lower()


def request_parameters(value: object, name: str) -> dict[str, str]:
    """Name to text; null = not passed."""
    if not isinstance(value, dict):
        raise Poison(f"{name} is no object")
    return {
        key: given if isinstance(given, str) else compact(given)
        for key, given in value.items()
        if given is not None
    }


FIELDS: Final[Mapping[str, Any]] = {
    "country": country,
    "ip": address,
    "provider_id": as_id,
    "authorization_method": authorization_method,
}


def registered(body: Mapping[str, Any]) -> dict[str, Any]:
    """client-registered."""
    said = client_fields(body)
    none = none_or_missing(body, "request_parameters")
    if none is not None:
        given = body["request_parameters"]
        said["request_parameters"] = {} if none else request_parameters(given, "request_parameters")
    return said


def payer(body: Mapping[str, Any]) -> dict[str, Any]:
    """payer-changed."""
    said: dict[str, Any] = {"payer_id": identifier(body, "payer_id")}
    said["deleted"] = truth(body, "deleted") or False
    active = truth(body, "active")
    if active is not None:
        said["active"] = active
    if none_or_missing(body, "status") is False or not said["deleted"]:
        said["status"] = one_of(body.get("status"), PAYER_STATUSES, "status")
    return said


def verification(body: Mapping[str, Any]) -> dict[str, Any]:
    """verification-completed."""
    return {
        "method": one_of(body.get("method"), METHODS, "method"),
        "result": one_of(body.get("result"), RESULTS, "result"),
    }


def provider(body: Mapping[str, Any]) -> dict[str, Any]:
    """provider-changed, a whole record."""
    methods = body.get("authorization_methods") or []
    if not isinstance(methods, list):
        raise Poison("authorization_methods is no list")
    active = truth(body, "active")
    return {
        "name": text(body.get("name") or "", "name"),
        "active": True if active is None else active,
        "authorization_methods": [authorization_method(one, "authorization_methods") for one in methods],
    }


def usage(body: Mapping[str, Any]) -> dict[str, Any]:
    """group-usage-changed, a whole record."""
    used = truth(body, "used")
    title = None if none_or_missing(body, "title") is not False else text(body["title"], "title")
    return {
        "kind": one_of(body.get("kind"), USAGE_KINDS, "kind"),
        "ref_id": identifier(body, "ref_id"),
        "title": title,
        "used": True if used is None else used,
    }


READERS: Final[Mapping[str, Any]] = {
    "client-registered": registered,
    "client-changed": client_fields,
    "client-deleted": lambda body: {},
    "payer-changed": payer,
    "verification-completed": verification,
    "provider-changed": provider,
    "group-usage-changed": usage,
}
