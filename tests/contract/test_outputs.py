"""contracts.md, *Outputs*: the fields, the times, the headers; the fast encoders say what the models say."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import encode
from events.groups import Group
from events.outputs import (
    AssignmentRun,
    Change,
    ClientGroup,
    ClientMemberships,
    GroupCommandResult,
    Membership,
    MembershipChanged,
    Moment,
    Problem,
    Reference,
    Source,
    time_text,
)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
times = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])).filter(
    lambda time: datetime.min.replace(tzinfo=UTC) + timedelta(days=1) < time
)
changes = st.fixed_dictionaries(
    {
        "client_id": texts,
        "group": texts,
        "change": st.sampled_from(get_args(Change)),
        "version": st.integers(1, 2**62),
        "source": st.sampled_from(get_args(Source)),
        "moment": st.sampled_from(get_args(Moment)),
        "changed_at": times,
        "cause": texts,
        "actor": st.none() | texts,
        "reason": st.none() | texts,
        "run_id": st.none() | texts,
    }
)


@given(changes)
def test_a_change_is_encoded_as_its_model_says(change: dict[str, Any]) -> None:
    assert encode.encode_membership_changed(**change) == encode.encode(MembershipChanged(**change))


@given(
    texts,
    st.integers(0, 2**62),
    st.dictionaries(texts, st.tuples(st.sampled_from(get_args(Source)), times), max_size=5),
)
def test_memberships_are_encoded_as_their_model_says(
    client_id: str, version: int, groups: dict[str, tuple[Source, datetime]]
) -> None:
    model = ClientMemberships(
        client_id=client_id,
        version=version,
        groups={name: Membership(source=source, since=since) for name, (source, since) in groups.items()},
    )
    assert encode.encode_client_memberships(
        client_id=client_id, version=version, groups=groups
    ) == encode.encode(model)


def test_what_there_is_not_is_left_out() -> None:
    change = encode.encode_membership_changed(
        client_id="1",
        group="g",
        change="joined",
        version=1,
        source="rule",
        moment="registration",
        changed_at=datetime(2026, 11, 22, tzinfo=UTC),
        cause="client-registered/0/0",
    )
    assert json.loads(change) == {
        "client_id": "1",
        "group": "g",
        "change": "joined",
        "version": 1,
        "source": "rule",
        "moment": "registration",
        "changed_at": "2026-11-22T00:00:00.000000Z",
        "cause": "client-registered/0/0",
    }


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (datetime(2026, 11, 22, 10, 15, tzinfo=UTC), "2026-11-22T10:15:00.000000Z"),
        (datetime(2026, 11, 22, 10, 15, 0, 7, tzinfo=UTC), "2026-11-22T10:15:00.000007Z"),
        (datetime(2026, 11, 22, 1, 15, tzinfo=timezone(timedelta(hours=2))), "2026-11-21T23:15:00.000000Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_times_are_utc_with_microseconds(time: datetime, text: str) -> None:
    assert time_text(time) == text


def test_a_time_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        time_text(datetime(2026, 11, 22))  # noqa: DTZ001 - that is what is tested


def test_an_answer() -> None:
    rejected = GroupCommandResult(
        command_id="1",
        command=None,
        status="rejected",
        errors=[Problem(code="missing", path="command", message="is required")],
        cause="group-commands/0/5",
    )
    assert json.loads(encode.encode(rejected)) == {
        "command_id": "1",
        "command": None,
        "status": "rejected",
        "errors": [{"code": "missing", "path": "command", "message": "is required"}],
        "warnings": [],
        "cause": "group-commands/0/5",
    }
    done = rejected.model_copy(update={"result": {"decided_by": None}, "run_id": "7", "group": "g"})
    assert (
        json.loads(encode.encode(done)).items()
        >= {
            "result": {"decided_by": None},
            "run_id": "7",
            "group": "g",
        }.items()
    )


def test_a_published_group_says_what_is_in_force() -> None:
    group = Group.model_validate(
        {
            "group": "g",
            "name": "n",
            "currency_rates": {"EUR/USD": "1.080"},
            "auto_assignment": {"upon_registration": True, "hold_leaves_over": None},
            "conditions": [{"condition_group": 1, "type": "country", "comparison": "equals", "value": "DE"}],
        }
    )
    published = ClientGroup.of(
        group,
        version=2,
        updated_at=datetime(2026, 11, 22, tzinfo=UTC),
        updated_by="anna",
        used_by=[Reference(kind="tariff", ref_id="12")],
    )
    value = json.loads(encode.encode(published))
    assert value["auto_assignment"]["upon_change"] is True
    assert value["auto_assignment"]["hold_leaves_over"] is None
    assert value["currency_rates"] == {"EUR/USD": "1.080"}
    assert value["used_by"] == [{"kind": "tariff", "ref_id": "12"}]
    assert (value["version"], value["updated_by"]) == (2, "anna")
    assert value["updated_at"] == "2026-11-22T00:00:00.000000Z"
    assert Group.model_validate(value).conditions == group.conditions


def test_a_run() -> None:
    began = datetime(2026, 11, 22, 3, tzinfo=UTC)
    run = AssignmentRun(
        run_id="1",
        groups=["g"],
        kind="forced",
        state="running",
        checked=0,
        total=10,
        joined=0,
        left=0,
        to_leave=0,
        started_at=began,
    )
    assert "finished_at" not in json.loads(encode.encode(run))
    assert b'"started_at":"2026-11-22T03:00:00.000000Z"' in encode.encode(run)
