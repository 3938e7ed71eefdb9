"""contracts.md, *Commands*: those that only read, replay-dead-letters and snapshot."""

from datetime import UTC, datetime
from typing import Any

import pytest

from events.commands import Explain, History, Paged, ReplayDeadLetters, ShowClient, ShowRun
from tests.contract.commands import read, refused, wrong

PAGED: dict[str, dict[str, Any]] = {
    "list-groups": {},
    "list-members": {"group": "vip"},
    "history": {"client_id": "1"},
    "group-history": {"group": "vip"},
    "list-runs": {},
}


@pytest.mark.parametrize("name", PAGED)
def test_pages(name: str) -> None:
    least = {"command": name} | PAGED[name]
    for none in ({}, {"after": None, "limit": None}, {"after": "", "limit": ""}):
        command = read(least | none)
        assert isinstance(command, Paged)
        assert (command.after, command.limit) == (None, 100)
    for limit in (1, 1_000):
        command = read(least | {"after": "opaque=", "limit": limit})
        assert isinstance(command, Paged)
        assert (command.after, command.limit) == ("opaque=", limit)


@pytest.mark.parametrize("name", PAGED)
@pytest.mark.parametrize(
    ("more", "errors"),
    [
        ({"limit": 0}, {"limit": "out_of_range"}),
        ({"limit": 1_001}, {"limit": "out_of_range"}),
        ({"limit": "100"}, {"limit": "wrong_type"}),
        ({"limit": 1.5}, {"limit": "wrong_type"}),
        ({"limit": True}, {"limit": "wrong_type"}),
        ({"after": 5}, {"after": "text"}),
        ({"after": "x" * 1_001}, {"after": "text"}),
        ({"after": {}, "limit": []}, {"after": "text", "limit": "wrong_type"}),
    ],
)
def test_malformed_pages(name: str, more: dict[str, Any], errors: dict[str, str]) -> None:
    assert wrong({"command": name} | PAGED[name] | more) == errors


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("show-group", "group"),
        ("list-members", "group"),
        ("show-client", "client_id"),
        ("show-run", "run_id"),
        ("history", "client_id"),
        ("history", "group"),
        ("list-runs", "group"),
    ],
)
def test_what_is_shown_has_an_id(name: str, field: str) -> None:
    assert getattr(read({"command": name, field: "7"}), field) == "7"
    assert getattr(read({"command": name, field: 7}), field) == "7"
    for given in (True, 1.5, "x" * 65, "a\nb", ["7"]):
        assert wrong({"command": name, field: given}).items() >= {field: "id"}.items()


def test_each_reading_command_is_its_own() -> None:
    assert isinstance(read({"command": "show-client", "client_id": 1}), ShowClient)
    assert isinstance(read({"command": "show-run", "run_id": 1}), ShowRun)
    for name in ("show-client", "show-run", "show-group", "list-members"):
        field = {"show-client": "client_id", "show-run": "run_id"}.get(name, "group")
        assert wrong({"command": name, field: None}) == {field: "id"}


def test_history_is_of_a_client_or_a_group() -> None:
    of: list[dict[str, Any]] = [
        {"client_id": 1},
        {"group": "vip"},
        {"client_id": 1, "group": "vip"},
        {"client_id": "", "group": 5},
    ]
    read_back = []
    for given in of:
        command = read({"command": "history"} | given)
        assert isinstance(command, History)
        read_back.append((command.client_id, command.group))
    assert read_back == [("1", None), (None, "vip"), ("1", "vip"), (None, "5")]


@pytest.mark.parametrize("none", [{}, {"client_id": None}, {"group": "", "client_id": ""}])
def test_history_of_nothing(none: dict[str, Any]) -> None:
    error, *others = refused({"command": "history", "limit": 0} | none).errors[::-1]
    assert (error.code, error.path) == ("missing", "client_id")
    assert error.message == "is required unless group is given"
    assert [other.path for other in others] == ["limit"]


def test_history_of_a_group_that_is_malformed() -> None:
    assert wrong({"command": "history", "group": []}) == {"group": "id"}
    assert wrong({"command": "history", "group": [], "client_id": []}) == {"group": "id", "client_id": "id"}


@pytest.mark.parametrize(
    "topic", ["client-registered", "client-registered.dlt", "Client-Registered", "client-registered.DLT"]
)
def test_dead_letters_of_a_topic(topic: str) -> None:
    command = read({"command": "replay-dead-letters", "topic": topic})
    assert isinstance(command, ReplayDeadLetters)
    assert command.topic == "client-registered"
    assert (command.partition, command.offset, command.code) == (None, None, None)


def test_some_dead_letters() -> None:
    least = {"command": "replay-dead-letters", "topic": "payer-changed"}
    command = read(least | {"partition": 0, "offset": 2**63 - 1, "code": "Country"})
    assert isinstance(command, ReplayDeadLetters)
    assert (command.partition, command.offset, command.code) == (0, 2**63 - 1, "country")
    none = dict.fromkeys(("partition", "offset", "code"))
    assert read(least | none) == read(least | dict.fromkeys(none, "")) == read(least)


@pytest.mark.parametrize(
    ("more", "errors"),
    [
        ({"topic": "membership-changed"}, {"topic": "unknown_topic"}),
        ({"topic": "client-registered.dlt.dlt"}, {"topic": "unknown_topic"}),
        ({"topic": None}, {"topic": "wrong_type"}),
        ({"topic": 5}, {"topic": "wrong_type"}),
        ({"partition": -1}, {"partition": "out_of_range"}),
        ({"partition": 2**31}, {"partition": "out_of_range"}),
        ({"partition": "0"}, {"partition": "wrong_type"}),
        ({"offset": -1}, {"offset": "out_of_range"}),
        ({"offset": 2**63}, {"offset": "out_of_range"}),
        ({"offset": False}, {"offset": "wrong_type"}),
        ({"code": 5}, {"code": "code"}),
        ({"code": "x" * 65}, {"code": "code"}),
        (
            {"topic": "x", "partition": 0.5, "offset": [], "code": "a\nb"},
            {"topic": "unknown_topic", "partition": "wrong_type", "offset": "wrong_type", "code": "code"},
        ),
    ],
)
def test_malformed_replays(more: dict[str, Any], errors: dict[str, str]) -> None:
    assert wrong({"command": "replay-dead-letters", "topic": "payer-changed"} | more) == errors


def test_the_nearest_topic_is_named() -> None:
    (error,) = refused({"command": "replay-dead-letters", "topic": "payer-chnged.dlt"}).errors
    assert "'payer-chnged' is unknown (did you mean payer-changed?)" in error.message


ASKED: dict[str, Any] = {"command": "explain", "client_id": "1", "group": "vip"}


def test_explain_asks_for_now_for_a_version_or_for_a_time() -> None:
    for none in ({}, {"version": None, "at": None}, {"version": "", "at": ""}):
        command = read(ASKED | none)
        assert isinstance(command, Explain)
        assert (command.version, command.at) == (None, None)
    command = read(ASKED | {"version": 7})
    assert isinstance(command, Explain)
    assert command.version == 7
    command = read(ASKED | {"at": "2026-11-22T11:00:00+01:00"})
    assert isinstance(command, Explain)
    assert command.at == datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("more", "errors"),
    [
        ({"client_id": None}, {"client_id": "id"}),
        ({"group": ""}, {"group": "id"}),
        ({"version": 0}, {"version": "out_of_range"}),
        ({"version": "7"}, {"version": "wrong_type"}),
        ({"at": "yesterday"}, {"at": "timestamp"}),
        ({"at": "2026-11-22T10:00:00"}, {"at": "timestamp"}),
        ({"at": "2027-01-01T00:00:00Z"}, {"at": "in_the_future"}),
        ({"version": 7, "at": "2026-11-22T10:00:00Z"}, {"at": "one_of_two"}),
    ],
)
def test_malformed_explain(more: dict[str, Any], errors: dict[str, str]) -> None:
    assert wrong(ASKED | more) == errors
