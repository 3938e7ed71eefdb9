"""Takes pins away when they expire (mission B6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from mode import Service

from db import clients
from db.connections import AnyConnection
from db.net import write
from rules.model import Moment
from workers.membership.touched import Cause
from workers.membership.work import Work
from workers.transactions import transact

if TYPE_CHECKING:
    import asyncpg

    from workers.membership.rulesets import RuleSets

AT_ONCE: Final = 500
"""Clients whose pins are taken away in one transaction."""
LOOK_S: Final = 1.0
"""How often it looks: a pin may hold this much longer than said."""


class PinExpiry(Service):
    """Looks for expired pins, at the start too: what expired while nothing ran takes effect then, once.

    Every worker has one. Two that meet on a client wait for its lock, and the second finds nothing to do.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        rulesets: RuleSets,
        *,
        clock: Callable[[], datetime],
        committed: Callable[[], None],
        **kwargs: Any,
    ) -> None:
        """`committed` is called after each commit that appended to the log; it must not block."""
        super().__init__(**kwargs)
        self._pool = pool
        self._rulesets = rulesets
        self._clock = clock
        self._committed = committed

    @Service.timer(LOOK_S)
    async def _look(self) -> None:
        while not self.should_stop and await self.step():
            pass

    async def step(self) -> bool:
        """Take away some of the pins that have expired; answers whether there were any."""
        did = await transact(self._pool, self._expire)
        if did:
            self._committed()
        return did

    async def _expire(self, connection: AnyConnection) -> bool:
        now = self._clock()
        client_ids = await clients.with_expired_pins(connection, now, AT_ONCE)
        if not client_ids:
            return False
        rules = await self._rulesets.hold(connection)
        work = Work(await clients.lock(connection, client_ids), rules)
        for client_id in client_ids:
            for group, pin in list(work[client_id].client.pins.items()):
                if pin.expires_at is not None and pin.expires_at <= now:
                    cause = Cause(Moment.PIN, pin.cause, now, None, pin.actor, pin.reason)
                    work.unpin(client_id, group, cause)
        await write(connection, work.net())
        return True
