"""The plain model: what the product must hold after it has taken these records in this order.

A fold over raw records, one at a time, written from contracts.md alone: it imports nothing of the
product. `apply()` takes a record; `facts`, `clients`, `groups`, `answers`, `dead` say what is held then.
`moves` keeps every join, leave and change of source with the record that decided it, so that an
oracle can net them over a transaction (`model_net`). What is published of it says `model_published`.

What the product does as a run because a command names many clients, the model does at once; the runs that are
ordered as such go on as the caller says (`model_runs`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from tests.support.model_commands import read_command, readable_id
from tests.support.model_conditions import UNKNOWN, Facts, changed_facts, verdict_of_group, what_it_reads
from tests.support.model_decode import Event, Poison, Raw, Stamp, decode
from tests.support.model_net import net
from tests.support.model_orders import carry_out
from tests.support.model_runs import Runs
from tests.support.model_state import Account, Answer, Client, Group, Membership, Move, Payer, Reference

MAX_AHEAD: Final = timedelta(minutes=5)


class Model:
    """All that the product holds, folded plainly."""

    def __init__(self, geoip: Callable[[str], str | None], latest: datetime) -> None:
        """`geoip`: the country of an address, or None; `latest`: a time after it is poison."""
        self._geoip = geoip
        self._latest = latest
        self._now: datetime | None = None
        self.clients: dict[str, Client] = {}
        self.providers: dict[str, tuple[Stamp, Mapping[str, Any]]] = {}
        self.groups: dict[str, Group] = {}
        self.deleting: dict[str, Group] = {}
        """Those whose members leave in a run."""
        self.deleted_groups: dict[str, int] = {}
        """The last version of each."""
        self.references: dict[tuple[str, str, str], Reference] = {}
        """By group (which need not exist), kind and id."""
        self.account = Account()
        self.runs = Runs(self)
        self.answers: list[Answer] = []
        self.dead: dict[str, str] = {}
        """The place of each dead letter -> why."""
        self._done: dict[str, Answer] = {}
        self._handlers: dict[str, Callable[[Event], None]] = {
            "client-registered": self._registered,
            "client-changed": self._changed,
            "client-deleted": self._deleted,
            "payer-changed": self._payer,
            "verification-completed": self._verification,
            "provider-changed": self._provider,
            "group-usage-changed": self._usage,
            "group-commands": self._command,
        }

    @property
    def moves(self) -> list[Move]:
        """All that happened to memberships in force, in that order."""
        return self.account.moves

    def close(self) -> list[Move]:
        """End a transaction; answers what moved in it."""
        moves = self.account.close()
        for change in net(moves):
            self.runs.note(change)
        return moves

    def apply(self, raw: Raw) -> None:
        """Take one record."""
        try:
            event = decode(raw, self._latest)
        except Poison as poison:
            self.dead[raw.place] = str(poison)
            return
        self._handlers[raw.topic](event)

    def set_clock(self, now: datetime) -> None:
        """Keep the worker's clock: pins expire by it, and 5 minutes ahead of it is poison."""
        self._now, self._latest = now, now + MAX_AHEAD
        for _, client in sorted(self.clients.items()):
            for group, pin in sorted(client.pins.items()):
                if pin.expires_at is not None and pin.expires_at <= now:
                    with self.account.of(client, group, "pin", pin.cause):
                        self.take_pin_away(client, group)

    def client(self, client_id: str) -> Client:
        """A client; one that nobody spoke of yet begins with this."""
        return self.clients.setdefault(client_id, Client(client_id))

    def used_by(self, group: str) -> list[tuple[str, str, str | None]]:
        """What refers to a group: kind, id and title."""
        return sorted(
            (kind, ref_id, known.title)
            for (name, kind, ref_id), known in self.references.items()
            if name == group and known.used
        )

    def facts(self, client: Client) -> Facts:
        """What conditions read of a client."""
        said = {name: value for name, (_, value) in client.fields.items()}
        ip = said.get("ip")
        return Facts(
            country=said.get("country"),
            geoip_country=self._geoip(ip) if ip else UNKNOWN,
            provider=said.get("provider_id"),
            authorization_method=said.get("authorization_method"),
            parameters=said.get("request_parameters") or {},
            payers={
                payer_id: (payer.status or "", payer.active)
                for payer_id, payer in client.payers.items()
                if not payer.deleted
            },
            passed=client.passed(),
        )

    # --- events of clients -------------------------------------------------------------------

    def _registered(self, event: Event) -> None:
        client = self.client(event.id)
        if client.was_deleted_after(event.stamp.time):
            return
        before = self.facts(client)
        self._learn_fields(client, event)
        first = client.registered_at is None
        if client.registered_at is None or event.stamp.time > client.registered_at:
            client.registered_at = event.stamp.time
        if first:
            self._check_registration(client, event)
        else:
            self._check_change(client, event, before)

    def _changed(self, event: Event) -> None:
        client = self.client(event.id)
        if client.was_deleted_after(event.stamp.time):
            return
        before = self.facts(client)
        self._learn_fields(client, event)
        self._check_change(client, event, before)

    def _learn_fields(self, client: Client, event: Event) -> None:
        for name, value in event.said.items():
            known = client.fields.get(name)
            if known is None or event.stamp.newer_than(known[0]):
                client.fields[name] = (event.stamp, value)

    def _payer(self, event: Event) -> None:
        client = self.client(event.id)
        if client.was_deleted_after(event.stamp.time):
            return
        before = self.facts(client)
        said = event.said
        known = client.payers.get(said["payer_id"])
        if known is None or event.stamp.newer_than(known.stamp):
            as_it_was = known.active if known is not None and not known.deleted else True
            client.payers[said["payer_id"]] = Payer(
                event.stamp, said.get("status"), said.get("active", as_it_was), said["deleted"]
            )
        self._check_change(client, event, before)

    def _verification(self, event: Event) -> None:
        client = self.client(event.id)
        if client.was_deleted_after(event.stamp.time):
            return
        before = self.facts(client)
        newest = client.verifications.setdefault(event.said["method"], {})
        if event.stamp.newer_than(newest.get(event.said["result"])):
            newest[event.said["result"]] = event.stamp
        self._check_change(client, event, before)

    def _deleted(self, event: Event) -> None:
        client = self.client(event.id)
        time = event.stamp.time
        if client.was_deleted_after(event.stamp.time):
            return
        client.deleted_at = time
        client.fields = {name: known for name, known in client.fields.items() if known[0].time > time}
        client.payers = {name: payer for name, payer in client.payers.items() if payer.stamp.time > time}
        client.verifications = {
            method: kept
            for method, newest in client.verifications.items()
            if (kept := {result: stamp for result, stamp in newest.items() if stamp.time > time})
        }
        for group in sorted(set(client.groups) | set(client.pins)):
            membership, pin = client.groups.get(group), client.pins.get(group)
            with self.account.of(client, group, "client_deleted", event.place):
                if membership is not None and (
                    membership.by_hand_at is None or membership.by_hand_at <= time
                ):
                    del client.groups[group]
                if pin is not None and pin.said_at <= time:
                    del client.pins[group]
        if client.registered_at is not None and client.registered_at <= time:
            client.registered_at = None
        if client.registered_at is not None:
            self._check_registration(client, event)

    def _provider(self, event: Event) -> None:
        known = self.providers.get(event.id)
        if known is None or event.stamp.newer_than(known[0]):
            self.providers[event.id] = (event.stamp, event.said)

    def _usage(self, event: Event) -> None:
        said = event.said
        key = (event.id, said["kind"], said["ref_id"])
        known = self.references.get(key)
        if known is None or event.stamp.newer_than(known.stamp):
            self.references[key] = Reference(event.stamp, said["title"], said["used"])

    # --- checks: they work on what is beneath the pins ------------------------------------------

    def _check_registration(self, client: Client, event: Event) -> None:
        """Over the groups with the switch; it only adds."""
        facts = self.facts(client)
        for name, group in self.groups.items():
            if group.switch("upon_registration"):
                with self.account.of(client, name, "registration", event.place):
                    self._check(client, name, facts, may_leave=False)

    def _check_change(self, client: Client, event: Event, before: Facts) -> None:
        """Over the groups whose conditions read what changed."""
        if client.registered_at is None:
            return
        facts = self.facts(client)
        changed = changed_facts(before, facts)
        for name, group in self.groups.items():
            if group.switch("upon_change") and any(what_it_reads(c) in changed for c in group.conditions):
                with self.account.of(client, name, "change", event.place):
                    self._check(client, name, facts, may_leave=True)

    def _check(self, client: Client, name: str, facts: Facts, *, may_leave: bool) -> None:
        effect = self.effect(client, name, facts, may_leave=may_leave)
        if effect == "join":
            client.groups[name] = Membership("rule")
        if effect == "leave":
            del client.groups[name]

    def effect(self, client: Client, name: str, facts: Facts, *, may_leave: bool) -> str | None:
        """What a check comes to, beneath a pin: `join`, `leave` or nothing."""
        group, membership = self.groups[name], client.groups.get(name)
        verdict = verdict_of_group(group.conditions, facts) if group.conditions else None
        if verdict is True and membership is None:
            return "join"
        if verdict is False and membership is not None and may_leave and group.switch("exclude"):
            by_hand = membership.source == "manual"
            return None if by_hand and group.switch("keep_manual") else "leave"
        return None

    def take_pin_away(self, client: Client, group: str) -> None:
        """What would be without it returns: a membership by hand, else what one check makes of it."""
        if client.pins.pop(group, None) is None:
            return
        membership = client.groups.get(group)
        if membership is not None and membership.source == "rule":
            membership.said_by = None
        by_hand = membership is not None and membership.source == "manual"
        if not by_hand and client.registered_at is not None:
            self._check(client, group, self.facts(client), may_leave=True)

    # --- commands ----------------------------------------------------------------------------

    def _command(self, event: Event) -> None:
        self.answers.append(self._answer(event))

    def _answer(self, event: Event) -> Answer:
        try:
            command = read_command(event, self._now)
        except Poison:
            return Answer(readable_id(event.said) or event.place, "rejected", event.place)
        if command.id is not None and command.id in self._done:
            return replace(self._done[command.id], cause=event.place)
        command_id = command.id or event.place
        try:
            result, passed_over = carry_out(self, command)
        except Poison:
            return Answer(command_id, "rejected", event.place)
        status = "accepted" if result is None else "done"
        answer = Answer(command_id, status, event.place, result, passed_over)
        if command.id is not None:
            self._done[command.id] = answer
        return answer
