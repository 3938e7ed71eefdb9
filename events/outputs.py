"""What the worker says: the models (one source for the schemas). How they are encoded: `events.encode`."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Output(BaseModel):
    """A value that the worker emits."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class MembershipChanged(Output):
    """A client joined or left a group."""

    client_id: str
    group: str
    change: Literal["joined", "left"]
    version: int = Field(ge=1)
    """1, 2, 3 ... for each client, without a gap."""
    source: Source
    moment: Moment
    changed_at: datetime
    cause: str
    """`topic/partition/offset` of the record that led to it, or `run/<run_id>`."""
    actor: str | None = None
    reason: str | None = None
    run_id: str | None = None


class Membership(Output):
    """How and since when a client is in a group."""

    source: Source
    since: datetime


class ClientMemberships(Output):
    """All groups that a client is in. A tombstone stands for a deleted client."""

    client_id: str
    version: int = Field(ge=0)
    groups: dict[str, Membership]


class Problem(Output):
    """An error or a warning."""

    code: str
    path: str
    message: str


class GroupCommandResult(Output):
    """The answer to a command."""

    command_id: str
    command: str | None
    group: str | None = None
    status: Literal["done", "accepted", "rejected"]
    errors: list[Problem] = []
    warnings: list[Problem] = []
    result: dict[str, Any] | None = None
    run_id: str | None = None
    cause: str


class ClientGroup(Output):
    """A group as it is now. A tombstone stands for a deleted one."""

    model_config = ConfigDict(frozen=True, extra="allow")
    group: str


class AssignmentRun(Output):
    """Progress or result of a run."""

    run_id: str
    groups: list[str]
    kind: Literal["schedule", "forced", "undo", "members", "delete", "geoip", "owed"]
    state: Literal["running", "held", "done", "cancelled", "failed"]
    checked: int = Field(ge=0)
    total: int = Field(ge=0)
    joined: int = Field(ge=0)
    left: int = Field(ge=0)
    to_leave: int = Field(ge=0)
    started_at: datetime
    finished_at: datetime | None = None
    actor: str | None = None
    reason: str | None = None
