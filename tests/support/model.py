"""The plain model: what the product must hold after it has taken these records in this order.

A fold over raw records, one at a time, written from contracts.md alone: it imports nothing of the
product. `apply()` takes a record; `facts`, `members`, `answers`, `dead` say what is held then.
`moves` keeps every join, leave and change of source with the record that decided it, so that an
oracle can net them over a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.support.model_conditions import (
    UNKNOWN,
    Facts,
    changed_facts,
    faults_of_group,
    verdict_of_group,
    what_it_reads,
)
from tests.support.model_decode import Event, Poison, Raw, Stamp, as_id, decode


@dataclass
class Payer:
    """The newest record of a payer; a deleted one is kept, so that an older record cannot bring it back."""

    stamp: Stamp
    status: str | None
    active: bool
    deleted: bool


@dataclass
class Membership:
    """A client in a group, by rule or by hand."""

    source: str
    by_hand_at: datetime | None = None
    """The newest time at which it was added by hand."""


@dataclass
class Client:
    """What was said of a client and still counts."""

    id: str
    registered_at: datetime | None = None
    deleted_at: datetime | None = None
    fields: dict[str, tuple[Stamp, Any]] = field(default_factory=dict)
    payers: dict[str, Payer] = field(default_factory=dict)
    verifications: dict[str, dict[str, Stamp]] = field(default_factory=dict)
    """Method -> result -> its newest time."""
    groups: dict[str, Membership] = field(default_factory=dict)

    def passed(self) -> frozenset[str]:
        """A method once passed stays passed until it is revoked."""
        return frozenset(
            method
            for method, newest in self.verifications.items()
            if "passed" in newest and newest["passed"].newer_than(newest.get("revoked"))
        )


@dataclass(frozen=True)
class Move:
    """One thing that happened to a membership: `joined`, `left`, or `source` (only that changed)."""

    client: str
    group: str
    what: str
    source: str
    moment: str
    cause: str


@dataclass(frozen=True)
class Answer:
    """What a command is answered."""

    command_id: str
    status: str
    cause: str


@dataclass
class Group:
    """The newest `put-group`, as it was given, and how often it changed."""

    body: dict[str, Any]
    version: int = 1

    def switch(self, name: str) -> bool:
        """A switch of auto_assignment, with its default."""
        auto = self.body.get("auto_assignment", {})
        if name == "upon_change" and auto.get(name) is None:
            return bool(auto.get("upon_registration")) or bool(auto.get("periodic"))
        return bool(auto.get(name))

    def is_as(self, other: Group) -> bool:
        """Whether they say the same; a switch may be left to its default."""
        return self._said() == other._said()

    def _said(self) -> dict[str, Any]:
        auto = {"exclude": False, "keep_manual": False, **self.body.get("auto_assignment", {})}
        auto |= {name: self.switch(name) for name in ("upon_registration", "upon_change", "periodic")}
        return {**self.body, "auto_assignment": auto, "conditions": self.conditions}

    @property
    def conditions(self) -> list[dict[str, Any]]:
        """As given."""
        return self.body.get("conditions") or []


class Model:
    """All that the product holds, folded plainly."""

    def __init__(self, geoip: Callable[[str], str | None], latest: datetime) -> None:
        """`geoip`: the country of an address, or None; `latest`: a time after it is poison."""
        self._geoip = geoip
        self._latest = latest
        self.clients: dict[str, Client] = {}
        self.providers: dict[str, tuple[Stamp, Mapping[str, Any]]] = {}
        self.groups: dict[str, Group] = {}
        self.moves: list[Move] = []
        self.answers: list[Answer] = []
        self.dead: dict[str, str] = {}
        """The place of each dead letter -> why."""
        self._done: dict[str, str] = {}
        self._handlers: dict[str, Callable[[Event], None]] = {
            "client-registered": self._registered,
            "client-changed": self._changed,
            "client-deleted": self._deleted,
            "payer-changed": self._payer,
            "verification-completed": self._verification,
            "provider-changed": self._provider,
            "group-commands": self._command,
        }
        self.commands: dict[str, Callable[[Event], str]] = {
            "put-group": self._put_group,
            "add-members": self._add_members,
            "remove-members": self._remove_members,
        }
        """Command -> what it does, giving the answer's status; later commands are added here."""

    def apply(self, raw: Raw) -> None:
        """Take one record."""
        try:
            event = decode(raw, self._latest)
        except Poison as poison:
            self.dead[raw.place] = str(poison)
            return
        self._handlers[raw.topic](event)

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

    def _client(self, client_id: str) -> Client:
        return self.clients.setdefault(client_id, Client(client_id))

    def _too_old(self, client: Client, event: Event) -> bool:
        return client.deleted_at is not None and event.stamp.time <= client.deleted_at

    def _registered(self, event: Event) -> None:
        client = self._client(event.id)
        if self._too_old(client, event):
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
        client = self._client(event.id)
        if self._too_old(client, event):
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
        client = self._client(event.id)
        if self._too_old(client, event):
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
        client = self._client(event.id)
        if self._too_old(client, event):
            return
        before = self.facts(client)
        newest = client.verifications.setdefault(event.said["method"], {})
        if event.stamp.newer_than(newest.get(event.said["result"])):
            newest[event.said["result"]] = event.stamp
        self._check_change(client, event, before)

    def _deleted(self, event: Event) -> None:
        client = self._client(event.id)
        time = event.stamp.time
        if self._too_old(client, event):
            return
        client.deleted_at = time
        client.fields = {name: known for name, known in client.fields.items() if known[0].time > time}
        client.payers = {name: payer for name, payer in client.payers.items() if payer.stamp.time > time}
        client.verifications = {
            method: kept
            for method, newest in client.verifications.items()
            if (kept := {result: stamp for result, stamp in newest.items() if stamp.time > time})
        }
        for group, membership in sorted(client.groups.items()):
            if membership.by_hand_at is None or membership.by_hand_at <= time:
                self._leave(client, group, event, "client_deleted")
        if client.registered_at is not None and client.registered_at <= time:
            client.registered_at = None
        if client.registered_at is not None:
            self._check_registration(client, event)

    def _provider(self, event: Event) -> None:
        known = self.providers.get(event.id)
        if known is None or event.stamp.newer_than(known[0]):
            self.providers[event.id] = (event.stamp, event.said)

    # --- checks ------------------------------------------------------------------------------

    def _check_registration(self, client: Client, event: Event) -> None:
        """Over the groups with the switch; it only adds."""
        facts = self.facts(client)
        for name, group in self.groups.items():
            if not group.switch("upon_registration") or not group.conditions or name in client.groups:
                continue
            if verdict_of_group(group.conditions, facts) is True:
                self._join(client, name, event, "registration", Membership("rule"))

    def _check_change(self, client: Client, event: Event, before: Facts) -> None:
        """Over the groups whose conditions read what changed."""
        if client.registered_at is None:
            return
        facts = self.facts(client)
        changed = changed_facts(before, facts)
        for name, group in self.groups.items():
            if group.switch("upon_change") and any(what_it_reads(c) in changed for c in group.conditions):
                self._check(client, name, group, event, verdict_of_group(group.conditions, facts))

    def _check(self, client: Client, name: str, group: Group, event: Event, verdict: bool | None) -> None:
        membership = client.groups.get(name)
        if verdict is True and membership is None:
            self._join(client, name, event, "change", Membership("rule"))
        if verdict is False and membership is not None and group.switch("exclude"):
            by_hand = membership.source == "manual"
            if not (by_hand and group.switch("keep_manual")):
                self._leave(client, name, event, "change")

    def _join(self, client: Client, group: str, event: Event, moment: str, membership: Membership) -> None:
        client.groups[group] = membership
        self._move(client, group, "joined", membership.source, moment, event)

    def _leave(self, client: Client, group: str, event: Event, moment: str) -> None:
        membership = client.groups.pop(group)
        self._move(client, group, "left", membership.source, moment, event)

    def _move(self, client: Client, group: str, what: str, source: str, moment: str, event: Event) -> None:
        self.moves.append(Move(client.id, group, what, source, moment, event.place))

    # --- commands ----------------------------------------------------------------------------

    def _command(self, event: Event) -> None:
        given = event.said.get("id")
        command_id = event.place if given in {None, ""} else str(given)
        if command_id not in self._done:
            try:
                self._done[command_id] = self.commands[event.said["command"]](event)
            except (Poison, KeyError, TypeError):
                self._done[command_id] = "rejected"
        self.answers.append(Answer(command_id, self._done[command_id], event.place))

    def _put_group(self, event: Event) -> str:
        body = {
            name: value
            for name, value in event.said.items()
            if name not in {"command", "id", "actor", "reason", "if_version"}
        }
        group_id = as_id(body.get("group"), "group")
        if faults_of_group(body):
            return "rejected"
        known = self.groups.get(group_id)
        if known is None:
            self.groups[group_id] = Group(body)
        elif not known.is_as(Group(body)):
            self.groups[group_id] = Group(body, known.version + 1)
        return "done"

    def _add_members(self, event: Event) -> str:
        group, clients = self._group_and_clients(event)
        for client_id in clients:
            client = self._client(client_id)
            if self._too_old(client, event):
                continue
            membership = client.groups.get(group)
            if membership is None:
                self._join(client, group, event, "manual", Membership("manual", event.stamp.time))
                continue
            if membership.source == "rule":
                self._move(client, group, "source", "manual", "manual", event)
            times = [time for time in (membership.by_hand_at, event.stamp.time) if time is not None]
            client.groups[group] = Membership("manual", max(times))
        return "done"

    def _remove_members(self, event: Event) -> str:
        group, clients = self._group_and_clients(event)
        for client_id in clients:
            client = self._client(client_id)
            if group in client.groups and not self._too_old(client, event):
                self._leave(client, group, event, "manual")
        return "done"

    def _group_and_clients(self, event: Event) -> tuple[str, list[str]]:
        group = as_id(event.said.get("group"), "group")
        if group not in self.groups:
            raise Poison(f"no group {group}")
        return group, _clients_of(event.said)


def _clients_of(said: Mapping[str, Any]) -> list[str]:
    """The clients that a command names, each once."""
    clients = said["clients"]
    if not isinstance(clients, list) or not clients:
        raise Poison("clients is no list of ids")
    return list(dict.fromkeys(as_id(client, "clients") for client in clients))
