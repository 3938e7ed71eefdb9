"""From a raw Kafka record to plain values, or the sentence why it is poison: contracts.md, *Common to all*.

Written from contracts.md alone, so that the product's decoding has somebody to disagree with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tests.support.model_fields import READERS, Number, Poison, identifier, parse_time

__all__ = ["INPUTS", "Event", "Poison", "Raw", "Stamp", "decode", "flat", "is_unicode"]

INPUTS: Final = (
    "client-registered",
    "client-changed",
    "client-deleted",
    "payer-changed",
    "verification-completed",
    "provider-changed",
    "group-usage-changed",
    "group-commands",
)
STRUCTURED: Final = "application/cloudevents+json"


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
    """The client's, the provider's or the group's; "" for commands."""
    stamp: Stamp
    place: str
    said: Mapping[str, Any]
    fault: str = ""
    """Why a command is rejected though it is a JSON object: its time."""


ID_FIELDS: Final = {"provider-changed": "provider_id", "group-usage-changed": "group"}
"""Those of the other topics are `client_id`."""
TIME_FIELDS: Final = {
    "client-registered": "registered_at",
    "client-changed": "changed_at",
    "client-deleted": "deleted_at",
    "payer-changed": "changed_at",
    "verification-completed": "completed_at",
    "provider-changed": "changed_at",
    "group-usage-changed": "changed_at",
}


def decode(raw: Raw, latest: datetime) -> Event:
    """Read a record; a time after `latest` is poison. Raises Poison."""
    body, envelope_time = json_object(raw)
    if raw.topic == "group-commands":
        # An object that cannot be used is answered, not buried.
        try:
            return Event(raw.topic, "", stamp_of(raw, None, envelope_time, latest), raw.place, body)
        except Poison as poison:
            return Event(
                raw.topic, "", Stamp(latest, 0, raw.offset, raw.partition), raw.place, body, str(poison)
            )
    stamp = stamp_of(raw, body.get(TIME_FIELDS[raw.topic]), envelope_time, latest)
    if not is_unicode(body):
        raise Poison("a lone surrogate")
    if "\0" in flat(body):
        raise Poison("NUL in a text")
    own_id = identifier(body, ID_FIELDS.get(raw.topic, "client_id"))
    return Event(raw.topic, own_id, stamp, raw.place, READERS[raw.topic](body))


def stamp_of(raw: Raw, given: object, envelope_time: object, latest: datetime) -> Stamp:
    """When it was said: `given`, else in the envelope, else the record's timestamp. Raises Poison."""
    time = time_of(given, envelope_time, raw)
    if time > latest:
        raise Poison(f"{time} is ahead of the clock")
    return Stamp(time, 1 if raw.topic == "client-changed" else 0, raw.offset, raw.partition)


def json_object(raw: Raw) -> tuple[dict[str, Any], object]:
    """The fields, and the envelope's time if it has one."""
    body = parse(raw.value)
    headers = {name.lower(): (value or b"").decode("utf-8", "replace") for name, value in raw.headers}
    if headers.get("content-type", "").split(";")[0].strip().lower() == STRUCTURED:
        data = body.get("data")
        if not isinstance(data, dict):
            raise Poison("a structured CloudEvent without data")
        return data, body.get("time")
    return body, headers.get("ce_time")


def parse(value: bytes | None) -> dict[str, Any]:
    """One JSON object in UTF-8, its numbers as Number."""
    if value is None:
        raise Poison("no value")

    def refuse(name: str) -> object:
        raise Poison(f"{name} is not JSON")

    try:
        text = value.decode("utf-8")
        body = json.loads(text, parse_constant=refuse, parse_int=Number, parse_float=Number)
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


def time_of(given: object, envelope: object, raw: Raw) -> datetime:
    """The field, else ce_time, else the record's timestamp."""
    for candidate in (given, envelope):
        if candidate is not None and candidate != "":
            return parse_time(candidate)
    return datetime.fromtimestamp(raw.timestamp_ms // 1000, UTC).replace(
        microsecond=raw.timestamp_ms % 1000 * 1000
    )
