"""The plain model itself, in tables: it judges the product, so its own words must be right."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.model_story import COMPANY, DE, Story


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
