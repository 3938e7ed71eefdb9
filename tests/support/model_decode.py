"""From a raw Kafka record to plain values, or the sentence why it is poison: contracts.md, *Common to all*.

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

INPUTS: Final = (
    "client-registered",
    "client-changed",
    "client-deleted",
    "payer-changed",
    "verification-completed",
    "provider-changed",
    "group-commands",
)
PAYER_STATUSES: Final = frozenset({"legal_entity", "individual", "sole_proprietor"})
METHODS: Final = frozenset({"email", "phone", "manual", "payment_method"})
RESULTS: Final = frozenset({"passed", "failed", "revoked"})
COUNTRIES: Final = frozenset({country.alpha_2 for country in pycountry.countries} | {"XK"})
RFC_3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
STRUCTURED: Final = "application/cloudevents+json"


@dataclass(frozen=True)
class Number:
    """A JSON number as it was written: `1.50` stays that."""

    text: str


class Poison(Exception):  # noqa: N818
    """A record that belongs on its dead-letter topic."""


@dataclass(frozen=True)
class Raw:
    """A record as it stands in Kafka."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()

    @property
    def place(self) -> str:
        """As `cause` names a record."""
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True)
class Stamp:
    """When something was said, and what decides between two sayings of the same time."""

    time: datetime
    rank: int
    offset: int
    partition: int

    def newer_than(self, other: Stamp | None) -> bool:
        """Whether this one wins against the other."""
        return other is None or self.order() > other.order()

    def order(self) -> tuple[datetime, int, int, int]:
        """What the stamps sort by."""
        return (self.time, self.rank, self.offset, self.partition)


@dataclass(frozen=True)
class Event:
    """A record that could be read: `said` holds the known fields that it names, with plain values."""

    topic: str
    id: str
    """The client's, or the provider's; "" for commands."""
    stamp: Stamp
    place: str
    said: Mapping[str, Any]


TIME_FIELDS: Final = {
    "client-registered": "registered_at",
    "client-changed": "changed_at",
    "client-deleted": "deleted_at",
    "payer-changed": "changed_at",
    "verification-completed": "completed_at",
    "provider-changed": "changed_at",
    "group-commands": None,
}


def decode(raw: Raw, latest: datetime) -> Event:
    """Read a record; a time after `latest` is poison. Raises Poison."""
    body, envelope_time = json_object(raw)
    time_field = TIME_FIELDS[raw.topic]
    time = time_of(body.get(time_field) if time_field else None, envelope_time, raw)
    if time > latest:
        raise Poison(f"{time} is ahead of the clock")
    rank = 1 if raw.topic == "client-changed" else 0
    stamp = Stamp(time, rank, raw.offset, raw.partition)
    if raw.topic == "group-commands":
        # An object that cannot be used is answered, not buried; with its id, where that can be read.
        said = body if is_unicode(body) else {"id": body.get("id")}
        return Event(raw.topic, "", stamp, raw.place, said)
    if not is_unicode(body):
        raise Poison("a lone surrogate")
    if "\0" in flat(body):
        raise Poison("NUL in a text")
    own_id = identifier(body, "provider_id" if raw.topic == "provider-changed" else "client_id")
    return Event(raw.topic, own_id, stamp, raw.place, READERS[raw.topic](body))


def json_object(raw: Raw) -> tuple[dict[str, Any], object]:
    """The fields, and the envelope's time if it has one."""
    body = parse(raw.value, as_written=raw.topic != "group-commands")
    headers = {name.lower(): (value or b"").decode("utf-8", "replace") for name, value in raw.headers}
    if headers.get("content-type", "").split(";")[0].strip().lower() == STRUCTURED:
        data = body.get("data")
        if not isinstance(data, dict):
            raise Poison("a structured CloudEvent without data")
        return data, body.get("time")
    return body, headers.get("ce_time")


def parse(value: bytes | None, *, as_written: bool) -> dict[str, Any]:
    """One JSON object in UTF-8; `as_written`: with its numbers as Number."""
    if value is None:
        raise Poison("no value")

    def refuse(name: str) -> object:
        raise Poison(f"{name} is not JSON")

    try:
        text = value.decode("utf-8")
        if as_written:
            body = json.loads(text, parse_constant=refuse, parse_int=Number, parse_float=Number)
        else:
            body = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Poison(f"not JSON in UTF-8: {error}") from error
    if not isinstance(body, dict):
        raise Poison("no JSON object")
    return body


def is_unicode(body: object) -> bool:
    """False where a text holds half a surrogate pair, which JSON can write and UTF-8 cannot."""
    try:
        flat(body).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def flat(value: object) -> str:
    """All text in a JSON value, names too."""
    if isinstance(value, dict):
        return "".join(name + flat(one) for name, one in value.items())
    if isinstance(value, list):
        return "".join(map(flat, value))
    return value if isinstance(value, str) else ""


def compact(value: object) -> str:
    """JSON without blanks, numbers as they were written."""
    if isinstance(value, Number):
        return value.text
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{compact(name)}:{compact(one)}" for name, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def time_of(given: object, envelope: object, raw: Raw) -> datetime:
    """The field, else ce_time, else the record's timestamp."""
    for candidate in (given, envelope):
        if candidate is not None and candidate != "":
            return parse_time(candidate)
    return datetime.fromtimestamp(raw.timestamp_ms // 1000, UTC).replace(
        microsecond=raw.timestamp_ms % 1000 * 1000
    )


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


READERS: Final[Mapping[str, Any]] = {
    "client-registered": registered,
    "client-changed": client_fields,
    "client-deleted": lambda body: {},
    "payer-changed": payer,
    "verification-completed": verification,
    "provider-changed": provider,
}
