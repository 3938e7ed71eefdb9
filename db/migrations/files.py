"""Runs the SQL file that stands beside a migration."""

from pathlib import Path

from alembic import op


def run(migration: str) -> None:
    """Run `<migration without .py>.sql` on the migration's connection, in its transaction.

    asyncpg's prepared statements take one command each, so the file goes to the driver's own
    `execute`, which takes a script.
    """
    script = Path(migration).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind().connection.dbapi_connection
    if connection is None:
        raise RuntimeError("the migration's connection is closed")
    connection.run_async(lambda driver: driver.execute(script))
