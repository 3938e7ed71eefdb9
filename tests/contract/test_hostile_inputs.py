"""Records that somebody got wrong, or right with bad intent: each is refused, quickly, and says why."""

import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from events.commands import COMMANDS, InvalidCommand, decode_command
from events.decode import decode
from events.record import InvalidRecord, Record
from tests.contract.records import MINIMAL, NOW, read, record, refusal

DEEP = 100_000
POISON: list[tuple[str, bytes]] = [
    ("not_json", b"not JSON"),
    ("not_json", b"{"),
    ("not_json", b'{"client_id":"1"'),
    ("not_json", b'{"client_id":"1",}'),
    ("not_json", b"{'client_id':'1'}"),
    ("not_json", b'{"client_id":"1"}{"client_id":"2"}'),
    ("not_json", b'{"client_id":"1"} x'),
    ("not_json", b'{"client_id":01}'),
    ("not_json", b'{"client_id":"1\n"}'),
    ("not_json", b'{"client_id":"\\x41"}'),
    ("not_json", b'{"client_id":"1\x00"}'),
    ("not_json", b"\x00"),
    ("not_json", b'{"client_id":"1"}\x00'),
    ("not_json", b'{"client_id":"1","x":NaN}'),
    ("not_json", b'{"client_id":"1","x":-Infinity}'),
    ("not_json", b"NaN"),
    ("not_utf_8", b"\xff"),
    ("not_utf_8", b'{"client_id":"\xff"}'),
    ("not_utf_8", b'{"client_id":"\xed\xa0\x80"}'),
    ("not_utf_8", b'{"client_id":"\xc0\x80"}'),
    ("not_utf_8", '{"client_id":"1"}'.encode("utf-16")),
    ("not_unicode", b'{"client_id":"\\ud800"}'),
    ("not_unicode", b'{"client_id":"\\udc00\\ud800"}'),
    ("nul_in_text", b'{"client_id":"\\u0000"}'),
    ("nul_in_text", b'{"client_id":"1","new":["a\\u0000"]}'),
    ("nul_in_text", b'{"client_id":"1","new":{"a\\u0000":1}}'),
    ("wrong_type", b"[]"),
    ("wrong_type", b'"text"'),
    ("wrong_type", b"5"),
    ("wrong_type", b"null"),
    ("wrong_type", b"true"),
    ("id", b'{"client_id":' + b"9" * 4_000 + b"}"),
    ("id", b'{"client_id":"' + b"9" * 100_000 + b'"}'),
    ("too_deep", b'{"client_id":' + b"9" * 100_000 + b"}"),
    ("too_deep", b'{"client_id":' + b"[" * DEEP + b"]" * DEEP + b"}"),
    ("too_deep", b'{"new":' * DEEP + b"1" + b"}" * DEEP),
    ("too_deep", b'{"client_id":"1","new":' + b"[" * 500 + b"]" * 500 + b"}"),
    ("too_deep", b"[" * DEEP),
]


@pytest.mark.parametrize(("code", "value"), POISON, ids=lambda value: repr(value)[:40])
def test_poison(code: str, value: bytes) -> None:
    began = time.perf_counter()
    error = refusal("client-changed", value)
    assert error.code == code
    assert 0 < len(error.message) < 300
    assert error.errors
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    "place", ['{"a":"x\\u0000"}', '{"\\u0000":"x"}', '{"a":["\\u0000"]}', '{"a":{"b":{"\\u0000":1}}}']
)
def test_nul_in_request_parameters(place: str) -> None:
    value = f'{{"client_id":"1","request_parameters":{place}}}'.encode()
    assert refusal("client-registered", value).code == "nul_in_text"


def test_text_that_only_looks_like_it() -> None:
    for text in ("\\u0000", "NaN", "Infinity", "-Infinity", "\\\\u0000", "Müller 😀"):
        event = read("client-registered", {"client_id": "1", "request_parameters": {"a": text}})
        assert event.model_dump()["request_parameters"] == {"a": text}


def test_lone_surrogates_in_request_parameters() -> None:
    value = b'{"client_id":"1","request_parameters":{"a":[1,"\\ud800"]}}'
    assert refusal("client-registered", value).code == "not_unicode"


def test_request_parameters_may_be_nested() -> None:
    deep = b"[" * 100 + b"]" * 100
    event = read("client-registered", b'{"client_id":"1","request_parameters":{"a":' + deep + b"}}")
    assert event.model_dump()["request_parameters"] == {"a": deep.decode()}


def test_a_long_number_in_request_parameters_is_kept() -> None:
    digits = b"9" * 4_000
    event = read("client-registered", b'{"client_id":"1","request_parameters":{"a":' + digits + b"}}")
    assert event.model_dump()["request_parameters"] == {"a": digits.decode()}


def test_of_repeated_fields_the_last_counts() -> None:
    assert read("client-changed", b'{"client_id":"1","client_id":"2"}').model_dump()["client_id"] == "2"


def outcome(read: Any, value: Record) -> Any:
    """What was read, or the refusal; any other exception is a bug."""
    try:
        return read(value, now=NOW)
    except (InvalidRecord, InvalidCommand) as exc:
        return exc


@given(st.sampled_from(list(MINIMAL)), st.binary(max_size=200))
@example("client-registered", b'{"client_id":"1","request_parameters":{"a":5,"request_parameters":null}}')
def test_any_bytes_are_read_or_refused(topic: str, value: bytes) -> None:
    assert outcome(decode, record(topic, value)) is not None


any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["", "DE", "passed"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
FIELDS = [
    *(
        "client_id",
        "country",
        "ip",
        "provider_id",
        "authorization_method",
        "request_parameters",
        "registered_at",
    ),
    *(
        "payer_id",
        "status",
        "active",
        "deleted",
        "changed_at",
        "method",
        "result",
        "name",
        "group",
        "kind",
        "used",
    ),
    *(
        "command",
        "id",
        "actor",
        "reason",
        "conditions",
        "auto_assignment",
        "clients",
        "currency_rates",
        "if_version",
        "groups",
        "force",
        "hold",
        "expires_at",
        "after",
        "limit",
        "run_id",
        "topic",
        "partition",
        "offset",
        "code",
    ),
]


@given(st.sampled_from(list(MINIMAL)), st.dictionaries(st.sampled_from(FIELDS), any_json, max_size=6))
def test_any_fields_are_read_or_refused(topic: str, fields: dict[str, Any]) -> None:
    event = outcome(decode, record(topic, MINIMAL[topic] | fields))
    if isinstance(event, InvalidRecord):
        assert all(problem.code and problem.message for problem in event.errors)
    else:
        assert "\0" not in repr(event.model_dump())


@given(
    st.sampled_from([*COMMANDS, "nonsense"]),
    st.dictionaries(st.sampled_from(FIELDS), any_json, max_size=6),
)
def test_any_command_that_is_an_object_is_read_or_answered(name: str, fields: dict[str, Any]) -> None:
    value = json.dumps({"command": name, "group": "g", "name": "n", "clients": ["1"]} | fields)
    command = outcome(decode_command, record("group-commands", value.encode()))
    if isinstance(command, InvalidRecord):
        assert command.code == "not_json"
        assert "NaN" in value or "Infinity" in value
        return
    assert command.command_id
    if isinstance(command, InvalidCommand):
        assert all(problem.code and problem.message for problem in command.errors)
        shown = [command.command, command.id, command.group, command.actor]
        assert "\0" not in f"{shown}{command.warnings}{[problem.path for problem in command.errors]}"


@pytest.mark.parametrize(("code", "value"), POISON, ids=lambda value: repr(value)[:40])
def test_a_command_is_a_dead_letter_only_if_it_is_no_object(code: str, value: bytes) -> None:
    with pytest.raises((InvalidRecord, InvalidCommand)) as caught:
        decode_command(record("group-commands", value), now=NOW)
    if code in ("not_json", "not_utf_8", "wrong_type"):
        assert isinstance(caught.value, InvalidRecord)
        assert caught.value.code == code
    elif code != "too_deep":
        assert isinstance(caught.value, InvalidCommand)
