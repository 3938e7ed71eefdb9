"""Records for the contract tests."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from events.decode import InputEvent, decode
from events.record import InvalidRecord, Record

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TIMESTAMP = 1_795_340_096_789
"""Of the record: 2026-11-22T09:34:56.789Z."""
RECORD_TIME = datetime(2026, 11, 22, 9, 34, 56, 789_000, tzinfo=UTC)

MINIMAL: dict[str, dict[str, Any]] = {
    "client-registered": {"client_id": "1"},
    "client-changed": {"client_id": "1"},
    "client-deleted": {"client_id": "1"},
    "payer-changed": {"client_id": "1", "payer_id": "7", "status": "individual"},
    "verification-completed": {"client_id": "1", "method": "email", "result": "passed"},
    "provider-changed": {"provider_id": "1"},
    "group-usage-changed": {"group": "vip", "kind": "tariff", "ref_id": "12"},
}
TIME_FIELDS = {
    "client-registered": "registered_at",
    "client-changed": "changed_at",
    "client-deleted": "deleted_at",
    "payer-changed": "changed_at",
    "verification-completed": "completed_at",
    "provider-changed": "changed_at",
    "group-usage-changed": "changed_at",
}


def record(
    topic: str,
    value: object,
    *,
    key: bytes | None = None,
    headers: Sequence[tuple[str, bytes | None]] = (),
    timestamp: int = TIMESTAMP,
) -> Record:
    """A record; bytes and None are taken as they are, anything else as JSON."""
    raw = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    return Record(topic, 3, 17, timestamp, key, raw, headers)


def read(topic: str, value: object, **more: Any) -> InputEvent:
    """Decode a value as it would come on a topic."""
    return decode(record(topic, value, **more), now=NOW)


def refusal(topic: str, value: object, **more: Any) -> InvalidRecord:
    """The error with which a value is refused."""
    try:
        event = read(topic, value, **more)
    except InvalidRecord as exc:
        return exc
    raise AssertionError(f"accepted as {event!r}")
