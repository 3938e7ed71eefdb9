"""The plain model's pins and what they lie over: contracts.md, *Membership, exactly*."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.model_story import DE, Story


def german(**auto: Any) -> Story:
    """A client who is in a group by its rule, since minute 1."""
    return Story().group("g", DE, **auto).register(1, country="DE")


@pytest.mark.parametrize(
    ("story", "groups"),
    [
        (german().pin(2, "g", "in"), {"g": "pin"}),
        (german().pin(2, "g", "OUT"), {}),
        (Story().group("g").pin(2, "g", "in"), {"g": "pin"}),
        (german().pin(2, "g", "in").pin(3, "g", "out"), {}),
        (german().pin(2, "g", "in").change(3, country="FR"), {"g": "pin"}),
        (german().pin(2, "g", "in").change(3, country="FR").unpin(4, "g"), {}),
        (german().pin(2, "g", "out").unpin(4, "g"), {"g": "rule"}),
        (german().pin(2, "g", "out").change(3, country="FR").unpin(4, "g"), {}),
        (german(exclude=False).pin(2, "g", "in").change(3, country="FR").unpin(4, "g"), {"g": "rule"}),
        (Story().group("g", DE).register(1).pin(2, "g", "out").change(3, country="DE"), {}),
        (Story().group("g", DE, upon_change=False).register(1).pin(2, "g", "in").unpin(3, "g"), {}),
        (
            Story()
            .group("g", DE, upon_change=False)
            .register(1)
            .pin(2, "g", "out")
            .change(3, country="DE")
            .unpin(4, "g"),
            {"g": "rule"},
        ),
        (german().hand(2, "add-members", "g").pin(3, "g", "out").unpin(4, "g"), {"g": "manual"}),
        (Story().group("g", DE).hand(2, "add-members", "g").pin(3, "g", "in").unpin(4, "g"), {"g": "manual"}),
        (
            german().hand(2, "add-members", "g").pin(3, "g", "in").change(4, country="FR").unpin(5, "g"),
            {},
        ),
        (
            german(keep_manual=True)
            .hand(2, "add-members", "g")
            .pin(3, "g", "in")
            .change(4, country="FR")
            .unpin(5, "g"),
            {"g": "manual"},
        ),
        (Story().group("g", DE).pin(2, "g", "in").unpin(3, "g"), {}),
        (Story().group("g").register(1).pin(2, "g", "in").unpin(3, "g"), {}),
        (german().unpin(2, "g"), {"g": "rule"}),
    ],
)
def test_a_pin_is_laid_over_and_what_is_beneath_returns(story: Story, groups: dict[str, str]) -> None:
    assert story.groups() == groups


def test_unknown_leaves_what_is_beneath() -> None:
    story = Story().group("g", {"type": "geoip_country", "value": "DE"}, upon_change=False)
    story.register(1, ip="192.0.2.1").pin(2, "g", "out").change(3, ip="").unpin(4, "g")
    assert story.groups() == {"g": "rule"}


def test_pins_expire_by_the_clock() -> None:
    story = german().clock(3).pin(3, "g", "out", expires_at=5).change(4, country="DE")
    assert story.clock(4).groups() == {}
    assert story.clock(5).groups() == {"g": "rule"}
    assert story.moves()[-1] == ("joined", "pin", "group-commands")
    assert story.pin(5, "g", "out", expires_at=5).statuses()[-1] == "rejected"


def test_a_later_pin_takes_the_place_of_one_that_would_expire() -> None:
    story = german().clock(2).pin(2, "g", "out", expires_at=3).pin(2, "g", "out").clock(10)
    assert story.groups() == {}


@pytest.mark.parametrize(
    ("story", "groups"),
    [
        (german().pin(2, "g", "in").delete(2), {}),
        (german().pin(3, "g", "in").delete(2), {"g": "pin"}),
        (german().pin(3, "g", "in").delete(2).unpin(2, "g"), {"g": "pin"}),
        (german().pin(3, "g", "in").delete(2).unpin(4, "g"), {}),
        (german().delete(2).pin(2, "g", "in"), {}),
        (german().delete(2).pin(3, "g", "in"), {"g": "pin"}),
        (german().pin(2, "g", "out").register(4, country="DE").delete(3), {"g": "rule"}),
        (german().pin(2, "g", "in").pin(4, "g", "in").delete(3), {"g": "pin"}),
    ],
)
def test_a_deletion_takes_pins_away_that_were_said_before(story: Story, groups: dict[str, str]) -> None:
    assert story.groups() == groups


def test_moves_are_of_what_is_in_force() -> None:
    story = german().pin(2, "g", "in").change(3, country="FR").pin(4, "g", "out").unpin(5, "g")
    assert [(move.what, move.source, move.was, move.moment) for move in story.model.moves] == [
        ("joined", "rule", None, "registration"),
        ("source", "pin", "rule", "pin"),
        ("left", "pin", "pin", "pin"),
    ]


@pytest.mark.parametrize(
    ("command", "hold", "changed"),
    [("pin", "in", 1), ("pin", "out", 1), ("unpin", None, 0)],
)
def test_changed_counts_the_memberships_in_force(command: str, hold: str | None, changed: int) -> None:
    story = german().command(command, 2, group="g", clients=["c", "d"], **({"hold": hold} if hold else {}))
    assert story.result() == {"changed": changed + (hold == "in")}


def test_who_is_pinned_is_passed_over_by_hand() -> None:
    story = german().pin(2, "g", "out").command("add-members", 3, group="g", clients=["c", "d"])
    answer = story.model.answers[-1]
    assert (answer.status, answer.result, answer.passed_over) == ("done", {"changed": 1}, 1)
    story.hand(4, "add-members", "g").hand(5, "remove-members", "g").unpin(6, "g")
    assert story.statuses()[-3:] == ["rejected", "rejected", "done"]
    assert story.groups() == {"g": "rule"}


def test_the_same_from_the_clients_side() -> None:
    story = german().group("h").group("i").pin(2, "g", "out")
    story.command("set-client-groups", 3, client_id="c", groups={"g": True, "h": True, "i": False})
    assert story.groups() == {"h": "manual"}
    assert story.result() == {"changed": 1}
    story.command("set-client-groups", 4, client_id="c", groups={"g": True})
    assert story.statuses()[-1] == "rejected"


def test_who_was_deleted_later_is_passed_over_without_a_refusal() -> None:
    story = Story().group("g").delete(5).hand(2, "add-members", "g")
    assert (story.statuses()[-1], story.result(), story.groups()) == ("done", {"changed": 0}, {})


def test_who_is_pinned_and_was_deleted_later_too_is_refused_as_pinned() -> None:
    story = german().pin(6, "g", "in").delete(4).hand(3, "add-members", "g")
    assert (story.statuses()[-1], story.groups()) == ("rejected", {"g": "pin"})
