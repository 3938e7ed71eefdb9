"""How the plain model reads records, in tables."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.model_decode import Poison, Raw, decode
from tests.support.model_story import LATEST, at

CHANGED = {"client_id": "c", "changed_at": at(1)}


@pytest.mark.parametrize(
    ("topic", "value", "headers"),
    [
        ("client-changed", None, {}),
        ("client-changed", b"", {}),
        ("client-changed", b"{", {}),
        ("client-changed", b"[]", {}),
        ("client-changed", b'{"client_id":"c","x":NaN}', {}),
        ("client-changed", b'{"client_id":"\xff"}', {}),
        ("client-changed", b'{"client_id":"c","x":"\\ud800"}', {}),
        ("client-changed", {"changed_at": at(1)}, {}),
        ("client-changed", CHANGED | {"client_id": ""}, {}),
        ("client-changed", CHANGED | {"client_id": True}, {}),
        ("client-changed", CHANGED | {"client_id": 1.5}, {}),
        ("client-changed", CHANGED | {"client_id": "c" * 65}, {}),
        ("client-changed", CHANGED | {"client_id": "c\n"}, {}),
        ("client-changed", CHANGED | {"country": "ZZ"}, {}),
        ("client-changed", CHANGED | {"country": 49}, {}),
        ("client-changed", CHANGED | {"ip": "192.0.2.300"}, {}),
        ("client-changed", CHANGED | {"provider_id": "1\0"}, {}),
        ("client-changed", CHANGED | {"authorization_method": ["google"]}, {}),
        ("client-changed", CHANGED | {"nobody knows": {"me": ["\0"]}}, {}),
        ("client-changed", CHANGED | {"changed_at": "2099-01-01T00:00:00Z"}, {}),
        ("client-changed", CHANGED | {"changed_at": "2025-01-01T00:00:00"}, {}),
        ("client-changed", CHANGED | {"changed_at": "2025-02-30T00:00:00Z"}, {}),
        ("client-changed", CHANGED | {"changed_at": 5}, {}),
        ("client-changed", {"client_id": "c"}, {"ce_time": b"2099-01-01T00:00:00Z"}),
        ("client-changed", CHANGED, {"content-type": b"application/cloudevents+json"}),
        ("client-registered", {"client_id": "c", "request_parameters": ["a"]}, {}),
        ("client-registered", {"client_id": "c", "request_parameters": {"a": "\0"}}, {}),
        ("payer-changed", CHANGED | {"payer_id": "p"}, {}),
        ("payer-changed", CHANGED | {"status": "individual"}, {}),
        ("payer-changed", CHANGED | {"payer_id": "p", "status": "company"}, {}),
        ("payer-changed", CHANGED | {"payer_id": "p", "status": "individual", "active": "yes"}, {}),
        ("verification-completed", {"client_id": "c", "method": "email"}, {}),
        ("verification-completed", {"client_id": "c", "method": "owl", "result": "passed"}, {}),
    ],
)
def test_poison(topic: str, value: object, headers: dict[str, bytes]) -> None:
    encoded = json.dumps(value).encode() if isinstance(value, dict) else value
    assert encoded is None or isinstance(encoded, bytes)
    with pytest.raises(Poison):
        decode(Raw(topic, 0, 0, 0, None, encoded, tuple(headers.items())), LATEST)


@pytest.mark.parametrize(
    ("said", "headers", "client", "time"),
    [
        (CHANGED, {}, "c", "2025-06-01T00:01:00+00:00"),
        (CHANGED | {"client_id": 7}, {}, "7", "2025-06-01T00:01:00+00:00"),
        (
            CHANGED | {"changed_at": "2025-06-01T02:00:00.1234567+02:00"},
            {},
            "c",
            "2025-06-01T00:00:00.123456+00:00",
        ),
        ({"client_id": "c"}, {}, "c", "1970-01-01T00:00:00.005000+00:00"),
        ({"client_id": "c"}, {"ce_time": b"2025-01-01T00:00:00Z"}, "c", "2025-01-01T00:00:00+00:00"),
        (
            {"specversion": "1.0", "time": "2025-01-01T00:00:00Z", "data": {"client_id": "c"}},
            {"content-type": b"application/cloudevents+json; charset=UTF-8"},
            "c",
            "2025-01-01T00:00:00+00:00",
        ),
        (CHANGED | {"more": {"to": ["come"]}}, {}, "c", "2025-06-01T00:01:00+00:00"),
    ],
)
def test_what_is_read(said: dict[str, Any], headers: dict[str, bytes], client: str, time: str) -> None:
    raw = Raw("client-changed", 0, 0, 5, None, json.dumps(said).encode(), tuple(headers.items()))
    event = decode(raw, LATEST)
    assert (event.id, event.stamp.time.isoformat()) == (client, time)


def test_request_parameters_become_text() -> None:
    given = {"a": "text", "b": True, "c": 1.0, "d": 7, "e": None, "f": {"x": [1, "é"]}, "g": ""}
    raw = Raw(
        "client-registered",
        0,
        0,
        0,
        None,
        json.dumps({"client_id": "c", "request_parameters": given}).encode(),
    )
    read = {"a": "text", "b": "true", "c": "1.0", "d": "7", "f": '{"x":[1,"é"]}', "g": ""}
    assert decode(raw, LATEST).said == {"request_parameters": read}


def test_numbers_stay_as_they_were_written() -> None:
    value = b'{"client_id": 12, "request_parameters": {"a": 1.50, "b": [1e3, {"c": -0.0}], "d": 12345678901}}'
    event = decode(Raw("client-registered", 0, 0, 0, None, value), LATEST)
    assert event.id == "12"
    read = {"a": "1.50", "b": '[1e3,{"c":-0.0}]', "d": "12345678901"}
    assert event.said == {"request_parameters": read}


def test_null_and_empty_say_none() -> None:
    value = {"client_id": "c", "payer_id": "p", "status": "individual", "active": None, "deleted": ""}
    event = decode(Raw("payer-changed", 0, 0, 0, None, json.dumps(value).encode()), LATEST)
    assert event.said == {"payer_id": "p", "status": "individual", "deleted": False}
