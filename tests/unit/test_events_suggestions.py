"""The help that a misspelt name gets."""

import pytest

from events.groups import Group
from events.problems import path_of
from events.suggestions import did_you_mean, nearest, unknown_fields

NAMES = ("put-group", "add-members", "remove-members")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("put_group", "put-group"),
        ("addmembers", "add-members"),
        ("PUT-GROUP", "put-group"),
        ("fly", None),
        ("", None),
    ],
)
def test_the_nearest_name(name: str, meant: str | None) -> None:
    assert nearest(name, NAMES) == meant


def test_what_is_shown_is_short_and_printable() -> None:
    assert did_you_mean("putgroup", NAMES) == "'putgroup' is unknown (did you mean put-group?)"
    assert did_you_mean("\0\ud800" * 500, NAMES).isprintable()
    assert len(did_you_mean("x" * 100_000, NAMES)) < 80


def test_fields_are_looked_at_inside_too() -> None:
    given = {"name": "n", "nam": 1, "auto_assignment": {"periodc": True}, "conditions": [{}, {"typ": 1}, 5]}
    assert [warning.path for warning in unknown_fields(Group, given)] == [
        "nam",
        "auto_assignment.periodc",
        "conditions[1].typ",
    ]
    assert unknown_fields(Group, {"auto_assignment": 5, "conditions": "x"}) == []


@pytest.mark.parametrize(
    ("location", "path"),
    [((), ""), (("a",), "a"), (("a", 0, "b"), "a[0].b"), (("a", "b", 1, 2), "a.b[1][2]")],
)
def test_paths(location: tuple[str | int, ...], path: str) -> None:
    assert path_of(location) == path
