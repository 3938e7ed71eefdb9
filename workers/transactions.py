"""Runs a piece of work in a transaction until the database takes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from db.errors import is_transient

if TYPE_CHECKING:
    import asyncpg

    from db.connections import AnyConnection

T = TypeVar("T")
LONGEST_WAIT_S = 5.0
"""The longest wait between two tries while the database is away."""

_logger = structlog.get_logger(__name__)


async def persist(work: Callable[[], Awaitable[T]], *, longest_wait_s: float = LONGEST_WAIT_S) -> T:
    """Do `work` again and again until it does not fail for a reason that passes.

    Waits as long as the database is away. Raises what is not transient. `work` is to begin anew each time.
    """
    async for attempt in AsyncRetrying(
        retry=retry_if_exception(is_transient),
        wait=wait_random_exponential(multiplier=0.05, max=longest_wait_s),
        before_sleep=_say_retry,
        reraise=True,
    ):
        with attempt:
            return await work()
    raise AssertionError("retried without end")


async def transact(pool: asyncpg.Pool[asyncpg.Record], work: Callable[[AnyConnection], Awaitable[T]]) -> T:
    """Do `work` in a transaction of its own, by the rules of `persist`."""

    async def once() -> T:
        async with pool.acquire() as connection, connection.transaction():
            return await work(connection)

    return await persist(once)


def _say_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    _logger.warning("transaction failed, trying again", attempt=state.attempt_number, error=repr(error))
