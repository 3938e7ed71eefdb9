"""Commands that move clients by hand: add, remove, set, pin, unpin."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from events.base import Command
from events.fields import ClientId, GroupId, MaybeTimestamp
from events.suggestions import choice_of

CLIENTS_MAX = 10_000
"""Clients in one command; the command line splits longer lists."""
GROUPS_MAX = 10_000
"""Groups in one command."""
HOLDS = ("in", "out")


def _folded(clients: list[str]) -> list[str]:
    return list(dict.fromkeys(clients))


class OfMembers(Command):
    """A command about clients of one group."""

    group: GroupId
    clients: Annotated[list[ClientId], Field(min_length=1, max_length=CLIENTS_MAX), AfterValidator(_folded)]
    """Each once, in the order given."""


class AddMembers(OfMembers):
    """Puts clients into a group by hand."""


class RemoveMembers(OfMembers):
    """Takes clients out of a group by hand."""


class SetClientGroups(Command):
    """Puts a client into groups and takes it out of others, by hand."""

    client_id: ClientId
    groups: Annotated[dict[GroupId, bool], Field(min_length=1, max_length=GROUPS_MAX)]
    """true: in, false: out; groups that are not named stay as they are."""


def _to_come(time: datetime | None, info: ValidationInfo) -> datetime | None:
    now: datetime | None = (info.context or {}).get("now")
    if time is not None and now is not None and time <= now:
        raise PydanticCustomError("expired", "expected a time to come, this one is past")
    return time


class Pin(OfMembers):
    """Holds clients in a group or out of it, whatever the rules say."""

    hold: Annotated[str, choice_of("code", *HOLDS)]
    expires_at: Annotated[MaybeTimestamp, AfterValidator(_to_come)] = None
    """RFC 3339 with an offset, to come; none: until `unpin`."""


class Unpin(OfMembers):
    """Ends pins: what would be without them returns."""
