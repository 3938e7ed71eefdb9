"""The envelopes in which a record may come: plain JSON, CloudEvents in binary and in structured mode."""

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta

from events import written
from events.fields import utc
from events.problems import unreadable
from events.record import InvalidRecord, Record

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRACEPARENT = re.compile(
    # Version 00 ends there; later ones may have more.
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:(?<!^00.{53})-[!-~]*)?"
)
_BOM = b"\xef\xbb\xbf"


def unwrap(record: Record) -> tuple[bytes, object]:
    """The JSON text inside the record, and the `time` of a structured envelope.

    Raises InvalidRecord: no value, an envelope that cannot be read.
    """
    value = record.value
    if not value or value.isspace():
        raise InvalidRecord("empty_value", "expected a JSON object, not a record without a value")
    if value.startswith(_BOM):  # what some Windows consoles write before the text
        value = value[3:]
    time: object = None
    if record.headers and (kind := record.header("content-type")) and _is_cloudevent(kind):
        value, time = _structured(kind, value)
    return value, time


def read_time(record: Record, envelope_time: object) -> datetime:
    """The time of what says none itself: `ce_time`, else the record's timestamp. Raises InvalidRecord."""
    given = envelope_time if envelope_time is not None else record.header("ce_time")
    if given:
        try:
            return utc(given.decode() if isinstance(given, bytes) else str(given))
        except ValueError as exc:
            raise InvalidRecord("timestamp", "ce_time: expected an RFC 3339 time with an offset") from exc
    try:
        return from_milliseconds(record.timestamp)
    except OverflowError as exc:  # producers may set it to anything that has 64 bits
        raise InvalidRecord(
            "timestamp", "expected a record with a timestamp between years 1 and 9999"
        ) from exc


def from_milliseconds(timestamp: int) -> datetime:
    """Kafka's timestamp as a time. Exact: a division by 1,000 would round."""
    return _EPOCH + timedelta(milliseconds=timestamp)


def traceparent(record: Record) -> str | None:
    """The W3C trace context that came with a record; one that is malformed is ignored."""
    if not record.headers:
        return None
    given: object = record.header("traceparent") or record.header("ce_traceparent")
    if given is None and _is_cloudevent(record.header("content-type")):
        try:
            given = written.loads(record.value or b"").get("traceparent")
        except (AttributeError, ValueError, RecursionError):
            return None
    text = given.decode("latin-1") if isinstance(given, bytes) else given
    return text if isinstance(text, str) and _TRACEPARENT.fullmatch(text) else None


def _is_cloudevent(content_type: bytes | None) -> bool:
    return content_type is not None and content_type.lstrip()[:24].lower().startswith(
        b"application/cloudevents"
    )


def _structured(kind: bytes, value: bytes) -> tuple[bytes, object]:
    media_type = kind.split(b";")[0].strip().lower()
    if media_type != b"application/cloudevents+json":
        raise InvalidRecord("unsupported_format", "content-type: expected application/cloudevents+json")
    try:
        envelope = written.loads(value)
    except (ValueError, RecursionError) as exc:
        raise unreadable(value) from exc
    if not isinstance(envelope, dict):
        raise InvalidRecord("wrong_type", "expected a CloudEvent as a JSON object")
    time = envelope.get("time")
    if envelope.get("data_base64") is not None:
        try:
            return base64.b64decode(envelope["data_base64"], validate=True), time
        except (binascii.Error, TypeError, ValueError) as exc:
            raise InvalidRecord("no_data", "data_base64: expected base64") from exc
    if envelope.get("data") is None:
        raise InvalidRecord("no_data", "expected a CloudEvent with data or data_base64")
    try:
        return written.dumps(envelope["data"], ascii_only=True).encode(), time
    except RecursionError as exc:
        raise unreadable(value) from exc


def look_closely(value: bytes) -> None:
    """Raise InvalidRecord where JSON text has what pydantic's parser takes and we do not.

    That is NUL in a text (only its escape can put it there), NaN and Infinity, which are not JSON. Where
    none of the three words stands in the text there is no need to look.
    """
    try:
        parsed = written.loads(value)
    except (ValueError, RecursionError) as exc:
        raise unreadable(value) from exc
    if _has_nul(parsed):
        raise InvalidRecord("nul_in_text", "expected text without NUL characters")


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in name or _has_nul(item) for name, item in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))
