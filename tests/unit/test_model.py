"""The plain model itself, in tables: it judges the product, so its own words must be right."""

from __future__ import annotations

import ipaddress
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.model import Model
from tests.support.model_conditions import Facts, verdict_of_group
from tests.support.model_decode import Poison, Raw, decode

LATEST = datetime(2026, 1, 1, tzinfo=UTC)


def geoip(ip: str) -> str | None:
    return "DE" if ipaddress.ip_address(ip) in ipaddress.ip_network("192.0.2.0/24") else None


def at(minute: int) -> str:
    return f"2025-06-01T{minute // 60:02}:{minute % 60:02}:00Z"


class Story:
    """Records on one partition a topic, told one after the other."""

    def __init__(self) -> None:
        self.model = Model(geoip, LATEST)
        self._offset = 0

    def tell(self, topic: str, said: dict[str, Any], minute: int = 0) -> Story:
        self._offset += 1
        timestamp = int(datetime.fromisoformat(at(minute)).timestamp() * 1000)
        self.model.apply(Raw(topic, 0, self._offset, timestamp, None, json.dumps(said).encode()))
        return self

    def group(self, name: str, *conditions: dict[str, Any], **auto: bool) -> Story:
        auto = {"upon_registration": True, "exclude": True, **auto}
        conditions = tuple({"condition_group": 1, "comparison": "equals", **one} for one in conditions)
        body = {
            "command": "put-group",
            "group": name,
            "name": name,
            "auto_assignment": auto,
            "conditions": conditions,
        }
        return self.tell("group-commands", body)

    def register(self, minute: int, **said: Any) -> Story:
        return self.tell("client-registered", {"client_id": "c", "registered_at": at(minute), **said})

    def change(self, minute: int, **said: Any) -> Story:
        return self.tell("client-changed", {"client_id": "c", "changed_at": at(minute), **said})

    def delete(self, minute: int) -> Story:
        return self.tell("client-deleted", {"client_id": "c", "deleted_at": at(minute)})

    def payer(self, minute: int, payer_id: str = "p", **said: Any) -> Story:
        said = {"client_id": "c", "payer_id": payer_id, "changed_at": at(minute), **said}
        return self.tell("payer-changed", said)

    def verify(self, minute: int, method: str, result: str) -> Story:
        said = {"client_id": "c", "completed_at": at(minute), "method": method, "result": result}
        return self.tell("verification-completed", said)

    def hand(self, minute: int, command: str, group: str) -> Story:
        return self.tell("group-commands", {"command": command, "group": group, "clients": ["c"]}, minute)

    def groups(self) -> dict[str, str]:
        client = self.model.clients.get("c")
        return {} if client is None else {name: one.source for name, one in client.groups.items()}

    def country(self) -> Any:
        return self.model.facts(self.model.clients["c"]).country

    def moves(self) -> list[tuple[str, str, str]]:
        return [(move.what, move.moment, move.cause.split("/")[0]) for move in self.model.moves]


DE = {"type": "country", "value": "DE"}
COMPANY = {"type": "payer_status", "value": "legal_entity"}


@pytest.mark.parametrize(
    ("story", "country"),
    [
        (Story().register(1, country="de"), "DE"),
        (Story().change(5, country="FR").register(1, country="DE"), "FR"),
        (Story().change(1, country="FR").register(1, country="DE"), "FR"),
        (Story().register(1, country="DE").change(1, country="FR"), "FR"),
        (Story().register(5, country="DE").change(1, country="FR"), "DE"),
        (Story().register(1, country="DE").change(1, country="FR").change(1, country="US"), "US"),
        (Story().register(1, country="DE").change(2, ip="192.0.2.1"), "DE"),
        (Story().register(1, country="DE").change(2, country=""), None),
        (Story().register(1, country="DE").change(2, country=None), None),
        (Story().register(1, country="DE").delete(1), None),
        (Story().delete(3).register(1, country="DE"), None),
        (Story().delete(3).register(4, country="DE"), "DE"),
        (Story().register(4, country="DE").delete(3), "DE"),
        (Story().register(1, country="DE").change(4, ip="192.0.2.1").delete(3), None),
    ],
)
def test_newest_wins_field_by_field(story: Story, country: str | None) -> None:
    assert story.country() == country


@pytest.mark.parametrize(
    ("story", "groups"),
    [
        (Story().group("g", DE).register(1, country="DE"), {"g": "rule"}),
        (Story().group("g", DE, upon_registration=False, upon_change=True).register(1, country="DE"), {}),
        (Story().group("g", DE).change(1, country="DE"), {}),
        (Story().group("g", DE).change(2, country="DE").register(1, country="FR"), {"g": "rule"}),
        (Story().group("g", DE).register(1, country="DE").change(2, country="FR"), {}),
        (
            Story().group("g", DE, exclude=False).register(1, country="DE").change(2, country="FR"),
            {"g": "rule"},
        ),
        (
            Story().group("g", DE, upon_change=False).register(1, country="DE").change(2, country="FR"),
            {"g": "rule"},
        ),
        (Story().group("g", DE).register(1, country="DE").register(2, country="FR"), {}),
        (Story().register(1, country="DE").group("g", DE), {}),
        (Story().register(1, country="DE").group("g", DE).change(2, country="DE"), {}),
        (Story().register(1, country="DE").group("g", DE).change(2, ip="192.0.2.1"), {}),
        (Story().group("g").register(1, country="DE"), {}),
        (Story().group("g", COMPANY).register(1).payer(2, status="legal_entity"), {"g": "rule"}),
        (Story().group("g", COMPANY).payer(2, status="legal_entity").register(1), {"g": "rule"}),
        (Story().group("g", COMPANY).register(1).payer(2, status="legal_entity", active=False), {}),
        (Story().group("g", COMPANY).register(1).payer(2, status="legal_entity").payer(3, deleted=True), {}),
        (Story().group("g", COMPANY).register(1).payer(3, deleted=True).payer(2, status="legal_entity"), {}),
    ],
)
def test_checks(story: Story, groups: dict[str, str]) -> None:
    assert story.groups() == groups


@pytest.mark.parametrize(
    ("story", "groups"),
    [
        (Story().group("g", DE).hand(1, "add-members", "g"), {"g": "manual"}),
        (Story().hand(1, "add-members", "g"), {}),
        (Story().group("g", DE).register(1, country="DE").hand(2, "add-members", "g"), {"g": "manual"}),
        (Story().group("g", DE).register(1, country="DE").hand(2, "remove-members", "g"), {}),
        (
            Story()
            .group("g", DE)
            .hand(1, "add-members", "g")
            .register(1, country="DE")
            .change(2, country="FR"),
            {},
        ),
        (
            Story()
            .group("g", DE, keep_manual=True)
            .hand(1, "add-members", "g")
            .register(1, country="DE")
            .change(2, country="FR"),
            {"g": "manual"},
        ),
        (Story().group("g", DE).hand(1, "add-members", "g").register(1, country="FR"), {"g": "manual"}),
        (
            Story()
            .group("g", COMPANY)
            .register(1)
            .payer(1, status="legal_entity")
            .hand(2, "remove-members", "g")
            .payer(3, "q", status="legal_entity"),
            {"g": "rule"},
        ),
    ],
)
def test_by_hand(story: Story, groups: dict[str, str]) -> None:
    assert story.groups() == groups


@pytest.mark.parametrize(
    ("story", "groups", "registered"),
    [
        (Story().group("g", DE).register(1, country="DE").delete(2), {}, False),
        (Story().group("g", DE).register(1, country="DE").delete(0), {"g": "rule"}, True),
        (Story().group("g", DE).register(1, country="DE").register(3).delete(2), {}, True),
        (Story().group("g", DE).register(1).register(3, country="DE").delete(2), {"g": "rule"}, True),
        (Story().group("g", DE).hand(1, "add-members", "g").delete(2), {}, False),
        (Story().group("g", DE).hand(3, "add-members", "g").delete(2), {"g": "manual"}, False),
        (
            Story().group("g", DE).hand(1, "add-members", "g").hand(3, "add-members", "g").delete(2),
            {"g": "manual"},
            False,
        ),
        (Story().group("g", DE).delete(2).hand(1, "add-members", "g"), {}, False),
        (Story().group("g", DE).delete(2).hand(3, "add-members", "g"), {"g": "manual"}, False),
        (Story().group("g", COMPANY).payer(1, status="legal_entity").delete(2).register(3), {}, True),
        (
            Story().group("g", COMPANY).payer(4, status="legal_entity").delete(2).register(3),
            {"g": "rule"},
            True,
        ),
    ],
)
def test_deletion(story: Story, groups: dict[str, str], registered: bool) -> None:
    assert story.groups() == groups
    assert (story.model.clients["c"].registered_at is not None) == registered


@pytest.mark.parametrize(
    ("told", "passed"),
    [
        ([(1, "passed")], True),
        ([(1, "passed"), (2, "failed")], True),
        ([(1, "passed"), (2, "revoked")], False),
        ([(2, "revoked"), (1, "passed")], False),
        ([(1, "passed"), (2, "revoked"), (3, "passed")], True),
        ([(3, "passed"), (2, "revoked"), (1, "passed")], True),
        ([(1, "failed")], False),
    ],
)
def test_verification(told: list[tuple[int, str]], passed: bool) -> None:
    story = Story()
    for minute, result in told:
        story.verify(minute, "email", result)
    assert story.model.clients["c"].passed() == (frozenset({"email"}) if passed else frozenset())


@pytest.mark.parametrize(
    ("told", "active"),
    [
        ([{"status": "individual"}], True),
        ([{"status": "individual", "active": False}, {"status": "legal_entity"}], False),
        ([{"status": "individual", "active": False}, {"deleted": True}, {"status": "individual"}], True),
    ],
)
def test_a_payer_not_said_to_be_active_is_as_it_was(told: list[dict[str, Any]], active: bool) -> None:
    story = Story()
    for minute, said in enumerate(told):
        story.payer(minute, **said)
    assert story.model.clients["c"].payers["p"].active == active


def test_moves_name_the_record_that_decided() -> None:
    story = Story().group("g", DE).register(1, country="DE").hand(2, "add-members", "g").delete(3)
    assert story.moves() == [
        ("joined", "registration", "client-registered"),
        ("source", "manual", "group-commands"),
        ("left", "client_deleted", "client-deleted"),
    ]


def test_commands_are_answered_in_their_order_and_a_repeated_id_does_nothing() -> None:
    story = Story().group("g", DE).group("g", DE)
    for command, group in (
        ("add-members", "g"),
        ("remove-members", "g"),
        ("add-members", "g"),
        ("dance", "g"),
    ):
        said = {"command": command, "id": f"{command} {group}", "group": group, "clients": ["c", 5]}
        story.tell("group-commands", said)
    story.tell("group-commands", {"command": "put-group", "group": "nameless"})
    assert story.groups() == {}
    assert story.model.groups["g"].version == 1
    assert [answer.status for answer in story.model.answers] == ["done"] * 5 + ["rejected"] * 2


def test_a_group_said_in_other_words_is_no_new_version() -> None:
    story = Story().group("g", DE).group("g", DE, upon_change=True, keep_manual=False)
    assert story.model.groups["g"].version == 1
    assert story.group("g", DE, upon_change=False).model.groups["g"].version == 2


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


PARAMETERS = {"n": "10", "t": "some text", "e": ""}


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


FACTS = Facts(
    country="DE",
    geoip_country="FR",
    provider="1",
    parameters=PARAMETERS,
    payers={"p": ("individual", True), "q": ("legal_entity", False)},
    passed=frozenset({"email", "phone"}),
)


@pytest.mark.parametrize(
    ("kind", "comparison", "value", "met"),
    [
        ("country", "equals", "de", True),
        ("country", "not_equals", "DE", False),
        ("country", "one_of", ["FR", "DE"], True),
        ("country", "none_of", ["FR", "US"], True),
        ("geoip_country", "equals", "FR", True),
        ("provider", "equals", "1", True),
        ("authorization_method", "equals", "google", False),
        ("authorization_method", "not_equals", "google", True),
        ("payer_status", "equals", "individual", True),
        ("payer_status", "equals", "legal_entity", False),
        ("payer_status", "not_equals", "individual", False),
        ("payer_status", "none_of", ["legal_entity"], True),
        ("verification_status", "equals", "passed", True),
        ("verification_status", "not_equals", "failed", True),
        ("verification_method", "equals", "phone", True),
        ("verification_method", "not_equals", "phone", False),
        ("verification_method", "one_of", ["manual"], False),
        ("n", "greater_than", "9", True),
        ("n", "less_than", "9", False),
        ("n", "greater_than", "x", False),
        ("t", "greater_than", "1", False),
        ("t", "contains", "me t", True),
        ("t", "contains", "ME", False),
        ("t", "not_contains", "me", False),
        ("t", "starts_with", "some", True),
        ("t", "ends_with", "text", True),
        ("t", "matches", "^s.+xt$", True),
        ("e", "is_set", None, True),
        ("absent", "is_set", None, False),
        ("absent", "is_not_set", None, True),
        ("absent", "equals", "", False),
        ("absent", "not_equals", "x", True),
        ("absent", "not_contains", "x", True),
        ("absent", "matches", ".*", False),
    ],
)
def test_comparisons(kind: str, comparison: str, value: object, met: bool) -> None:
    condition: dict[str, Any] = {"condition_group": 1, "type": kind, "comparison": comparison, "value": value}
    if kind in {"n", "t", "e", "absent"}:
        condition |= {"type": "request_parameter", "parameter": kind}
    assert verdict_of_group([condition], FACTS) is met


MET = {"type": "country", "comparison": "equals", "value": "DE"}
NOT_MET = MET | {"value": "US"}
OPEN = MET | {"type": "geoip_country"}


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ([MET], [MET], True),
        ([MET], [NOT_MET], False),
        ([MET, NOT_MET], [MET], True),
        ([OPEN], [MET], None),
        ([OPEN], [NOT_MET], False),
        ([OPEN, MET], [MET], True),
        ([OPEN | {"comparison": "not_equals"}], [MET], None),
    ],
)
def test_groups_of_conditions(
    first: list[dict[str, Any]], second: list[dict[str, Any]], verdict: bool | None
) -> None:
    conditions = [one | {"condition_group": 1} for one in first] + [
        one | {"condition_group": 7} for one in second
    ]
    assert verdict_of_group(conditions, Facts(country="DE")) is verdict


def test_payers_that_are_not_active_count_where_the_condition_says_so() -> None:
    condition = {
        "condition_group": 1,
        "type": "payer_status",
        "comparison": "equals",
        "value": "legal_entity",
    }
    assert verdict_of_group([condition], FACTS) is False
    assert verdict_of_group([condition | {"include_inactive": True}], FACTS) is True
