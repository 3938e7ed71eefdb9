"""The work on some clients within one transaction: decided event by event, written once, net.

Each event is checked in its order, as if alone; what happens and is undone within one transaction
leaves no trace. `Work` is built on locked clients, takes decisions in memory, and `net` says what is
different in the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from db.clients import Client, Membership
from db.log import HistoryRow
from db.net import Net
from rules.membership import check
from rules.model import Moment, Source
from workers.folding import ClientEvent, Effect, LookUp, facts_of, fold

if TYPE_CHECKING:
    from events.record import Record
    from rules.ruleset import RuleSet


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
    memberships_before: dict[str, Membership]
    causes: dict[str, Cause] = field(default_factory=dict)
    """Group -> what decided last about its membership."""
    moved: bool = False
    """Something was done to the memberships; it may have been undone."""
    row: bool = False
    deleted: bool = False
    payers: Set[str] = frozenset()
    verifications: Set[str] = frozenset()

    def join(self, group: str, source: Source, said_at: datetime, cause: Cause) -> None:
        """Put the client into a group it is not in; back by rule into one just left: as if it stayed."""
        membership = self.memberships_before.get(group)
        if membership is None or source is not Source.RULE or membership.source != source:
            membership = Membership(source.value, cause.at, said_at, cause.cause, cause.actor, cause.reason)
        self.client.memberships[group] = membership
        self.causes[group] = cause
        self.moved = True

    def leave(self, group: str, cause: Cause) -> None:
        """Take the client out of a group it is in."""
        del self.client.memberships[group]
        self.causes[group] = cause
        self.moved = True

    def said_memberships(self) -> list[tuple[str, Membership]]:
        """The memberships that are not as they were: joined, or said by another source or anew."""
        before = self.memberships_before
        return [
            (group, now) for group, now in self.client.memberships.items() if now is not before.get(group)
        ]

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


class Work:
    """The clients of one transaction, under one version of the rules."""

    def __init__(self, clients: Mapping[str, Client], rules: RuleSet) -> None:
        """`clients` are locked by the transaction, and `rules` held, until it ends."""
        self._rules = rules
        self._touched = {
            client_id: Touched(client, dict(client.memberships)) for client_id, client in clients.items()
        }

    def __getitem__(self, client_id: str) -> Touched:
        """One of the clients. Raises KeyError for one that is not locked."""
        return self._touched[client_id]

    def take(
        self,
        event: ClientEvent,
        record: Record,
        look_up: LookUp,
        at: datetime,
        traceparent: str | None = None,
    ) -> None:
        """Fold one event into its client, and check the groups for which this is a moment to.

        `at` is the worker's clock.
        """
        touched = self._touched[event.client_id]
        effect = fold(touched.client, event, record, look_up)
        touched.note(effect)
        if effect.deleted:
            self._forget(touched, Cause(Moment.CLIENT_DELETED, record.cause, at, traceparent))
        if effect.registered:
            checked, moment = self._rules.upon_registration, Moment.REGISTRATION
        elif effect.attributes and touched.client.registered_at is not None:
            checked, moment = self._rules.upon_change & self._rules.readers(effect.attributes), Moment.CHANGE
        else:
            return
        if checked:
            self._check(touched, checked, Cause(moment, record.cause, at, traceparent))

    def _check(self, touched: Touched, checked: int, cause: Cause) -> None:
        client, rules = touched.client, self._rules
        members = manual = 0
        for group, membership in client.memberships.items():
            bit = rules.bit(group)
            if bit is not None:
                members |= 1 << bit
                if membership.source == Source.MANUAL:
                    manual |= 1 << bit
        change = check(
            rules,
            rules.evaluate(facts_of(client)),
            checked=checked,
            members=members,
            manual=manual,
            may_leave=cause.moment is not Moment.REGISTRATION,
        )
        for group in rules.decode(change.leaves):
            touched.leave(group, cause)
        for group in rules.decode(change.joins):
            touched.join(group, Source.RULE, cause.at, cause)

    @staticmethod
    def _forget(touched: Touched, cause: Cause) -> None:
        """A deleted client leaves its groups, but those it was put into by hand since."""
        deleted_at = touched.client.deleted_at
        for group, membership in list(touched.client.memberships.items()):
            said_later = deleted_at is not None and membership.source_at > deleted_at
            if not (membership.source == Source.MANUAL and said_later):
                touched.leave(group, cause)

    def put_in(self, client_id: str, group: str, said_at: datetime, cause: Cause) -> bool:
        """Put a client into a group by hand (mission M1-M3); answers whether that changed anything.

        A member by rule becomes one by hand; one by hand is so as of the newest time it was said.
        Nothing happens to a client deleted later than `said_at`.
        """
        touched = self._touched[client_id]
        if touched.was_deleted_after(said_at):
            return False
        membership = touched.client.memberships.get(group)
        if membership is None:
            touched.join(group, Source.MANUAL, said_at, cause)
            return True
        if membership.source == Source.MANUAL and said_at <= membership.source_at:
            return False
        # Said again later, it outlives a deletion as of a time in between.
        changes = membership.source != Source.MANUAL
        touched.moved = True
        touched.client.memberships[group] = Membership(
            Source.MANUAL.value, membership.since or cause.at, said_at, cause.cause, cause.actor, cause.reason
        )
        return changes

    def take_out(self, client_id: str, group: str, said_at: datetime, cause: Cause) -> bool:
        """Take a client out of a group by hand; answers whether it was in it."""
        touched = self._touched[client_id]
        if group not in touched.client.memberships or touched.was_deleted_after(said_at):
            return False
        touched.leave(group, cause)
        return True

    def net(self) -> Net:
        """What is different in the end. Gives clients their new versions: to be asked for once."""
        net = Net()
        for client_id, touched in self._touched.items():
            client = touched.client
            rows = list(_history_of(touched)) if touched.moved else []
            said = touched.said_memberships() if touched.moved else []
            net.memberships += [(client_id, group, membership) for group, membership in said]
            net.memberships_gone += [(client_id, row.group_id) for row in rows if not row.joined]
            before = touched.memberships_before
            if rows:
                net.history += rows
                client.version = rows[-1].version
            elif touched.deleted or any(before[group].source != now.source for group, now in said):
                net.snapshots.append(client_id)
            if client.new:
                net.created.append(client)
            elif touched.row:
                net.facts.append(client)
            elif rows:
                net.versions.append(client)
            for payer_id in touched.payers:
                if payer_id in client.payers:
                    net.payers.append((client, payer_id))
                else:
                    net.payers_gone.append((client_id, payer_id))
            for method in touched.verifications:
                if method in client.verifications:
                    net.verifications.append((client, method))
                else:
                    net.verifications_gone.append((client_id, method))
        return net


def _history_of(touched: Touched) -> Iterator[HistoryRow]:
    """The net joins and leaves, each with what decided last about it; leaves first."""
    client, before, after = touched.client, touched.memberships_before, touched.client.memberships
    version = client.version
    left = [group for group in before if group not in after]
    joined = [group for group in after if group not in before]
    for groups, is_join in ((left, False), (joined, True)):
        for group in groups:
            version += 1
            cause = touched.causes[group]
            yield HistoryRow(
                client.client_id,
                version,
                group,
                is_join,
                (after if is_join else before)[group].source,
                cause.moment.value,
                cause.at,
                cause.cause,
                cause.actor,
                cause.reason,
                cause.run_id,
                cause.traceparent,
            )
