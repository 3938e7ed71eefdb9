"""Commands about checks of all clients, and the runs that do them."""

from typing import Annotated

from pydantic import Field

from events.base import Command
from events.fields import GroupId, Id
from events.group_commands import PutGroup
from events.kinds import none_is

SAMPLE_MAX = 100


class StartCheck(Command):
    """Checks all clients against one group, now."""

    group: GroupId


class OfRun(Command):
    """A command about one run."""

    run_id: Id


class ApproveRun(OfRun):
    """Lets the leaves happen that a run holds; each client is checked once more."""


class CancelRun(OfRun):
    """Ends a run that is going or held. What it has done stays."""


class UndoRun(OfRun):
    """Puts back what a run changed, except where somebody changed it since; goes on as a run."""


class RefreshGeoip(Command):
    """Looks all addresses up again; goes on as a run."""


class Preview(PutGroup):
    """Says what a check of all clients would do if the group were so; nothing is written.

    How far it is stands on assignment-runs, as a run of the kind `preview` whose id is that of the command.
    """

    sample: Annotated[Annotated[int, Field(ge=0, le=SAMPLE_MAX)], none_is(10)] = 10
    """How many clients to name of those who would join, and of those who would leave."""
