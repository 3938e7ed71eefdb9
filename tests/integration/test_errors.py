"""A connection that the server ends is a fault that passes, at whatever moment it is met."""

import asyncio
import time

import asyncpg
import pytest

from db.errors import is_transient


@pytest.mark.parametrize("ticks", range(5))
async def test_a_connection_ended_by_the_server(database_url: str, ticks: int) -> None:
    ended = await asyncpg.connect(database_url)
    other = await asyncpg.connect(database_url)
    try:
        assert await other.fetchval("SELECT pg_terminate_backend($1)", ended.get_server_pid())
        time.sleep(0.1)  # noqa: ASYNC251 - the loop stands still: the farewell and the end wait to be read
        for _ in range(ticks):
            await asyncio.sleep(0)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - which one depends on the moment
            await ended.execute("SELECT 1")
        assert is_transient(caught.value), repr(caught.value)
    finally:
        ended.terminate()
        await other.close()
