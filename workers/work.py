"""The work on some clients within one transaction: decided event by event, written once, net.

Each event is checked in its order, as if alone; what happens and is undone within one transaction
leaves no trace. `Work` is built on locked clients, takes decisions in memory, and `store` writes
what is different in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from db import clients as clients_table
from db.clients import Client, Membership, Pin
from db.log import HistoryRow
from rules.membership import check
from rules.model import Moment, Source
from workers.folding import ClientEvent, Effect, LookUp, facts_of, fold

if TYPE_CHECKING:
    from db.connections import AnyConnection
    from events.record import Record
    from rules.ruleset import RuleSet


@dataclass(frozen=True, slots=True)
class Cause:
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
    moved: bool = False
    """Something was done to the memberships; it may have been undone."""
    row: bool = False
    deleted: bool = False
    payers: set[str] = field(default_factory=set)
    verifications: set[str] = field(default_factory=set)
    pins: set[str] = field(default_factory=set)
    """Groups whose pin is to be written, or erased where there is none any more."""

    def __post_init__(self) -> None:
        """Keep how it was."""
        self.memberships_before = dict(self.client.memberships)
        self.in_force_before = (
            self.client.memberships_in_force if self.client.pins else self.memberships_before
        )

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

    def pin(self, group: str, pin: Pin, cause: Cause) -> None:
        """Hold the client in or out of a group; takes the place of a pin that is there."""
        self.client.pins[group] = pin
        self.pins.add(group)
        self.causes[group] = cause
        self.moved = True

    def unpin(self, group: str, cause: Cause) -> None:
        """Take a pin away; what is beneath it counts again."""
        del self.client.pins[group]
        self.pins.add(group)
        self.causes[group] = cause
        self.moved = True

    def drain(self, group: str, cause: Cause) -> bool:
        """Take away all that ties the client to a group; answers whether it was in it."""
        was_in = group in self.client.memberships_in_force
        if group in self.client.pins:
            self.unpin(group, cause)
        if group in self.client.memberships:
            self.leave(group, cause)
        return was_in

    def said_memberships(self) -> list[tuple[str, Membership]]:
        """The memberships in force that are not as they were: joined, or said by another source or anew."""
        before = self.in_force_before
        return [
            (group, now)
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
        self._touched = {client_id: Touched(client) for client_id, client in clients.items()}

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
        for group, pin in list(touched.client.pins.items()):
            if deleted_at is None or pin.said_at <= deleted_at:
                touched.unpin(group, cause)

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
            Source.MANUAL.value, membership.since, said_at, cause.cause, cause.actor, cause.reason
        )
        return changes

    def take_out(self, client_id: str, group: str, said_at: datetime, cause: Cause) -> bool:
        """Take a client out of a group by hand; answers whether it was in it."""
        touched = self._touched[client_id]
        if group not in touched.client.memberships or touched.was_deleted_after(said_at):
            return False
        touched.leave(group, cause)
        return True

    def unpin(self, client_id: str, group: str, cause: Cause) -> None:
        """Take a pin away. What is beneath counts again: a membership by hand, else what a check makes of it.

        Where the check does not know, what is beneath stays as it is.
        """
        touched = self._touched[client_id]
        touched.unpin(group, cause)
        membership = touched.client.memberships.get(group)
        bit = self._rules.bit(group)
        is_manual = membership is not None and membership.source == Source.MANUAL
        if bit is not None and not is_manual and touched.client.registered_at is not None:
            self._check(touched, 1 << bit, cause)

    async def store(self, connection: AnyConnection) -> tuple[list[HistoryRow], list[str]]:
        """Write what is different now, all but the log.

        Answers the rows that the membership history is to get, in version order for each client,
        and the clients whose memberships are to be published though no version is new.
        """
        history: list[HistoryRow] = []
        snapshots: list[str] = []
        changed: list[tuple[str, str, Membership]] = []
        erased: list[tuple[str, str]] = []
        created: list[Client] = []
        facts: list[Client] = []
        versions: list[Client] = []
        pinned: list[tuple[Client, str]] = []
        unpinned: list[tuple[str, str]] = []
        for client_id, touched in self._touched.items():
            rows = list(_history_of(touched)) if touched.moved else []
            said = touched.said_memberships() if touched.moved else []
            changed += [(client_id, group, membership) for group, membership in said]
            before = touched.in_force_before
            erased += [(client_id, row.group_id) for row in rows if not row.joined]
            if rows:
                history += rows
                touched.client.version = rows[-1].version
                if not touched.row and not touched.client.new:
                    versions.append(touched.client)
            elif touched.deleted or any(before[group].source != now.source for group, now in said):
                snapshots.append(client_id)
            if touched.moved and (touched.client.pins or touched.pins):
                pinned += [(touched.client, group) for group in touched.said_pins()]
                unpinned += [(client_id, group) for group in touched.pins - touched.client.pins.keys()]
            if touched.client.new:
                created.append(touched.client)
            elif touched.row:
                facts.append(touched.client)
        await clients_table.insert(connection, created)
        await clients_table.store_facts(connection, facts)
        await clients_table.store_versions(connection, versions)
        await clients_table.store_payers(connection, *_written(self._touched.values(), "payers"))
        await clients_table.store_verifications(
            connection, *_written(self._touched.values(), "verifications")
        )
        await clients_table.store_memberships(connection, changed, erased)
        await clients_table.store_pins(connection, pinned, unpinned)
        return history, snapshots


def held_in(touched: Touched, group: str, said_at: datetime, cause: Cause) -> Membership:
    """The membership by which a pin holds a client in: since it is in, if it is."""
    now = touched.client.memberships_in_force.get(group)
    since = cause.at if now is None else now.since
    return Membership(Source.PIN.value, since, said_at, cause.cause, cause.actor, cause.reason)


def _history_of(touched: Touched) -> Iterator[HistoryRow]:
    """The net joins and leaves, each with what decided last about it; leaves first."""
    client, before, after = touched.client, touched.in_force_before, touched.client.memberships_in_force
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


def _written(
    touched: Iterable[Touched], kind: Literal["payers", "verifications"]
) -> tuple[list[tuple[Client, str]], list[tuple[str, str]]]:
    """Of what was touched: what the client still has, to be written, and what it has no more."""
    kept: list[tuple[Client, str]] = []
    gone: list[tuple[str, str]] = []
    for each in touched:
        for key in getattr(each, kind):
            if key in getattr(each.client, kind):
                kept.append((each.client, key))
            else:
                gone.append((each.client.client_id, key))
    return kept, gone
