"""What runs do: a kind for each, which the runner looks up by the kind of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from db.log import Outgoing
from db.net import Net
from db.runs import Came, Chunk, Order

if TYPE_CHECKING:
    from db.connections import AnyConnection
    from rules.ruleset import RuleSet


@dataclass(slots=True)
class Piece:
    """What doing a chunk gave; what of it is the clients' is yet to be written."""

    net: Net = field(default_factory=Net)
    to_leave: int = 0
    remaining: int = 0
    """Clients of the chunk that were put back, as a chunk, for another time."""
    skipped: Mapping[str, int] = field(default_factory=dict)

    def came(self, clients: int) -> Came:
        """For the run's counts; the chunk counts for so many clients."""
        joined = sum(row.joined for row in self.net.history)
        return Came(
            clients - self.remaining, joined, len(self.net.history) - joined, self.to_leave, self.skipped
        )


class RunKind(Protocol):
    """What the runs of one kind do. Called in the transaction of a chunk, with the rules held."""

    async def do(
        self, connection: AnyConnection, chunk: Chunk, order: Order, rules: RuleSet, now: datetime
    ) -> Piece:
        """Do a chunk: decide, and write all but the clients."""
        ...

    async def through(
        self, connection: AnyConnection, run_id: str, order: Order, now: datetime, net: Net
    ) -> list[Outgoing]:
        """All chunks are done: end the run, hold it, or add further chunks. The run is locked.

        `net` is what the last chunk gave; it is yet to be written.
        """
        ...
