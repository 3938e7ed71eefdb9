"""What the plain model holds: clients, groups, and the account of what happened to memberships."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.support.model_decode import Stamp
from tests.support.model_groups import Definition, checks_upon_change, in_force


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
    said_by: str | None = None
    """The run that said so last, if it was one."""


@dataclass(frozen=True)
class Pin:
    """A client held in a group or out of it."""

    hold: str
    """`in` or `out`."""
    said_at: datetime
    expires_at: datetime | None
    cause: str
    actor: str
    reason: str | None


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
    """What would be without pins."""
    pins: dict[str, Pin] = field(default_factory=dict)
    """By group."""

    def passed(self) -> frozenset[str]:
        """A method once passed stays passed until it is revoked."""
        return frozenset(
            method
            for method, newest in self.verifications.items()
            if "passed" in newest and newest["passed"].newer_than(newest.get("revoked"))
        )

    def source(self, group: str) -> str | None:
        """How the client is in the group now, pins counted; None = it is not."""
        pin = self.pins.get(group)
        if pin is not None:
            return "pin" if pin.hold == "in" else None
        membership = self.groups.get(group)
        return None if membership is None else membership.source

    def is_tied_to(self, group: str) -> bool:
        """Whether a deletion of the group is to touch it."""
        return self.source(group) is not None or group in self.pins

    def in_force(self) -> dict[str, str]:
        """The groups that the client is in, with the source of each."""
        names = sorted(set(self.groups) | set(self.pins))
        return {name: source for name in names if (source := self.source(name)) is not None}

    def was_deleted_after(self, time: datetime) -> bool:
        """Whether what was said then is ignored."""
        return self.deleted_at is not None and time <= self.deleted_at


@dataclass
class Group:
    """A group as it was put and changed, and how often."""

    definition: Definition
    version: int = 1
    updated_by: str = "console"

    def switch(self, name: str) -> bool:
        """A switch of auto_assignment, with its default."""
        auto = self.definition["auto_assignment"]
        return checks_upon_change(auto) if name == "upon_change" else bool(auto[name])

    def is_as(self, definition: Definition) -> bool:
        """Whether they say the same; a switch may be left to its default."""
        return in_force(self.definition) == in_force(definition)

    @property
    def conditions(self) -> list[dict[str, Any]]:
        """Each in its one spelling."""
        conditions: list[dict[str, Any]] = self.definition["conditions"]
        return conditions


@dataclass(frozen=True)
class Reference:
    """The newest record of something that refers to a group, or did."""

    stamp: Stamp
    title: str | None
    used: bool


@dataclass(frozen=True)
class Move:
    """One thing that happened to a membership in force: `joined`, `left`, or `source` (only that changed)."""

    client: str
    group: str
    what: str
    source: str
    moment: str
    cause: str
    was: str | None = None
    """The source before, where it was a member."""


@dataclass(frozen=True)
class Answer:
    """What a command is answered."""

    command_id: str
    status: str
    cause: str
    result: Mapping[str, Any] | None = None
    """The fields that the contract names, where it is done."""
    passed_over: int = 0
    """How much of what was named is pinned: the warnings name it."""


class Account:
    """Every move in the order in which they happened."""

    def __init__(self) -> None:
        """None yet."""
        self.moves: list[Move] = []
        self._closed = 0
        self._at_first: dict[tuple[str, str], Membership | None] = {}
        """What each membership was when the transaction began."""

    def close(self) -> list[Move]:
        """End a transaction: what moved in it."""
        moves, self._closed = self.moves[self._closed :], len(self.moves)
        self._at_first.clear()
        return moves

    @contextmanager
    def of(self, client: Client, group: str, moment: str, cause: str) -> Iterator[None]:
        """Whatever is done inside to this client and group, beneath a pin or not: what moved in force?"""
        before = client.source(group)
        at_first = self._at_first.setdefault((client.id, group), client.groups.get(group))
        yield
        now = client.groups.get(group)
        if now is not None and at_first is not None and now.source == at_first.source == "rule":
            client.groups[group] = at_first  # left and joined again by rule: as if it had stayed
        after = client.source(group)
        if before != after:
            what = "left" if after is None else "joined" if before is None else "source"
            source = after or before
            assert source is not None
            self.moves.append(Move(client.id, group, what, source, moment, cause, before))
