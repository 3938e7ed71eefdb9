"""What is done to a client's membership of one group: by a command at once, or by a run chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from db.clients import Pin
from rules.model import Moment
from workers.work import Cause, Work, held_in


class Deed(StrEnum):
    """What is done."""

    ADD = "add"
    REMOVE = "remove"
    PIN_IN = "pin_in"
    PIN_OUT = "pin_out"
    UNPIN = "unpin"
    DRAIN = "drain"
    """The group is being deleted: pins and memberships of it go."""


_MOMENTS: Mapping[Deed, Moment] = {
    Deed.ADD: Moment.MANUAL,
    Deed.REMOVE: Moment.MANUAL,
    Deed.PIN_IN: Moment.PIN,
    Deed.PIN_OUT: Moment.PIN,
    Deed.UNPIN: Moment.PIN,
    Deed.DRAIN: Moment.GROUP_DELETED,
}


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
    def passes_over_pinned(self) -> bool:
        """Whether clients pinned to the group are left alone."""
        return self.deed in (Deed.ADD, Deed.REMOVE)

    def apply(self, work: Work, client_ids: Sequence[str], cause: Cause) -> int:
        """Do it to locked clients; answers how many memberships, or pins, are different now."""
        return sum(self._apply(work, client_id, cause) for client_id in client_ids)

    def _apply(self, work: Work, client_id: str, cause: Cause) -> bool:
        touched = work[client_id]
        if self.deed is Deed.DRAIN:
            return touched.drain(self.group, cause)
        if touched.was_deleted_after(self.said_at):
            return False
        pin = touched.client.pins.get(self.group)
        match self.deed:
            case Deed.ADD:
                return pin is None and work.put_in(client_id, self.group, self.said_at, cause)
            case Deed.REMOVE:
                return pin is None and work.take_out(client_id, self.group, self.said_at, cause)
            case Deed.UNPIN:
                if pin is not None:
                    work.unpin(client_id, self.group, cause)
                return pin is not None
            case _:
                return self._pin(work, client_id, pin, cause)

    def _pin(self, work: Work, client_id: str, before: Pin | None, cause: Cause) -> bool:
        touched = work[client_id]
        is_in = self.deed is Deed.PIN_IN
        held = held_in(touched, self.group, self.said_at, cause) if is_in else None
        pin = Pin(self.said_at, self.expires_at, cause.cause, self.actor, self.reason, held)
        if before is not None and _alike(before, pin):
            return False
        touched.pin(self.group, pin, cause)
        return True

    def as_json(self) -> dict[str, Any]:
        """As it is kept with a run."""
        kept: dict[str, Any] = _TASK.dump_python(self, mode="json")
        return kept


def _alike(one: Pin, other: Pin) -> bool:
    return (
        (one.membership is None) == (other.membership is None)
        and one.expires_at == other.expires_at
        and one.reason == other.reason
        and one.actor == other.actor
    )


_TASK = TypeAdapter(MembershipTask)


def task_of(kept: Mapping[str, Any]) -> MembershipTask:
    """From what is kept with a run."""
    return _TASK.validate_python(kept)
