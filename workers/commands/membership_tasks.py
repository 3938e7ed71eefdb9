"""What is done to a client's membership of one group: by a command at once, or by a run chunk by chunk."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter

from db.clients import Pin
from rules.model import Moment
from workers.membership.touched import Cause, Touched
from workers.membership.work import Work


class Deed(StrEnum):
    """What is done."""

    ADD = "add"
    REMOVE = "remove"
    PIN_IN = "pin_in"
    PIN_OUT = "pin_out"
    UNPIN = "unpin"
    DRAIN = "drain"
    """The group is being deleted: pins and memberships of it go."""


_MOMENTS: Final[Mapping[Deed, Moment]] = {
    Deed.ADD: Moment.MANUAL,
    Deed.REMOVE: Moment.MANUAL,
    Deed.PIN_IN: Moment.PIN,
    Deed.PIN_OUT: Moment.PIN,
    Deed.UNPIN: Moment.PIN,
    Deed.DRAIN: Moment.GROUP_DELETED,
}


class Counts(NamedTuple):
    """How many are different."""

    memberships: int
    """In force: clients in or out that were not, or in by another source."""
    pins: int


@dataclass(frozen=True)
class MembershipTask:
    """One deed on one group, for any number of clients."""

    deed: Deed
    group: str
    said_at: datetime
    """The time of the command."""
    actor: str
    reason: str | None = None
    expires_at: datetime | None = None
    """Of pins."""

    @property
    def moment(self) -> Moment:
        """As what it goes into the history."""
        return _MOMENTS[self.deed]

    @property
    def about_pins(self) -> bool:
        """Whether it lays pins or takes them away."""
        return self.moment is Moment.PIN

    @property
    def passes_over_pinned(self) -> bool:
        """Whether clients pinned to the group are left alone."""
        return self.moment is Moment.MANUAL

    def apply(self, work: Work, client_ids: Collection[str], cause: Cause) -> Counts:
        """Do it to locked clients. Nothing happens to those deleted later than it was said."""
        moved = pins = 0
        for client_id in client_ids:
            touched = work[client_id]
            source, pin = touched.source(self.group), touched.client.pins.get(self.group)
            if self.deed is Deed.DRAIN:
                touched.drain(self.group, cause)
            elif not touched.was_deleted_after(self.said_at):
                self._apply(work, touched, pin, cause)
            moved += touched.source(self.group) != source
            pins += touched.client.pins.get(self.group) is not pin
        return Counts(moved, pins)

    def _apply(self, work: Work, touched: Touched, pin: Pin | None, cause: Cause) -> None:
        match self.deed:
            case Deed.ADD:
                if pin is None:
                    touched.put_in(self.group, self.said_at, cause)
            case Deed.REMOVE:
                if pin is None:
                    touched.take_out(self.group, cause)
            case Deed.UNPIN:
                if pin is not None:
                    work.unpin(touched.client.client_id, self.group, cause)
            case _:
                is_in = self.deed is Deed.PIN_IN
                held = touched.held_in(self.group, self.said_at, cause) if is_in else None
                new = Pin(self.said_at, self.expires_at, cause.cause, self.actor, self.reason, held)
                if pin is None or not _alike(pin, new):
                    touched.pin(self.group, new, cause)

    def as_json(self) -> dict[str, Any]:
        """As it is kept with a run."""
        kept: dict[str, Any] = _TASK.dump_python(self, mode="json")
        return kept


def _alike(one: Pin, other: Pin) -> bool:
    def says(pin: Pin) -> tuple[object, ...]:
        # The time too: said again later, it outlives a deletion as of a time in between.
        return pin.membership is None, pin.expires_at, pin.actor, pin.reason, pin.said_at

    return says(one) == says(other)


_TASK = TypeAdapter(MembershipTask)


def task_of(kept: Mapping[str, Any]) -> MembershipTask:
    """From what is kept with a run."""
    return _TASK.validate_python(kept)
