"""Commands that only read: they are answered in pages, aside from the order of the topic."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from events.base import Command
from events.fields import ClientId, GroupId, Id, MaybeId, MaybeText, MaybeTimestamp
from events.kinds import none_is

LIMIT_MAX = 1_000
LIMIT = 100
"""Rows of a page where none is given."""


class Paged(Command):
    """A command whose answer comes in pages."""

    after: MaybeText = None
    """The `after` of the page before, as it was answered; none: from the start."""
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX), none_is(LIMIT)] = LIMIT
    """Rows of a page."""


class ListGroups(Paged):
    """Lists all groups."""


class ShowGroup(Command):
    """Shows a group's card."""

    group: GroupId


class ListMembers(Paged):
    """Lists the clients that are in a group."""

    group: GroupId


class ShowClient(Command):
    """Shows a client's card: its facts, groups and pins."""

    client_id: ClientId


def _unless_group(client_id: str | None, info: ValidationInfo) -> str | None:
    if client_id is None and info.data.get("group", "wrong") is None:
        raise PydanticCustomError("missing", "is required unless group is given")
    return client_id


class History(Paged):
    """Lists the changes of a client, of a group, or of a client in a group."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["client_id"]}, {"required": ["group"]}]}
    )

    group: MaybeId = None
    client_id: Annotated[MaybeId, AfterValidator(_unless_group), Field(validate_default=True)] = None
    """None only where `group` is given."""


def _past(time: datetime | None, info: ValidationInfo) -> datetime | None:
    if info.data.get("version") is not None and time is not None:
        raise PydanticCustomError("one_of_two", "expected version or at, not both")
    now: datetime | None = (info.context or {}).get("now")
    if time is not None and now is not None and time > now:
        raise PydanticCustomError("in_the_future", "expected a time that is past, this one is to come")
    return time


class Explain(Command):
    """Says why a client is in a group, or is not: now, at a time, or right after one of its changes."""

    client_id: ClientId
    group: GroupId
    version: Annotated[Annotated[int, Field(ge=1)] | None, none_is(None)] = None
    """One of the client's changes."""
    at: Annotated[MaybeTimestamp, AfterValidator(_past)] = None
    """RFC 3339 with an offset, past; not with `version`."""


class GroupHistory(Paged):
    """Lists the definitions that a group had: who changed what."""

    group: GroupId


class ListRuns(Paged):
    """Lists runs: all, or those of a group."""

    group: MaybeId = None


class ShowRun(Command):
    """Shows the progress or the result of a run."""

    run_id: Id
