"""What `result` of an answer holds, for each command. Readers must expect further fields."""

from collections.abc import Mapping

from pydantic import Field

from events.explanations import Explanation, GroupVersionsPage
from events.outputs import (
    AssignmentRun,
    ClientGroup,
    Membership,
    MembershipChanged,
    Output,
    Time,
    WherePresent,
)


class GroupStored(Output):
    """A group was put or changed."""

    version: int = Field(ge=1)
    changed: bool
    """False: it was so already, and the version is the old one."""


class GroupDeleted(Output):
    """A group was deleted."""

    left: int = Field(ge=0)
    """How many members left."""


class MembershipsMoved(Output):
    """Clients were moved by hand or by a pin."""

    changed: int = Field(ge=0)
    """How many memberships."""


class RunEnded(Output):
    """A run was cancelled."""

    run_id: str
    state: str


class PreviewSample(Output):
    """Some of those whom a check would move, by id: half are the first, half are drawn from the others."""

    join: list[str]
    leave: list[str]


class Previewed(Output):
    """What a check of all clients would do if the group were so."""

    as_of: Time
    """All of it is as it was at this moment."""
    total: int = Field(ge=0)
    """Registered clients: those that would be checked."""
    would_join: int = Field(ge=0)
    would_leave: int = Field(ge=0)
    would_be_held: bool
    """Those are more than `hold_leaves_over` lets leave without an operator."""
    would_stay: int = Field(ge=0)
    """Members who would be members still, whatever keeps them: with `would_leave`, all there are."""
    unknown: int = Field(ge=0)
    """For how many of `total` it cannot be said whether they match: they neither join nor leave."""
    sample: PreviewSample


class PinsMoved(MembershipsMoved):
    """Pins were laid or taken away."""

    pins: int = Field(ge=0)
    """How many are others now, or gone."""


class GroupSummary(Output):
    """A group in the list of all."""

    group: str
    name: str
    version: int = Field(ge=1)
    updated_at: Time
    updated_by: str
    upon_registration: bool
    upon_change: bool
    periodic: bool
    conditions: int = Field(ge=0)
    """How many."""
    members: int = Field(ge=0)
    """How many clients are in it."""
    used_by: int = Field(ge=0)
    """How many refer to it."""
    warnings: int = Field(ge=0)
    """How much its conditions name that no active provider is or has; show-group says what."""


class Page(Output):
    """A part of a list."""

    after: str | None = WherePresent
    """To be given with the next command, where there is more."""


class GroupsPage(Page):
    """Groups, by id."""

    groups: list[GroupSummary]


class MembersPage(Page):
    """Clients that are in a group, by id."""

    clients: list[str]
    memberships: dict[str, Membership]
    """How and since when each of `clients` is in it."""


class ChangesPage(Page):
    """Changes, the newest first."""

    changes: list[MembershipChanged]


class RunsPage(Page):
    """Runs, the newest first."""

    runs: list[AssignmentRun]


class GroupCard(ClientGroup):
    """A group as on client-groups, and how many it holds."""

    members: int = Field(ge=0)
    """How many clients are in it."""
    unknown: int = Field(ge=0)
    """For how many clients it cannot be said whether they match; at least, where a warning says so."""

    @staticmethod
    def showing(group: ClientGroup, *, members: int, unknown: int) -> "GroupCard":
        """The card of a group."""
        fields = {name: getattr(group, name) for name in ClientGroup.model_fields}
        return GroupCard.model_construct(**fields, members=members, unknown=unknown)


class KnownPayer(Output):
    """A payer as it is now."""

    payer_id: str
    status: str
    active: bool
    changed_at: Time


class KnownVerification(Output):
    """What holds for one way of verification."""

    method: str
    result: str
    """`passed` stays so whatever failed later; `revoked` takes it back."""
    completed_at: Time
    """When it came to this result."""


class Facts(Output):
    """What is known of a client, as in the inputs."""

    registered_at: Time | None = None
    country: str | None = None
    ip: str | None = None
    geoip_country: str | None = None
    """Of `ip`; none also where it was not found, or not looked up yet."""
    geoip_build: Time | None = WherePresent
    """Of the database that was asked; missing: not looked up yet."""
    provider_id: str | None = None
    authorization_method: str | None = None
    request_parameters: dict[str, str] = Field(default_factory=dict)
    payers: list[KnownPayer] = Field(default_factory=list)
    verifications: list[KnownVerification] = Field(default_factory=list)


class ActivePin(Output):
    """A client is held in a group or out of it."""

    hold: str
    """`in` or `out`."""
    since: Time
    expires_at: Time | None = None
    """None: until `unpin`."""
    actor: str
    reason: str | None = WherePresent


class ClientCard(Output):
    """A client, and where it is."""

    client_id: str
    registered: bool
    version: int = Field(ge=0)
    """Of its last change."""
    facts: Facts
    groups: dict[str, Membership]
    pins: dict[str, ActivePin]
    """By group."""


class DeadLettersReplayed(Output):
    """Dead letters were put back."""

    replayed: int = Field(ge=0)


class SnapshotPublished(Output):
    """What is published anew."""

    groups: int = Field(ge=0)
    clients: int = Field(ge=0)


Result = Output | ClientGroup
RESULTS: Mapping[str, type[Result]] = {
    "put-group": GroupStored,
    "change-group": GroupStored,
    "delete-group": GroupDeleted,
    "add-members": MembershipsMoved,
    "remove-members": MembershipsMoved,
    "set-client-groups": MembershipsMoved,
    "pin": PinsMoved,
    "unpin": PinsMoved,
    "cancel-run": RunEnded,
    "preview": Previewed,
    "list-groups": GroupsPage,
    "show-group": GroupCard,
    "list-members": MembersPage,
    "show-client": ClientCard,
    "history": ChangesPage,
    "explain": Explanation,
    "group-history": GroupVersionsPage,
    "list-runs": RunsPage,
    "show-run": AssignmentRun,
    "replay-dead-letters": DeadLettersReplayed,
    "snapshot": SnapshotPublished,
}
"""What `result` is where `status` is `done`."""
