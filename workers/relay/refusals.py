"""What to do when a topic refuses a record: the relay must never stick on one.

A refusal comes before any commit, so the transaction as a whole is lost and its rows are read
again. What is changed here until then decides what that second reading gives: it never depends
on how often it happens, and no row is skipped.
"""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING, Final

import structlog

from db import relay as log_table
from db.log import KEPT_HEADER
from db.relay import Change, ClientState, Outgoing
from workers.relay import metrics
from workers.relay.messages import Message, kept_snapshot

if TYPE_CHECKING:
    from db.relay import RelayConnection
    from workers.relay.producer import RefusedError

_logger = structlog.get_logger(__name__)

_SMALLEST_BATCH: Final = 4_096


class Refusals:
    """What topics have refused since the last transaction that went through."""

    def __init__(self, batch_bytes: int) -> None:
        self.batch_bytes = batch_bytes
        """Where a batch is full; becomes smaller when a topic takes only smaller ones."""
        self.one_by_one = False
        """Whether to send each record in a batch of its own, to find the one that is refused."""
        self._changes: set[int] = set()
        self._snapshots: set[str] = set()

    @property
    def changes(self) -> Set[int]:
        """The seq of changes that must go without their long texts."""
        return self._changes

    def forget(self) -> None:
        """A transaction went through."""
        self.one_by_one = False
        self._changes.clear()
        self._snapshots.clear()

    async def learn(self, connection: RelayConnection, refused: RefusedError) -> None:
        """Prepare the next reading of the rows, so that it gives what the topic takes."""
        if len(refused.messages) > 1:
            self.one_by_one = True
            if refused.too_large:
                self.batch_bytes = max(_SMALLEST_BATCH, min(self.batch_bytes, refused.size) // 2)
            return
        [message] = refused.messages
        if any(name == KEPT_HEADER for name, _ in message.headers):
            return  # it is the small one already: the topic takes nothing at all, and only an operator helps
        match message.origin:
            case Outgoing() as row:
                await log_table.keep_row(connection, row)
            case Change(seq=seq):
                self._changes.add(seq)
            case ClientState(client_id=client_id):
                self._snapshots.add(client_id)
        metrics.KEPT.inc()
        _logger.error(
            "relay.record_refused",
            topic=message.topic,
            seq=getattr(message.origin, "seq", None),
            bytes=refused.size,
            error=type(refused.__cause__).__name__,
            help="the whole record stays in the database, a small one goes out in its place",
        )

    async def fit(self, connection: RelayConnection, message: Message) -> Message:
        """The snapshot itself, or a small one in its place where it was refused."""
        if not isinstance(message.origin, ClientState) or message.origin.client_id not in self._snapshots:
            return message
        if message.key is None or message.value is None:
            return message
        kept_id = await log_table.keep_message(
            connection, message.topic, message.key, message.value, message.headers
        )
        return kept_snapshot(message, kept_id)
