"""The work on some clients within one transaction: decided event by event, written once, net.

Each event is checked in its order, as if alone; what happens and is undone within one transaction
leaves no trace. `Work` is built on locked clients, takes decisions in memory, and `net` says what is
different in the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from db.clients import Client
from db.evidence import as_it_is
from db.net import Net
from rules.membership import Change, check
from rules.model import Moment, Source
from workers.membership.folding import ClientEvent, Effect, LookUp, facts_of, fold, look_up_again
from workers.membership.touched import Cause, Touched

if TYPE_CHECKING:
    from events.record import Record
    from rules.ruleset import RuleSet


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
        client = touched.client
        before = None if client.registered_at is None else as_it_is(client)
        effect = fold(client, event, record, look_up)
        touched.note(effect)
        if effect.deleted:
            self._forget(touched, Cause(Moment.CLIENT_DELETED, record.cause, at, traceparent))
            touched.facts_erased(at)
        elif effect.attributes and before is not None:
            touched.facts_ended(before, at)
        if effect.registered:
            checked, moment = self._rules.upon_registration, Moment.REGISTRATION
        elif effect.attributes and client.registered_at is not None:
            checked, moment = self._rules.upon_change & self._rules.readers(effect.attributes), Moment.CHANGE
        else:
            return
        if checked:
            self._check(touched, checked, Cause(moment, record.cause, at, traceparent))

    def look_up_again(self, client_id: str, look_up: LookUp, at: datetime, *, known: bool = False) -> Effect:
        """Look a client's address up where that was not done yet; with `known`, also where it was."""
        touched = self._touched[client_id]
        before = as_it_is(touched.client)
        effect = look_up_again(touched.client, look_up, known=known)
        touched.note(effect)
        if effect.attributes and before.registered_at is not None:
            touched.facts_ended(before, at)
        return effect

    def check(self, client_id: str, checked: int, cause: Cause) -> None:
        """Check a client, where it is registered, against the groups of a mask: it may join and leave."""
        touched = self._touched[client_id]
        if touched.client.registered_at is not None:
            self._check(touched, checked, cause)

    def check_adding(self, client_id: str, checked: int, cause: Cause) -> list[str]:
        """As `check`, but leaves are only answered: the groups to leave. Beneath a pin it leaves at once."""
        touched = self._touched[client_id]
        if touched.client.registered_at is None:
            return []
        change = self._change(touched, checked, cause, may_leave=True)
        self._join_all(touched, change.joins, cause)
        to_leave = []
        for group in self._rules.decode(change.leaves):
            if group in touched.client.pins:
                touched.leave(group, cause)
            else:
                to_leave.append(group)
        return to_leave

    def _check(self, touched: Touched, checked: int, cause: Cause) -> None:
        change = self._change(touched, checked, cause, may_leave=cause.moment is not Moment.REGISTRATION)
        for group in self._rules.decode(change.leaves):
            touched.leave(group, cause)
        self._join_all(touched, change.joins, cause)

    def _join_all(self, touched: Touched, joins: int, cause: Cause) -> None:
        for group in self._rules.decode(joins):
            touched.join(group, Source.RULE, cause.at, cause)

    def _change(self, touched: Touched, checked: int, cause: Cause, *, may_leave: bool) -> Change:
        client, rules = touched.client, self._rules
        members = manual = 0
        for group, membership in client.memberships.items():
            bit = rules.bit(group)
            if bit is not None:
                members |= 1 << bit
                if membership.source == Source.MANUAL:
                    manual |= 1 << bit
        verdicts = rules.evaluate(facts_of(client))
        if client.ip is not None and client.geoip_build is None:
            unknown = checked & rules.conditional & verdicts.possibly & ~verdicts.surely
            touched.owe(rules.decode(unknown), cause)
        return check(rules, verdicts, checked=checked, members=members, manual=manual, may_leave=may_leave)

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

    def net(self) -> Net:
        """What is different in the end. Gives clients their new versions: to be asked for once."""
        net = Net()
        for touched in self._touched.values():
            touched.add_to(net, lambda: self._rules.parameters_read)
        return net
