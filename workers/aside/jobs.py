"""What runs aside of the commands' order: a job does a command in steps, each in a transaction of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from pydantic import BaseModel

from db.connections import AnyConnection
from db.log import Outgoing
from events.base import Command
from events.commands import Preview
from events.record import FieldProblem
from workers.commands.answers import AnyProblem

LONG: Final[frozenset[type[Command]]] = frozenset({Preview})
"""Commands with a step of many seconds: another `Aside` does them, and the others need not wait."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of a job gave. Without `result` and `errors` there is more to do."""

    records: Sequence[Outgoing] = ()
    snapshots: Sequence[str] = ()
    """Clients whose memberships are to be published."""
    progress: dict[str, Any] | None = None
    """What the next step is called with."""
    result: BaseModel | dict[str, Any] | None = None
    warnings: Sequence[AnyProblem] = ()
    errors: Sequence[FieldProblem] = ()


class Job(Protocol):
    """Does a command step by step."""

    async def __call__(
        self, connection: AnyConnection, command: Any, progress: dict[str, Any] | None, now: datetime
    ) -> Step:
        """Do the next step. `progress` is None at first; what it gives is written in the same transaction."""
        ...
