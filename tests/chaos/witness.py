"""Sees what runs do to their tables, in the order of the log: by triggers, which only the chaos runs have.

Each row that a transaction writes of a run is noted as the transaction commits, with the next number of the
log, which is held from there on: as everything in the log, the notes stand in the order of the commits.
"""

from __future__ import annotations

from typing import Final

import asyncpg

from db import locks

WATCHED: Final = {
    "runs": "INSERT OR UPDATE",
    "run_groups": "UPDATE",
    "run_chunks": "INSERT OR DELETE",
    "run_leaves": "INSERT",
    "pins": "UPDATE",
}
_NOTES: Final = f"""
CREATE TABLE chaos_notes (
    seq bigint PRIMARY KEY, batch text NOT NULL,
    source text NOT NULL, operation text NOT NULL, was jsonb, now jsonb
);
CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock({locks.NAMESPACE}, {locks.LOG});
    INSERT INTO chaos_notes
    VALUES (nextval('log_seq'), pg_current_xact_id()::xid::text,
            TG_TABLE_NAME, TG_OP, to_jsonb(OLD), to_jsonb(NEW));
    RETURN NULL;
END $$;
"""


async def watch_runs(database_url: str) -> None:
    """From now on; the database is migrated."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute(_NOTES)
            for table, operations in WATCHED.items():
                await connection.execute(
                    f"CREATE CONSTRAINT TRIGGER chaos_note AFTER {operations} ON {table}"
                    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION chaos_note()"
                )
    finally:
        await connection.close()
