"""What `explain` and `group-history` answer."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from events.conditions import Condition
from events.outputs import MembershipChanged, Output, Source, Time, WherePresent

Moment = Literal["registration", "change", "schedule", "pin"]


class ExplainedCondition(Condition):
    """A condition, and what came of it."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": True})

    verdict: Literal["met", "not_met", "unknown"]
    fact: str | list[str] | None
    """What it read: a text; for payers and verification methods all that count; null: none, or unknown."""
    said_at: Time | None = WherePresent
    """When the fact came to be so, by the time of the record that said so."""
    cause: str | None = WherePresent
    """`topic/partition/offset` of that record."""
    geoip_build: Time | None = WherePresent
    """Of the database in which the address was looked up."""
    not_kept: bool = Field(default=False, exclude_if=lambda value: not value)
    """The fact is unknown now as it was not kept."""


class WouldDiffer(Output):
    """A fact as it would have to be for another verdict."""

    fact: str
    """`country`, `geoip_country`, `request_parameter`, `payers`, `provider`, `authorization_method` or
    `verifications`."""
    parameter: str | None = WherePresent
    """The name of the request parameter."""
    value: str | list[str] | None
    """A text, or all active payers or passed methods; null: none."""
    inactive: list[str] | None = WherePresent
    """Payers that are not active."""


class DecidedBy(Output):
    """What decided beyond the rules."""

    code: str
    """Stable; `docs/explain.md` lists them."""
    message: str
    actor: str | None = WherePresent
    reason: str | None = WherePresent
    run_id: str | None = WherePresent


class Check(Output):
    """A check that looks again."""

    moment: Moment
    """`pin`: when it expires."""
    at: Time | None = WherePresent
    """When; missing: at the next event of that kind."""
    facts: list[str] | None = WherePresent
    """Upon a change of any of these."""


class Explanation(Output):
    """Why a client is in a group, or is not."""

    client_id: str
    group: str
    member: bool
    source: Source | None
    since: Time | None
    verdict: Literal["match", "no_match", "unknown"]
    """What the conditions say of the facts."""
    conditions: list[ExplainedCondition]
    would_differ: list[WouldDiffer]
    """With these facts the verdict would be the opposite; the fewest that were found. Empty: none were."""
    decided_by: DecidedBy | None
    """Null: the rules alone."""
    checks: list[Check]
    """That will look again; empty for the past."""
    change: MembershipChanged | None = WherePresent
    """The last join or leave of the client in the group, up to then."""
    version: int = Field(ge=0)
    """Of the client's last change up to then, in any group."""
    at: Time
    """The moment that is explained."""
    group_version: int = Field(ge=0)
    """Of the group's definition then."""


class Difference(Output):
    """A field of a group that became another."""

    path: str
    """As `auto_assignment.exclude`. For `conditions` only those that went, and those that came."""
    before: Any
    after: Any


class GroupVersion(Output):
    """A definition that a group had."""

    version: int = Field(ge=1)
    change: Literal["created", "changed", "deleted"]
    changed_at: Time
    actor: str
    reason: str | None = WherePresent
    cause: str
    """`topic/partition/offset` of the command."""
    differences: list[Difference]
    """From the one before; of one that was created from a group with all at its default."""


class GroupVersionsPage(Output):
    """The definitions of a group, the newest first."""

    versions: list[GroupVersion]
    after: str | None = WherePresent
    """To be given with the next command, where there is more."""
