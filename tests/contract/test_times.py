"""contracts.md, *Times*: which time an input has, how it is written, how far ahead it may be."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from events.decode import decode
from events.record import InvalidRecord
from tests.contract.records import MINIMAL, NOW, RECORD_TIME, TIME_FIELDS, read, record, refusal

ANY_TOPIC = pytest.mark.parametrize("topic", MINIMAL)


@ANY_TOPIC
def test_its_own_time_comes_first(topic: str) -> None:
    own = MINIMAL[topic] | {TIME_FIELDS[topic]: "2026-11-22T12:15:00.123456+02:00"}
    event = read(topic, own, headers=[("ce_time", b"2026-01-01T00:00:00Z")])
    assert event.time == datetime(2026, 11, 22, 10, 15, 0, 123_456, tzinfo=UTC)
    assert event.time.tzinfo is UTC
    assert getattr(event, TIME_FIELDS[topic]) == event.time


@ANY_TOPIC
@pytest.mark.parametrize("none", [[], [None], [""]])
def test_without_its_own_time_ce_time_counts_then_the_records(topic: str, none: list[str | None]) -> None:
    value = MINIMAL[topic] | dict.fromkeys([TIME_FIELDS[topic]] * len(none), *none)
    with_header = read(topic, value, headers=[("ce_time", b"2026-11-22T08:00:00.5Z")])
    assert with_header.time == datetime(2026, 11, 22, 8, 0, 0, 500_000, tzinfo=UTC)
    assert read(topic, value).time == RECORD_TIME
    assert read(topic, value, headers=[("ce_time", b"")]).time == RECORD_TIME


@ANY_TOPIC
def test_five_minutes_ahead_is_the_limit(topic: str) -> None:
    field = TIME_FIELDS[topic]
    at_limit = NOW + timedelta(minutes=5)
    assert read(topic, MINIMAL[topic] | {field: at_limit.isoformat()}).time == at_limit
    too_late = (at_limit + timedelta(microseconds=1)).isoformat()
    assert refusal(topic, MINIMAL[topic] | {field: too_late}).code == "in_the_future"
    assert refusal(topic, MINIMAL[topic], headers=[("ce_time", too_late.encode())]).code == "in_the_future"
    ahead = int(at_limit.timestamp() * 1000) + 1
    assert refusal(topic, MINIMAL[topic], timestamp=ahead).code == "in_the_future"


@ANY_TOPIC
@pytest.mark.parametrize("timestamp", [2**63 - 1, -(2**63)])
def test_a_records_timestamp_that_is_no_time(topic: str, timestamp: int) -> None:
    assert refusal(topic, MINIMAL[topic], timestamp=timestamp).code == "timestamp"
    own = MINIMAL[topic] | {TIME_FIELDS[topic]: NOW.isoformat()}
    assert read(topic, own, timestamp=timestamp).time == NOW


def test_how_far_ahead_is_a_setting() -> None:
    value = record("client-changed", {"client_id": "1", "changed_at": "2026-11-22T13:00:00Z"})
    assert decode(value, now=NOW, max_ahead=timedelta(hours=1)).time == NOW + timedelta(hours=1)
    with pytest.raises(InvalidRecord, match="more than 10 s ahead"):
        decode(value, now=NOW.astimezone(timezone(timedelta(hours=3))), max_ahead=timedelta(seconds=10))


TIMES = {
    "2026-11-22T10:15:00Z": "2026-11-22T10:15:00+00:00",
    "2026-11-22t10:15:00z": "2026-11-22T10:15:00+00:00",
    "2026-11-22 10:15:00Z": "2026-11-22T10:15:00+00:00",
    "2026-11-22T10:15:00-00:00": "2026-11-22T10:15:00+00:00",
    "2026-11-22T00:15:00+14:00": "2026-11-21T10:15:00+00:00",
    "2026-11-22T10:15:00.1Z": "2026-11-22T10:15:00.100000+00:00",
    "2026-11-22T10:15:00.123456789Z": "2026-11-22T10:15:00.123456+00:00",
    "2016-12-31T23:59:60Z": "2017-01-01T00:00:00+00:00",
    "0001-01-02T00:00:00+14:00": "0001-01-01T10:00:00+00:00",
    "2024-02-29T00:00:00Z": "2024-02-29T00:00:00+00:00",
}


@pytest.mark.parametrize("given", TIMES)
def test_times_are_rfc_3339(given: str) -> None:
    assert read("client-changed", {"client_id": "1", "changed_at": given}).time.isoformat() == TIMES[given]
    assert (
        read("client-changed", {"client_id": "1"}, headers=[("ce_time", given.encode())]).time.isoformat()
        == (TIMES[given])
    )


NO_TIMES: list[Any] = [
    "2026-11-22T10:15:00",
    "2026-11-22T10:15Z",
    "2026-11-22",
    "20261122T101500Z",
    "2026-11-22T10:15:00.Z",
    "2026-11-22T10:15:00+0200",
    "2026-11-22T10:15:00+02",
    "2026-11-22T10:15:61Z",
    "2026-11-22T24:00:01Z",
    "2026-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    "2026-11-22T10:15:00Z\n",
    " 2026-11-22T10:15:00Z",
    "٢٠٢٦-11-22T10:15:00Z",
    "yesterday",
    "1" * 100_000,
    "2026-11-22T10:15:00." + "1" * 100_000 + "Z",
    1_795_340_096,
    1.5,
    True,
    [],
    {},
]


@pytest.mark.parametrize("given", NO_TIMES, ids=lambda value: repr(value)[:30])
def test_what_is_no_time(given: object) -> None:
    error = refusal("client-changed", {"client_id": "1", "changed_at": given})
    assert (error.code, error.errors[0].path) == ("timestamp", "changed_at")
    if isinstance(given, str):
        assert (
            refusal("client-changed", {"client_id": "1"}, headers=[("ce_time", given.encode())]).code
            == "timestamp"
        )
