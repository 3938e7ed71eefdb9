"""contracts.md, *Commands*: set-client-groups, pin, unpin (add-members and remove-members: test_commands)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from events.commands import Pin, SetClientGroups, Unpin
from tests.contract.commands import read, refused, wrong
from tests.contract.records import NOW

SET: dict[str, Any] = {
    "command": "set-client-groups",
    "client_id": 1,
    "groups": {"vip": True, "trial": False},
}
PIN: dict[str, Any] = {"command": "pin", "group": "vip", "clients": [2, "1", "2"], "hold": "in"}


def test_set_client_groups() -> None:
    command = read(SET)
    assert isinstance(command, SetClientGroups)
    assert (command.client_id, command.groups) == ("1", {"vip": True, "trial": False})
    assert list(command.groups) == ["vip", "trial"]


@pytest.mark.parametrize(
    ("more", "errors"),
    [
        ({"client_id": ""}, {"client_id": "id"}),
        ({"client_id": ["1"]}, {"client_id": "id"}),
        ({"groups": {}}, {"groups": "too_short"}),
        ({"groups": None}, {"groups": "wrong_type"}),
        ({"groups": ["vip"]}, {"groups": "wrong_type"}),
        ({"groups": {str(at): True for at in range(10_001)}}, {"groups": "too_long"}),
        ({"groups": {"vip": None, "trial": 1}}, {"groups.vip": "wrong_type", "groups.trial": "wrong_type"}),
        ({"groups": {"": True}}, {"groups.": "id"}),
        ({"groups": {"x" * 70: True}}, {f"groups.{'x' * 40}": "id"}),
        ({"groups": {"a\nb": True, "vip": "in"}}, {"groups.a\nb": "id", "groups.vip": "wrong_type"}),
        ({"groups": {"a\0b": 5}}, {"groups": "nul_in_text"}),
        ({"groups": {"\ud800": True}}, {"groups": "not_unicode"}),
        ({"client_id": None, "groups": {"vip": 1}}, {"client_id": "id", "groups.vip": "wrong_type"}),
    ],
)
def test_a_malformed_set_client_groups(more: dict[str, Any], errors: dict[str, str]) -> None:
    assert wrong(SET | more) == errors


@pytest.mark.parametrize("hold", ["in", "out", "IN", "Out"])
def test_pin(hold: str) -> None:
    command = read(PIN | {"hold": hold, "actor": "anna", "reason": "promised"})
    assert isinstance(command, Pin)
    assert (command.group, command.clients, command.hold) == ("vip", ["2", "1"], hold.lower())
    assert (command.expires_at, command.actor, command.reason) == (None, "anna", "promised")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, None),
        ("", None),
        ("2026-11-22T12:00:00.000001Z", NOW + timedelta(microseconds=1)),
        ("2026-11-22T14:00:01+02:00", NOW + timedelta(seconds=1)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_when_a_pin_expires(given: object, kept: datetime | None) -> None:
    command = read(PIN | {"expires_at": given})
    assert isinstance(command, Pin)
    assert command.expires_at == kept


@pytest.mark.parametrize(
    "past", ["2026-11-22T12:00:00Z", "2026-11-22T13:59:59+02:00", "0001-01-01T00:00:00Z"]
)
def test_a_pin_that_is_past_is_refused(past: str) -> None:
    (error,) = refused(PIN | {"expires_at": past}).errors
    assert (error.code, error.path) == ("expired", "expires_at")
    assert error.message == "expected a time to come, this one is past"


@pytest.mark.parametrize(
    ("more", "errors"),
    [
        ({"group": None}, {"group": "id"}),
        ({"clients": []}, {"clients": "too_short"}),
        ({"clients": ["1"] * 10_001}, {"clients": "too_long"}),
        ({"clients": [None, {}]}, {"clients[0]": "id", "clients[1]": "id"}),
        ({"hold": None}, {"hold": "wrong_type"}),
        ({"hold": "inside"}, {"hold": "code"}),
        ({"hold": True}, {"hold": "wrong_type"}),
        ({"expires_at": "tomorrow"}, {"expires_at": "timestamp"}),
        ({"expires_at": "2027-01-01T00:00:00"}, {"expires_at": "timestamp"}),
        ({"expires_at": 1_800_000_000}, {"expires_at": "timestamp"}),
        ({"reason": ["x"]}, {"reason": "text"}),
        (
            {"group": 1.5, "clients": "1", "hold": "ot", "expires_at": "2020-01-01T00:00:00Z", "actor": []},
            {
                "group": "id",
                "clients": "wrong_type",
                "hold": "code",
                "expires_at": "expired",
                "actor": "label",
            },
        ),
    ],
)
def test_a_malformed_pin(more: dict[str, Any], errors: dict[str, str]) -> None:
    assert wrong(PIN | more) == errors


def test_the_nearest_hold_is_named() -> None:
    (error,) = refused(PIN | {"hold": "ot"}).errors
    assert error.message == "'ot' is unknown (did you mean out?); expected one of in, out"


def test_unpin() -> None:
    command = read(PIN | {"command": "unpin", "reason": "over"})
    assert isinstance(command, Unpin)
    assert (command.group, command.clients, command.reason) == ("vip", ["2", "1"], "over")
    # What it needn't know is no error: a pin's text is easily reused.
    assert [(warning.code, warning.path) for warning in command.warnings] == [("unknown_field", "hold")]
    assert wrong({"command": "unpin", "group": "", "clients": [""]}) == {"group": "id", "clients[0]": "id"}
