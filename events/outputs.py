"""What the worker says: the models, one source for the schemas. How they become bytes: `events.encode`."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from events.groups import Group


def time_text(time: datetime) -> str:
    """RFC 3339 in UTC, always with six digits and Z: texts sort as times do. The time needs an offset."""
    if time.tzinfo is None:
        raise ValueError("a time without an offset says nothing")
    if time.tzinfo is not UTC:
        time = time.astimezone(UTC)
    # Every change carries two of these: orjson writes one in a third of isoformat's time.
    text = orjson.dumps(time, option=orjson.OPT_UTC_Z)
    return (text[1:-1] if time.microsecond else text[1:-2] + b".000000Z").decode()


def _is_none(value: object) -> bool:
    return value is None


Time = Annotated[
    datetime,
    PlainSerializer(time_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
WherePresent = Field(default=None, exclude_if=_is_none)
"""Left out where there is none."""

Change = Literal["joined", "left"]
Source = Literal["rule", "manual", "pin"]
Moment = Literal[
    "registration",
    "change",
    "schedule",
    "forced",
    "manual",
    "pin",
    "undo",
    "client_deleted",
    "group_deleted",
]
Status = Literal["done", "accepted", "rejected"]
RunKind = Literal["schedule", "forced", "undo", "members", "delete", "geoip", "owed", "preview"]
RunState = Literal["running", "held", "done", "cancelled", "failed"]


class Output(BaseModel):
    """A value that the worker emits. Readers must expect further fields."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={"additionalProperties": True},
    )


class MembershipChanged(Output):
    """A client joined or left a group."""

    client_id: str
    group: str
    change: Change
    version: int = Field(ge=1)
    """1, 2, 3 ... for each client, without a gap."""
    source: Source
    moment: Moment
    changed_at: Time
    cause: str
    """`topic/partition/offset` of the record that led to it, or `run/<run_id>`."""
    actor: str | None = WherePresent
    reason: str | None = WherePresent
    run_id: str | None = WherePresent


class Membership(Output):
    """How and since when a client is in a group."""

    source: Source
    since: Time


class ClientMemberships(Output):
    """All groups that a client is in. A tombstone stands for a deleted client."""

    client_id: str
    version: int = Field(ge=0)
    """Of its last change."""
    groups: dict[str, Membership]


class Problem(Output):
    """An error or a warning."""

    code: str
    path: str
    """As `conditions[1].value`; empty for the command as a whole."""
    message: str


class GroupCommandResult(Output):
    """The answer to a command."""

    command_id: str
    """The command's `id`, else `topic/partition/offset`."""
    command: str | None
    group: str | None = WherePresent
    status: Status
    errors: list[Problem] = []
    warnings: list[Problem] = []
    result: dict[str, Any] | None = WherePresent
    run_id: str | None = WherePresent
    cause: str
    """`topic/partition/offset` of the command's record."""


class Reference(Output):
    """Something that refers to a group."""

    kind: str
    ref_id: str
    title: str | None = WherePresent


class ClientGroup(Group):
    """A group as it is now. A tombstone stands for a deleted one."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": True})

    version: int = Field(ge=1)
    updated_at: Time
    updated_by: str
    used_by: list[Reference]

    @staticmethod
    def of(
        group: Group,
        *,
        version: int,
        updated_at: datetime,
        updated_by: str,
        used_by: Iterable[Reference] = (),
    ) -> "ClientGroup":
        """The group as readers need it: with `upon_change` as it is in force, never null."""
        automatic = group.auto_assignment
        fields = {name: getattr(group, name) for name in Group.model_fields}
        fields["auto_assignment"] = automatic.model_copy(update={"upon_change": automatic.checks_upon_change})
        return ClientGroup.model_construct(
            **fields,
            version=version,
            updated_at=updated_at,
            updated_by=updated_by,
            used_by=list(used_by),
        )


class HeldLeaves(Output):
    """The leaves of one group that wait for an operator."""

    to_leave: int = Field(ge=0)
    members: int = Field(ge=0)
    """How many the group had when they were counted."""
    sample: list[str]
    """The first of those who are to leave, by id."""


class AssignmentRun(Output):
    """Progress or result of a run."""

    run_id: str
    """Of a preview: the `command_id` of its command."""
    groups: list[str]
    kind: RunKind
    """`preview` changes nothing: it is told of here only, and what it finds is in its command's answer."""
    state: RunState
    checked: int = Field(ge=0)
    """Clients, of `total`."""
    total: int = Field(ge=0)
    joined: int = Field(ge=0)
    left: int = Field(ge=0)
    to_leave: int = Field(ge=0)
    """Leaves that are collected and not applied."""
    held: dict[str, HeldLeaves] | None = WherePresent
    """By group, what `approve-run` lets happen."""
    dropped: dict[str, str] | None = WherePresent
    """Groups that the run does not check any more, and why."""
    skipped: dict[str, int] | None = WherePresent
    """Why -> how many memberships were left as they are."""
    started_at: Time
    finished_at: Time | None = WherePresent
    actor: str | None = WherePresent
    reason: str | None = WherePresent
