"""Plain JSON, CloudEvents in binary and structured mode, what consoles leave; checked against the SDK."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from events import encode
from events.commands import decode_command
from events.examples import EXAMPLES
from events.topics import OUTPUTS
from events.wire import traceparent
from tests.contract.records import MINIMAL, NOW, RECORD_TIME, read, record, refusal

STRUCTURED = ("content-type", b"application/cloudevents+json; charset=UTF-8")
ENVELOPE: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "/up", "type": "up.changed"}
CE_TIME = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
VALUE = {"client_id": "1", "country": "de"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def sdk_event(data: Any) -> CloudEvent:
    attributes = {
        "type": "up.changed",
        "source": "/up",
        "time": CE_TIME,
        "datacontenttype": "application/json",
    }
    return CloudEvent(attributes=attributes, data=data)


def test_what_the_sdk_writes_in_binary_mode_is_read() -> None:
    message = to_binary(sdk_event(VALUE), JSONFormat())
    event = read("client-changed", message.value, headers=list(message.headers.items()))
    assert (event.time, event.model_dump()["country"]) == (CE_TIME, "DE")


def test_what_the_sdk_writes_in_structured_mode_is_read() -> None:
    message = to_structured(sdk_event(VALUE), JSONFormat())
    event = read("client-changed", message.value, headers=list(message.headers.items()))
    assert (event.time, event.model_dump()["country"]) == (CE_TIME, "DE")


@pytest.mark.parametrize("topic", [topic.name for topic in OUTPUTS])
def test_the_sdk_reads_what_we_write(topic: str) -> None:
    headers = encode.headers(topic, "1042:7", CE_TIME, "1042", TRACE)
    assert len(dict(headers)) == len(headers)
    value = json.dumps(EXAMPLES[topic]).encode()
    message = KafkaMessage({name: text for name, text in headers if name != "traceparent"}, None, value)
    event = from_binary(message, JSONFormat(), CloudEvent)
    assert event.get_specversion() == "1.0"
    assert event.get_id() == "1042:7"
    assert event.get_source().endswith("/" + topic)
    assert event.get_type() == f"client-groups.{topic}"
    assert event.get_time() == CE_TIME
    assert event.get_subject() == "1042"
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == EXAMPLES[topic]
    assert dict(headers)["traceparent"] == TRACE.encode()
    assert "traceparent" not in dict(encode.headers(topic, "1", CE_TIME, "1"))


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/cloudevents+json",
        b"Application/CloudEvents+JSON",
        b"application/cloudevents+json;charset=utf-8",
    ],
)
@pytest.mark.parametrize(
    "data", [{"data": VALUE}, {"data_base64": base64.b64encode(json.dumps(VALUE).encode()).decode()}]
)
def test_structured_mode(content_type: bytes, data: dict[str, Any]) -> None:
    value = ENVELOPE | data
    event = read("client-changed", value, headers=[("content-type", content_type)])
    assert (event.time, event.model_dump()["country"]) == (RECORD_TIME, "DE")
    timed = read(
        "client-changed", value | {"time": CE_TIME.isoformat()}, headers=[("content-type", content_type)]
    )
    assert timed.time == CE_TIME


def test_structured_mode_keeps_numbers_as_written() -> None:
    value = (
        json.dumps(ENVELOPE)[:-1].encode()
        + b',"data":{"client_id":1,"request_parameters":{"a":1.0,"b":1e3}}}'
    )
    event = read("client-registered", value, headers=[STRUCTURED])
    assert event.model_dump()["request_parameters"] == {"a": "1.0", "b": "1e3"}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"{", "not_json"),
        (b"[]", "wrong_type"),
        (b"\xff", "not_utf_8"),
        (json.dumps(ENVELOPE).encode(), "no_data"),
        (json.dumps(ENVELOPE | {"data": None}).encode(), "no_data"),
        (json.dumps(ENVELOPE | {"data_base64": "?"}).encode(), "no_data"),
        (json.dumps(ENVELOPE | {"data_base64": 5}).encode(), "no_data"),
        (json.dumps(ENVELOPE | {"data": "text"}).encode(), "wrong_type"),
        (json.dumps(ENVELOPE | {"data": {"client_id": "a\0b"}}).encode(), "nul_in_text"),
        (json.dumps(ENVELOPE | {"data": {"client_id": "\ud800"}}).encode(), "not_unicode"),
        (json.dumps(ENVELOPE | {"data": VALUE, "time": "now"}).encode(), "timestamp"),
        (json.dumps(ENVELOPE | {"data": VALUE, "time": 5}).encode(), "timestamp"),
        (b'{"data":' * 100_000, "too_deep"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_structured_envelope_that_cannot_be_used(value: bytes, code: str) -> None:
    assert refusal("client-changed", value, headers=[STRUCTURED]).code == code


@pytest.mark.parametrize("kind", [b"application/cloudevents+avro", b"application/cloudevents-batch+json"])
def test_other_formats_of_cloudevents_are_refused(kind: bytes) -> None:
    assert refusal("client-changed", VALUE, headers=[("content-type", kind)]).code == "unsupported_format"


@pytest.mark.parametrize(
    "headers",
    [
        [("content-type", b"application/json")],
        [("content-type", b"text/plain")],
        [("content-type", None)],
        [("content-type", b"\xff")],
        [("anything", b"\xff"), ("ce_time", None)],
        [("ce_specversion", b"1.0"), ("ce_id", b"5"), ("ce_type", b"x"), ("ce_source", b"/x")],
    ],
)
def test_other_headers_do_not_matter(headers: list[tuple[str, bytes | None]]) -> None:
    assert read("client-changed", VALUE, headers=headers) == read("client-changed", VALUE)


@pytest.mark.parametrize("after", [b"\n", b"\r\n", b" \t\n\n"])
@pytest.mark.parametrize("topic", MINIMAL)
def test_what_consoles_leave(topic: str, after: bytes) -> None:
    value = json.dumps(MINIMAL[topic]).encode()
    assert read(topic, b"\n " + value + after, key=b"") == read(topic, value)
    assert read(topic, b"\xef\xbb\xbf" + value + after, key=b"") == read(topic, value)


@pytest.mark.parametrize("value", [None, b"", b"\n", b" \r\n\t"])
@pytest.mark.parametrize("topic", MINIMAL)
def test_a_record_without_a_value(topic: str, value: bytes | None) -> None:
    assert refusal(topic, value).code == "empty_value"


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([("traceparent", TRACE.encode())], TRACE),
        ([("Traceparent", TRACE.encode())], TRACE),
        ([("ce_traceparent", TRACE.encode())], TRACE),
        ([("traceparent", b"cc-" + TRACE[3:].encode() + b"-more")], "cc-" + TRACE[3:] + "-more"),
        ([], None),
        ([("traceparent", None)], None),
        ([("traceparent", b"")], None),
        ([("traceparent", b"\xff")], None),
        ([("traceparent", TRACE.upper().encode())], None),
        ([("traceparent", b"ff" + TRACE[2:].encode())], None),
        ([("traceparent", TRACE.encode() + b"-more")], None),
        ([("traceparent", TRACE.encode() + b"\n")], None),
        ([("traceparent", b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01")], None),
        ([("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-" + b"0" * 16 + b"-01")], None),
    ],
)
def test_trace_context(headers: list[tuple[str, bytes | None]], found: str | None) -> None:
    assert traceparent(record("client-changed", VALUE, headers=headers)) == found


def test_trace_context_of_a_structured_envelope() -> None:
    value = ENVELOPE | {"data": VALUE, "traceparent": TRACE}
    assert traceparent(record("client-changed", value, headers=[STRUCTURED])) == TRACE
    assert traceparent(record("client-changed", b"{", headers=[STRUCTURED])) is None


@pytest.mark.parametrize("name", ["put-group", "add-members", "remove-members"])
def test_commands_come_in_all_envelopes_too(name: str) -> None:
    example = EXAMPLES[name]
    plain = decode_command(record("group-commands", example), now=NOW)
    for message in (
        to_binary(sdk_event(example), JSONFormat()),
        to_structured(sdk_event(example), JSONFormat()),
    ):
        headers = list(message.headers.items())
        command = decode_command(record("group-commands", message.value, headers=headers), now=NOW)
        assert command.model_dump() == plain.model_dump()
        assert command.time == CE_TIME
    assert plain.time == RECORD_TIME
