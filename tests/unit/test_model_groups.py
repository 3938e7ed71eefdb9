"""The plain model's groups: put, changed, deleted; what providers offer; references."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.model_published import Ledger, client_group, client_groups, client_memberships, deleted
from tests.support.model_story import DE, Story

ON: dict[str, Any] = {"upon_registration": True, "exclude": True}


def auto(story: Story) -> dict[str, Any]:
    found: dict[str, Any] = client_group(story.model, "g")["auto_assignment"]
    return found


def test_what_is_missing_in_a_change_stays() -> None:
    story = Story().group("g", DE, hold_leaves_over={"percent": 5})
    story.command("change-group", group="g", description="d", auto_assignment={"keep_manual": True})
    group = client_group(story.model, "g")
    assert (group["name"], group["description"], group["version"]) == ("g", "d", 2)
    assert group["conditions"] == [{**DE, "condition_group": 1, "comparison": "equals"}]
    assert auto(story) == {
        "upon_registration": True,
        "upon_change": True,
        "periodic": False,
        "schedule": None,
        "timezone": "UTC",
        "exclude": True,
        "keep_manual": True,
        "hold_leaves_over": {"percent": 5, "count": 100},
    }
    assert story.result() == {"version": 2, "changed": True}


@pytest.mark.parametrize(
    ("before", "change", "held"),
    [
        ({}, {}, {"percent": 10, "count": 100}),
        (None, {}, {"percent": 10, "count": 100}),
        ({"percent": 1, "count": 2}, {"count": 3}, {"percent": 1, "count": 3}),
        ({"percent": 1, "count": 2}, {"count": None}, {"percent": 1, "count": 100}),
        ({"percent": 1, "count": 2}, None, None),
    ],
)
def test_hold_leaves_over_is_changed_field_by_field(before: Any, change: Any, held: Any) -> None:
    story = Story().group("g", DE, hold_leaves_over=before)
    story.command("change-group", group="g", auto_assignment={"hold_leaves_over": change})
    assert auto(story)["hold_leaves_over"] == held


def test_nothing_said_or_nothing_new_is_no_new_version() -> None:
    story = Story().group("g", DE)
    story.command("change-group", group="g").command("change-group", group="g", description="")
    assert story.result() == {"version": 1, "changed": False}


def test_a_change_gives_defaults_where_it_says_none() -> None:
    story = Story().group("g", DE).command("change-group", group="g", auto_assignment=None, conditions="")
    assert client_group(story.model, "g")["conditions"] == []
    assert not any(auto(story)[name] for name in ("upon_registration", "upon_change", "exclude"))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("change-group", {"group": "nobody"}),
        ("change-group", {"group": "g", "name": ""}),
        ("change-group", {"group": "g", "auto_assignment": {"periodic": True}}),
        ("change-group", {"group": "g", "if_version": 2}),
        ("change-group", {"group": "g", "if_version": 0}),
        ("put-group", {"group": "new", "name": "n", "auto_assignment": {"periodic": True}}),
        ("put-group", {"group": "new", "name": "n", "if_version": 1}),
        ("put-group", {"group": "g", "name": "n", "if_version": 0}),
        ("put-group", {"group": "new", "name": "n", "auto_assignment": {"schedule": "0 3 * *"}}),
        ("put-group", {"group": "new", "name": "n", "auto_assignment": {"timezone": "Mars/Base"}}),
        ("put-group", {"group": "new", "name": "n", "currency_rates": {"EUR/EUR": "1"}}),
        ("put-group", {"group": "new", "name": "n", "currency_rates": {"EUR/USD": "-1"}}),
        ("put-group", {"group": "new", "name": " "}),
        ("put-group", {"group": "new", "name": "n", "conditions": [{"type": "country"}]}),
        ("delete-group", {"group": "nobody"}),
        ("delete-group", {"group": "g", "force": "yes"}),
        ("add-members", {"group": "nobody", "clients": ["c"]}),
        ("add-members", {"group": "g", "clients": []}),
        ("set-client-groups", {"client_id": "c", "groups": {"g": True, "nobody": False}}),
        ("set-client-groups", {"client_id": "c", "groups": {}}),
        ("set-client-groups", {"client_id": "c", "groups": {"g": "true"}}),
        ("pin", {"group": "nobody", "clients": ["c"], "hold": "in"}),
        ("pin", {"group": "g", "clients": ["c"]}),
        ("pin", {"group": "g", "clients": ["c"], "hold": "in", "expires_at": "tomorrow"}),
        ("unpin", {"group": "g"}),
    ],
)
def test_what_is_rejected_changes_nothing(command: str, said: dict[str, Any]) -> None:
    story = Story().group("g", DE).command(command, **said)
    assert story.statuses() == ["done", "rejected"]
    assert client_groups(story.model).keys() == {"g"}
    assert story.model.groups["g"].version == 1
    assert not story.model.moves


PROVIDER = {"type": "provider", "comparison": "none_of", "value": ["p"]}
METHOD = {"type": "authorization_method", "comparison": "not_equals", "value": "GitLab"}


@pytest.mark.parametrize(
    ("story", "condition", "status"),
    [
        (Story(), PROVIDER, "rejected"),
        (Story().provider(1, "p"), PROVIDER, "done"),
        (Story().provider(1, "q"), PROVIDER, "rejected"),
        (Story().provider(1, "p", active=False), PROVIDER, "rejected"),
        (Story().provider(2, "p").provider(1, "p", active=False), PROVIDER, "done"),
        (Story().provider(1, "p"), {**PROVIDER, "value": ["p", "q"]}, "rejected"),
        (Story(), METHOD, "rejected"),
        (Story().provider(1, "p", "gitlab", "phone"), METHOD, "done"),
        (Story().provider(1, "p", "gitlab", active=False).provider(1, "q", "phone"), METHOD, "rejected"),
    ],
)
def test_conditions_name_active_providers_and_what_they_offer(
    story: Story, condition: dict[str, Any], status: str
) -> None:
    assert story.group("g", condition).statuses() == [status]


def test_what_was_there_before_may_stay_and_is_new_again_once_gone() -> None:
    story = Story().provider(1, "p").group("g", PROVIDER).provider(2, "p", active=False)
    story.group("g", {**PROVIDER, "comparison": "one_of"}, exclude=False)
    story.group("other", PROVIDER)
    story.command("change-group", group="g", conditions=[]).group("g", PROVIDER)
    assert story.statuses() == ["done", "done", "rejected", "done", "rejected"]


def test_a_deleted_group_takes_its_members_conditions_and_pins_along() -> None:
    story = Story().group("g", DE).group("h").register(1, country="DE").pin(2, "h", "in").pin(2, "g", "out")
    story.command("delete-group", 3, group="g").command("delete-group", 3, group="h")
    assert story.groups() == {}
    assert story.moves()[-1] == ("left", "group_deleted", "group-commands")
    story.group("g", DE)
    assert story.groups() == {}
    assert story.model.groups["g"].version == 2
    assert story.model.clients["c"].pins == {}


def test_a_deleted_group_counts_as_not_there() -> None:
    story = Story().group("g", DE).command("delete-group", group="g")
    story.command("put-group", group="g", name="g", if_version=1)
    story.command("put-group", group="g", name="g", if_version=0)
    assert story.statuses() == ["done", "done", "rejected", "done"]
    assert story.result() == {"version": 2, "changed": True}


def test_a_used_group_is_deleted_only_by_force_and_its_references_stay() -> None:
    story = Story().used(2, "g").group("g", DE).used(1, "g", used=False)
    story.command("delete-group", group="g").command("delete-group", group="g", force=True).group("g")
    assert story.statuses() == ["done", "rejected", "done", "done"]
    assert client_group(story.model, "g")["used_by"] == [{"kind": "tariff", "ref_id": "7"}]
    story.used(3, "g", used=False).command("delete-group", group="g")
    assert story.statuses()[-1] == "done"


def test_an_id_that_was_done_is_answered_again_and_one_that_was_rejected_is_tried_again() -> None:
    story = Story().command("add-members", id="a", group="g", clients=["c"]).group("g")
    story.command("add-members", id="a", group="g", clients=["c"])
    story.command("remove-members", id="b", group="g", clients=["c"])
    story.command("add-members", id="a", group="g", clients=["c"])
    assert story.statuses() == ["rejected", "done", "done", "done", "done"]
    assert story.result() == {"changed": 1}
    assert story.groups() == {}


def test_client_memberships_has_a_version_for_each_change_and_ends_with_the_client() -> None:
    story = Story().group("g", DE)
    ledger = Ledger(story.model)
    story.register(1, country="DE").hand(2, "add-members", "g")
    changes, published = ledger.close()
    assert [(one.change, one.sources) for one in changes] == [("joined", frozenset({"manual"}))]
    assert published == {"c"}
    assert client_memberships(story.model, ledger.versions) == {"c": (1, {"g": "manual"})}
    story.change(3, country="FR").register(4, country="DE")
    assert ledger.close() == ([], {"c"})
    story.delete(5)
    assert [one.change for one in ledger.close()[0]] == ["left"]
    assert client_memberships(story.model, ledger.versions) == {}
    assert deleted(story.model) == {"c"}


def test_a_command_ahead_of_the_clock_is_rejected_and_no_dead_letter() -> None:
    story = Story().clock(0).command("put-group", 6, group="g", name="g")
    assert story.statuses() == ["rejected"]
    assert not story.model.dead
