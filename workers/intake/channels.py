"""A Faust channel that keeps what is put into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faust.channels import Channel
from mode.utils.queues import FlowControlEvent, ThrowableQueue


class KeepingChannel(Channel[Any]):
    """A bounded channel with one queue for itself and its clones, which nothing suspends or clears.

    Faust's own channel: (1) is suspended and emptied at each rebalance of the app's own consumer;
    (2) drops what is put before an agent's stream subscribes; (3) puts a copy into a queue of the agent
    that nobody reads, so that a bounded one blocks for ever.
    """

    @property
    def queue(self) -> ThrowableQueue[Any]:
        """The one queue."""
        if self._queue is None:
            self._queue = ThrowableQueue(
                maxsize=self.maxsize or 1, flow_control=FlowControlEvent(initially_suspended=False)
            )
        return self._queue

    async def put(self, value: Any) -> None:
        """Put an item into the queue. Blocks while it is full."""
        await self.queue.put(value)

    def _clone_args(self) -> Mapping[str, Any]:
        return {**super()._clone_args(), "queue": self.queue}
