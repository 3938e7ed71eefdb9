"""A locked client within one transaction: what becomes of it, and what of that is to be written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from db.clients import Client, Membership, Pin
from db.evidence import PastFacts
from db.log import HistoryRow
from db.net import Net
from db.owed import Owed
from rules.model import Moment, Source
from workers.membership.past import erased, history_of, past_facts, past_pins

if TYPE_CHECKING:
    from workers.membership.folding import Effect


_OWED: Final = frozenset({Moment.REGISTRATION, Moment.CHANGE, Moment.SCHEDULE, Moment.FORCED})


class Cause(NamedTuple):
    """Why memberships change, as it goes into the history."""

    moment: Moment
    cause: str
    """topic/partition/offset of the record that decided, or run/<run_id>."""
    at: datetime
    """The worker's clock: when the decision was taken."""
    traceparent: str | None = None
    actor: str | None = None
    reason: str | None = None
    run_id: str | None = None


@dataclass(slots=True)
class Touched:
    """A locked client, and what became of it since."""

    client: Client
    memberships_before: dict[str, Membership] = field(init=False)
    """Without pins."""
    in_force_before: dict[str, Membership] = field(init=False)
    """With them."""
    causes: dict[str, Cause] = field(default_factory=dict)
    """Group -> what decided last about its membership."""
    decided_after: dict[str, int] = field(default_factory=dict)
    """Group -> how many states of the facts had ended when that was decided."""
    past: list[PastFacts] = field(default_factory=list)
    """The states of the facts that ended here."""
    pins_before: dict[str, Pin] = field(init=False)
    moved: bool = False
    """Something was done to the memberships; it may have been undone."""
    row: bool = False
    deleted: bool = False
    payers: Set[str] = frozenset()
    verifications: Set[str] = frozenset()
    pins: Set[str] = frozenset()
    """Groups whose pin is another one now, or gone."""

    def __post_init__(self) -> None:
        """Keep how it was."""
        self.memberships_before = dict(self.client.memberships)
        self.in_force_before = (
            self.client.memberships_in_force if self.client.pins else self.memberships_before
        )
        self.pins_before = dict(self.client.pins)

    owed: dict[str, Cause] = field(default_factory=dict)
    """Group -> the check that could not be decided, as the address could not be looked up."""
    settled: Set[str] = frozenset()
    """Groups about which something was said by hand: no older check stands above it."""

    def join(self, group: str, source: Source, said_at: datetime, cause: Cause) -> None:
        """Put the client into a group it is not in; back by rule into one just left: as if it stayed."""
        membership = self.memberships_before.get(group)
        was_so = membership is not None and source is Source.RULE and membership.source == source
        if (
            membership is None
            or not was_so
            or not (group in self.client.pins or group in self.in_force_before)
        ):
            membership = Membership(source.value, cause.at, said_at, cause.cause, cause.actor, cause.reason)
        self.client.memberships[group] = membership
        self._decide(group, cause)
        self.moved = True

    def leave(self, group: str, cause: Cause) -> None:
        """Take the client out of a group it is in."""
        del self.client.memberships[group]
        self._decide(group, cause)
        self.moved = True

    def pin(self, group: str, pin: Pin, cause: Cause) -> None:
        """Hold the client in or out of a group; takes the place of a pin that is there."""
        self.client.pins[group] = pin
        self.pins |= {group}
        self.settled |= {group}
        self._decide(group, cause)
        self.moved = True

    def held_in(self, group: str, said_at: datetime, cause: Cause) -> Membership:
        """The membership by which a pin holds the client in: since it is in, if it is."""
        now = self.client.memberships_in_force.get(group)
        since = cause.at if now is None else now.since
        return Membership(Source.PIN.value, since, said_at, cause.cause, cause.actor, cause.reason)

    def unpin(self, group: str, cause: Cause) -> None:
        """Take a pin away; what is beneath it counts again."""
        del self.client.pins[group]
        membership = self.client.memberships.get(group)
        if membership is not None and membership.source == Source.RULE:
            # Of one beneath a pin nothing is kept but that it is there.
            self.client.memberships[group] = Membership(
                Source.RULE.value, None, cause.at, cause.cause, cause.actor, cause.reason
            )
        self.pins |= {group}
        self.settled |= {group}
        self._decide(group, cause)
        self.moved = True

    def drain(self, group: str, cause: Cause) -> None:
        """Take away all that ties the client to a group."""
        if group in self.client.pins:
            self.unpin(group, cause)
        if group in self.client.memberships:
            self.leave(group, cause)

    def _decide(self, group: str, cause: Cause) -> None:
        self.causes[group] = cause
        self.decided_after[group] = len(self.past)

    def facts_ended(self, before: Client, at: datetime) -> None:
        """Keep the facts as they were before they changed, of a registered client (`db.evidence.as_it_is`).

        To be called for each change of what rules can read, before anything is decided by the new facts.
        """
        self.past.append(PastFacts(before.client_id, before, at, self.client.version))

    def facts_erased(self, at: datetime) -> None:
        """Forget all past facts: the client was deleted, and what was decided so far was so by them."""
        self.past = [PastFacts(self.client.client_id, None, at, self.client.version)]
        self.decided_after = dict.fromkeys(self.causes, 0)

    def source(self, group: str) -> str | None:
        """By what the client is in a group now, pins counted; None where it is not in it."""
        membership = self.client.memberships_in_force.get(group)
        return membership and membership.source

    def said_memberships(self) -> list[tuple[str, Membership]]:
        """The memberships in force that are not as they were: joined, or said by another source or anew."""
        before = self.in_force_before
        return [
            # One whose time of joining was not read is there, and keeps it; or it comes from beneath a pin.
            (group, now if now.since is not None else now._replace(since=self.causes[group].at))
            for group, now in self.client.memberships_in_force.items()
            if now is not before.get(group)
        ]

    def said_pins(self) -> Iterator[str]:
        """The groups of pins that are not as they were, or have something else beneath them."""
        for group in self.client.pins:
            if group in self.pins or self.client.memberships.get(group) is not self.memberships_before.get(
                group
            ):
                yield group

    def put_in(self, group: str, said_at: datetime, cause: Cause) -> None:
        """Put the client into a group by hand (mission M1-M3).

        A member by rule becomes one by hand; one by hand is so as of the newest time it was said.
        """
        self.settled |= {group}
        membership = self.client.memberships.get(group)
        if membership is None:
            self.join(group, Source.MANUAL, said_at, cause)
        elif membership.source != Source.MANUAL or said_at > membership.source_at:
            # Said again later, it outlives a deletion as of a time in between.
            self.client.memberships[group] = Membership(
                Source.MANUAL.value, membership.since, said_at, cause.cause, cause.actor, cause.reason
            )
            self._decide(group, cause)
            self.moved = True

    def take_out(self, group: str, cause: Cause) -> None:
        """Take the client out of a group by hand."""
        self.settled |= {group}
        if group in self.client.memberships:
            self.leave(group, cause)

    def was_deleted_after(self, said_at: datetime) -> bool:
        """Whether what was said then is ignored, since the client was deleted later."""
        deleted_at = self.client.deleted_at
        return deleted_at is not None and said_at <= deleted_at

    def note(self, effect: Effect) -> None:
        """Remember what is to be written of the facts."""
        self.row = self.row or effect.row
        self.deleted = self.deleted or effect.deleted
        if effect.payers:
            self.payers |= effect.payers
        if effect.verifications:
            self.verifications |= effect.verifications

    def owe(self, groups: Iterable[str], cause: Cause) -> None:
        """Remember checks that could not be decided, where it was their moment."""
        if cause.moment in _OWED:
            self.owed.update(dict.fromkeys(groups, cause))

    def add_to(self, net: Net, parameters_read: Callable[[], Set[str]]) -> None:
        """Add what is different in the end. Gives the client its new version: to be asked for once.

        `parameters_read` answers the names of the request parameters that rules read.
        """
        client, client_id = self.client, self.client.client_id
        rows = list(history_of(self)) if self.moved else []
        if self.past:
            net.erased += erased(self)
            net.past_facts += past_facts(self, rows, parameters_read())
        if self.moved:
            self._add_memberships_to(net, rows)
        elif self.deleted:
            net.snapshots.append(client_id)
        self._add_owed_to(net)
        if client.new:
            net.created.append(client)
        elif self.row:
            net.facts.append(client)
        elif rows:
            net.versions.append(client)
        for payer_id in self.payers:
            if payer_id in client.payers:
                net.payers.append((client, payer_id))
            else:
                net.payers_gone.append((client_id, payer_id))
        for method in self.verifications:
            if method in client.verifications:
                net.verifications.append((client, method))
            else:
                net.verifications_gone.append((client_id, method))

    def _add_owed_to(self, net: Net) -> None:
        client_id = self.client.client_id
        for group, cause in self.owed.items():
            net.owed.append(Owed(client_id, group, cause.moment.value, cause.at, cause.cause))
        net.settled += [(client_id, group) for group in self.settled]
        if self.deleted:
            net.forgotten.append(client_id)

    def _add_memberships_to(self, net: Net, rows: list[HistoryRow]) -> None:
        client, client_id = self.client, self.client.client_id
        said = self.said_memberships()
        net.memberships += [(client_id, group, membership) for group, membership in said]
        net.memberships_gone += [(client_id, row.group_id) for row in rows if not row.joined]
        before = self.in_force_before
        if rows:
            net.history += rows
            client.version = rows[-1].version
        elif self.deleted or any(before[group].source != now.source for group, now in said):
            net.snapshots.append(client_id)
        if self.pins or client.pins:
            net.pins += [(client, group) for group in self.said_pins()]
            net.pins_gone += [(client_id, group) for group in self.pins if group not in client.pins]
        if self.pins and not self.deleted:
            net.past_pins += past_pins(self)
