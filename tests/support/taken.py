"""Waits until the worker has taken events: topics have no order among each other, and commands need facts."""

import asyncio
from collections.abc import Mapping

import asyncpg

from db import positions
from tests.support.observer import TIMEOUT_S


def wait_until_taken(database_url: str, ends: Mapping[positions.Partition, int]) -> None:
    """Block until the worker has committed what it did with the records before these offsets."""
    asyncio.run(_wait(database_url, ends))


async def _wait(database_url: str, ends: Mapping[positions.Partition, int]) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                now = await positions.read(connection, ends)
                if all((now[place] or 0) >= end for place, end in ends.items()):
                    return
                await asyncio.sleep(0.01)
    finally:
        await connection.close()
