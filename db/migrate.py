"""Brings a database to the newest schema."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from db import locks


def upgrade(database_url: str, revision: str = "head") -> None:
    """Run the migrations that are missing; does nothing on a current schema.

    Blocks until done; several processes may call it at once (an advisory lock lets one through).
    Raises OSError or sqlalchemy.exc.DBAPIError when the database cannot be reached or refuses.
    """
    asyncio.run(upgrade_async(database_url, revision))


async def upgrade_async(database_url: str, revision: str = "head") -> None:
    """The same from inside an event loop."""
    _, _, address = database_url.partition("://")
    engine = create_async_engine(f"postgresql+asyncpg://{address}", poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade, revision)
            await connection.commit()
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, revision: str) -> None:
    connection.execute(
        text("SELECT pg_advisory_xact_lock(:namespace, :lock)"),
        {"namespace": locks.NAMESPACE, "lock": locks.MIGRATION},
    )
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    command.upgrade(config, revision)
