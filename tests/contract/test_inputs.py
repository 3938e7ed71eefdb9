"""contracts.md, *Inputs* and *Common to all*: what is accepted and what becomes of it."""

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.examples import EXAMPLES
from events.topics import INPUTS
from tests.contract.records import MINIMAL, TIME_FIELDS, read, refusal

ANY_TOPIC = pytest.mark.parametrize("topic", MINIMAL)


def test_every_event_topic_is_covered() -> None:
    assert set(MINIMAL) == {topic.name for topic in INPUTS if topic.model is not None}


@ANY_TOPIC
def test_the_example_is_read_as_it_stands(topic: str) -> None:
    example = EXAMPLES[topic]
    event = read(topic, example)
    field = TIME_FIELDS[topic]
    assert event.time == datetime.fromisoformat(example[field])
    assert event.model_dump(exclude={field}, include=set(example)) == {
        name: value for name, value in example.items() if name != field
    }


# ---- ids
@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("1042", "1042"),
        (1042, "1042"),
        (-5, "-5"),
        (0, "0"),
        (10**63, "1" + "0" * 63),
        ("x" * 64, "x" * 64),
        ("é😀" * 32, "é😀" * 32),
        (" a ", " a "),
        ("Ä", "Ä"),
        ("007", "007"),
        ("1.0", "1.0"),
    ],
)
def test_ids(given: object, text: str) -> None:
    event = read("client-deleted", {"client_id": given})
    assert event.model_dump()["client_id"] == text


@pytest.mark.parametrize(
    "given",
    [None, "", True, False, 1.0, 1e3, "x" * 65, 10**64, "a\nb", "a\tb", "\x7f", "\x85", [], {}, ["1"]],
    ids=repr,
)
@ANY_TOPIC
def test_what_is_no_id(topic: str, given: object) -> None:
    field = next(iter(MINIMAL[topic]))
    error = refusal(topic, MINIMAL[topic] | {field: given})
    assert (error.code, error.errors[0].path) == ("id", field)


@ANY_TOPIC
def test_a_required_field_that_is_missing(topic: str) -> None:
    for field in MINIMAL[topic]:
        value = {name: item for name, item in MINIMAL[topic].items() if name != field}
        error = refusal(topic, value)
        assert (error.code, error.errors[0].path) == ("missing", field)
        assert field in str(error)


@pytest.mark.parametrize("key", [None, b"", b"other", b"\xff"])
@ANY_TOPIC
def test_the_values_id_counts_and_not_the_key(topic: str, key: bytes | None) -> None:
    assert read(topic, MINIMAL[topic], key=key) == read(topic, MINIMAL[topic])


# ---- fields in common
@ANY_TOPIC
def test_unknown_fields_are_ignored(topic: str) -> None:
    more = b',"new":{"deep":[1,null,{"x":1e400}]},"more":"x"}'
    value = json.dumps(MINIMAL[topic]).encode()
    assert read(topic, value[:-1] + more) == read(topic, value)


@ANY_TOPIC
def test_all_that_is_wrong_is_said_at_once(topic: str) -> None:
    error = refusal(topic, dict.fromkeys(MINIMAL[topic], True) | {TIME_FIELDS[topic]: 5})
    assert {problem.path for problem in error.errors} == {*MINIMAL[topic], TIME_FIELDS[topic]}
    assert all(problem.path in str(error) for problem in error.errors)


PROFILE = ("country", "ip", "provider_id", "authorization_method")


@pytest.mark.parametrize("topic", ["client-registered", "client-changed"])
@pytest.mark.parametrize("field", PROFILE)
def test_missing_says_nothing_and_null_or_empty_says_none(topic: str, field: str) -> None:
    assert field not in read(topic, {"client_id": "1"}).model_fields_set
    for none in (None, ""):
        event = read(topic, {"client_id": "1", field: none})
        assert field in event.model_fields_set
        assert getattr(event, field) is None


NORMALISED: list[tuple[str, object, object]] = [
    ("country", "DE", "DE"),
    ("country", "de", "DE"),
    ("country", "xK", "XK"),
    ("provider_id", 7, "7"),
    ("provider_id", "Example", "Example"),
    ("authorization_method", "google", "google"),
    ("authorization_method", "Login_Password", "login_password"),
    ("authorization_method", "our own SSO", "our own sso"),
    ("ip", "192.0.2.7", "192.0.2.7"),
    ("ip", "::ffff:192.0.2.7", "192.0.2.7"),
    ("ip", "2001:DB8:0:0::1", "2001:db8::1"),
    ("ip", "::", "::"),
]


@pytest.mark.parametrize(("field", "given", "kept"), NORMALISED)
@pytest.mark.parametrize("topic", ["client-registered", "client-changed"])
def test_fields_of_a_client(topic: str, field: str, given: object, kept: object) -> None:
    assert getattr(read(topic, {"client_id": "1", field: given}), field) == kept


WRONG: list[tuple[str, str, object, str]] = [
    ("client-changed", "country", "XX", "country"),
    ("client-changed", "country", "DEU", "country"),
    ("client-changed", "country", "D", "country"),
    ("client-changed", "country", " DE", "country"),
    ("client-changed", "country", 49, "country"),
    ("client-changed", "country", "ſt", "country"),
    ("client-changed", "ip", "192.0.2", "ip"),
    ("client-changed", "ip", "192.0.2.256", "ip"),
    ("client-changed", "ip", "192.0.02.7", "ip"),
    ("client-changed", "ip", "192.0.2.7/32", "ip"),
    ("client-changed", "ip", "fe80::1%eth0", "ip"),
    ("client-changed", "ip", 3_221_225_991, "ip"),
    ("client-changed", "provider_id", 1.5, "id"),
    ("client-changed", "authorization_method", "x" * 65, "code"),
    ("client-changed", "authorization_method", ["google"], "code"),
    ("client-registered", "request_parameters", "a=b", "wrong_type"),
    ("client-registered", "request_parameters", [], "wrong_type"),
    ("client-registered", "request_parameters", {"a": "x" * 65_536}, "too_long"),
    ("client-registered", "request_parameters", {"x" * 65_537: ""}, "too_long"),
    ("payer-changed", "status", "company", "code"),
    ("payer-changed", "active", "yes", "wrong_type"),
    ("payer-changed", "active", 1, "wrong_type"),
    ("payer-changed", "deleted", "true", "wrong_type"),
    ("verification-completed", "method", "sms", "code"),
    ("verification-completed", "result", None, "code"),
    ("verification-completed", "result", "", "code"),
    ("provider-changed", "name", "x" * 1001, "text"),
    ("provider-changed", "active", 0, "wrong_type"),
    ("provider-changed", "authorization_methods", "google", "wrong_type"),
    ("provider-changed", "authorization_methods", ["google", None], "code"),
    ("group-usage-changed", "kind", "invoice", "code"),
    ("group-usage-changed", "used", "no", "wrong_type"),
    ("group-usage-changed", "title", 5, "text"),
]


@pytest.mark.parametrize(("topic", "field", "given", "code"), WRONG)
def test_a_known_field_of_a_wrong_type_or_value(topic: str, field: str, given: object, code: str) -> None:
    error = refusal(topic, MINIMAL[topic] | {field: given})
    assert error.code == code
    assert error.errors[0].path.startswith(field)


def test_messages_do_not_tell_clients_data() -> None:
    error = refusal("client-changed", {"client_id": "1", "ip": "198.51.100.77x", "country": "Zz"})
    assert "198.51" not in str(error)
    assert "Zz" not in str(error)


# ---- request parameters
PARAMETERS: list[tuple[bytes, dict[str, str]]] = [
    (b'{"a":"x"}', {"a": "x"}),
    (b'{"a":" Text, as it is\\n"}', {"a": " Text, as it is\n"}),
    (b'{"a":""}', {"a": ""}),
    (b'{"":"x"}', {"": "x"}),
    (b'{"a":true,"b":false}', {"a": "true", "b": "false"}),
    (b'{"a":1.0}', {"a": "1.0"}),
    (b'{"a":1e3,"b":1E+3,"c":-0,"d":-0.0}', {"a": "1e3", "b": "1E+3", "c": "-0", "d": "-0.0"}),
    (b'{"a":12345678901234567890.50}', {"a": "12345678901234567890.50"}),
    (b'{"a":1e999}', {"a": "1e999"}),
    (b'{"a":null,"b":"x"}', {"b": "x"}),
    (b'{"a":null}', {}),
    (b'{"a":[1, 2.50, {"b" : null}], "c": { }}', {"a": '[1,2.50,{"b":null}]', "c": "{}"}),
    ('{"a":["é", true]}'.encode(), {"a": '["é",true]'}),
    (b'{"a":1,"a":2.0}', {"a": "2.0"}),
    (b"{}", {}),
    (b"null", {}),
    (b'""', {}),
]


@pytest.mark.parametrize(("given", "kept"), PARAMETERS)
def test_request_parameters_become_text(given: bytes, kept: dict[str, str]) -> None:
    event = read("client-registered", b'{"client_id":"1","request_parameters":' + given + b"}")
    assert event.model_dump()["request_parameters"] == kept
    assert "request_parameters" in event.model_fields_set


def test_of_repeated_request_parameters_the_last_counts() -> None:
    value = b'{"client_id":"1","request_parameters":{"a":1.0},"request_parameters":{"b":2.0}}'
    assert read("client-registered", value).model_dump()["request_parameters"] == {"b": "2.0"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_any_request_parameters_are_read_or_refused_for_nul(values: dict[str, Any]) -> None:
    text = json.dumps({"client_id": "1", "request_parameters": values})
    if "\\u0000" in json.dumps(values).replace("\\\\", ""):
        assert refusal("client-registered", text.encode()).code == "nul_in_text"
        return
    kept = read("client-registered", text.encode()).model_dump()["request_parameters"]
    assert set(kept) == {name for name, value in values.items() if value is not None}
    for name, value in values.items():
        if isinstance(value, str):
            assert kept[name] == value
        elif value is not None:
            assert kept[name] == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# ---- payers, verifications, providers, usage
def test_a_payers_status_may_be_missing_where_it_is_deleted() -> None:
    event = read("payer-changed", {"client_id": "1", "payer_id": 7, "deleted": True})
    assert event.model_dump(include={"payer_id", "status", "deleted"}) == {
        "payer_id": "7",
        "status": None,
        "deleted": True,
    }
    for deleted in (False, None, ""):
        error = refusal(
            "payer-changed", {"client_id": "1", "payer_id": 7, "deleted": deleted, "status": None}
        )
        assert (error.code, error.errors[0].path) == ("missing", "status")


@pytest.mark.parametrize(
    ("given", "kept"), [({}, None), ({"active": None}, None), ({"active": False}, False)]
)
def test_a_payers_activity_that_is_missing_is_as_it_was(given: dict[str, Any], kept: bool | None) -> None:
    event = read("payer-changed", MINIMAL["payer-changed"] | given)
    assert event.model_dump()["active"] is kept


def test_codes_in_any_case() -> None:
    assert read("payer-changed", MINIMAL["payer-changed"] | {"status": "Legal_Entity"}).model_dump()[
        "status"
    ] == ("legal_entity")
    event = read("verification-completed", {"client_id": 1, "method": "EMAIL", "result": "Revoked"})
    assert event.model_dump(include={"method", "result"}) == {"method": "email", "result": "revoked"}


def test_usage_is_on_unless_it_says_otherwise() -> None:
    assert read("group-usage-changed", MINIMAL["group-usage-changed"]).model_dump()["used"] is True
    assert (
        read("group-usage-changed", MINIMAL["group-usage-changed"] | {"used": False}).model_dump()["used"]
        is False
    )


def test_what_a_provider_offers() -> None:
    event = read("provider-changed", {"provider_id": 1, "authorization_methods": ["Google", "our-sso"]})
    assert event.model_dump()["authorization_methods"] == ["google", "our-sso"]
    assert not {"name", "active"} & event.model_fields_set


def test_a_topic_that_is_no_input() -> None:
    assert refusal("membership-changed", {"client_id": "1"}).code == "unknown_topic"
