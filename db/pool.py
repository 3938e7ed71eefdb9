"""The connection pool."""

from typing import Final, Literal

import asyncpg
import orjson

# A transaction of a batch takes tens of milliseconds; one that waits for a lock longer than this
# is better rolled back and tried again than left to hold its own locks.
LOCK_TIMEOUT_S: Final = 30
COMMAND_TIMEOUT_S: Final = 60
# Every statement on these connections finds its rows by keys handed to it, some thousands at the most.
# Prepared statements are planned when a table is young and small, and would go on scanning it whole
# when it has grown to millions, until its next ANALYZE; so do not offer the planner any other way.
BY_KEY: Final = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}


async def prepare(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Set up a new connection: jsonb comes and goes as Python objects."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        # jsonb's binary form is a version byte, 1, and the text.
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda data: orjson.loads(data[1:]),
    )


async def create(
    database_url: str,
    *,
    size: int = 4,
    application_name: str = "client-groups",
    isolation: Literal["read committed", "repeatable read"] = "read committed",
) -> "asyncpg.Pool[asyncpg.Record]":
    """Open a pool of at most `size` connections; `isolation` is that of its transactions.

    Waits until the first one stands. Raises OSError or asyncpg.PostgresError if it cannot.
    """
    return await asyncpg.create_pool(
        database_url,
        min_size=1,
        max_size=size,
        init=prepare,
        command_timeout=COMMAND_TIMEOUT_S,
        server_settings={
            "application_name": application_name,
            "timezone": "UTC",
            "lock_timeout": f"{LOCK_TIMEOUT_S}s",
            "default_transaction_isolation": isolation,
            **BY_KEY,
        },
        reset=_keep,
    )


async def _keep(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Give a connection back as it is.

    asyncpg would reset it with a round trip for each use; nothing here leaves anything in a session.
    """
