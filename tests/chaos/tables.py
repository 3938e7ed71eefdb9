"""Reads the product's tables, in one snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg

Row = dict[str, Any]

QUERIES = {
    "clients": "SELECT *, request_parameters::text AS parameters FROM clients ORDER BY client_id",
    "payers": "SELECT * FROM payers ORDER BY client_id, payer_id",
    "verifications": "SELECT * FROM verifications ORDER BY client_id, method",
    "providers": "SELECT * FROM providers ORDER BY provider_id",
    "groups": "SELECT group_id, version FROM groups WHERE state = 'active' ORDER BY group_id",
    "memberships": "SELECT * FROM memberships ORDER BY client_id, group_id",
    "history": "SELECT xmin::text AS batch, * FROM membership_history ORDER BY seq",
    "pins": "SELECT * FROM pins ORDER BY client_id, group_id",
    "runs": "SELECT *, skipped::text AS why_skipped FROM runs ORDER BY started_at, run_id",
    "notes": "SELECT * FROM chaos_notes ORDER BY seq",
    "positions": "SELECT * FROM input_positions ORDER BY topic, partition",
    "trace": "SELECT xmin::text AS batch, * FROM input_trace ORDER BY seq",
    "kept": "SELECT * FROM kept_records ORDER BY kept_id",
}


@dataclass(frozen=True)
class Tables:
    """All rows; those of `trace`, `history` and `notes` (witness.py) name the transaction as `batch`."""

    clients: list[Row]
    payers: list[Row]
    verifications: list[Row]
    providers: list[Row]
    groups: list[Row]
    memberships: list[Row]
    history: list[Row]
    pins: list[Row]
    runs: list[Row]
    notes: list[Row]
    positions: list[Row]
    trace: list[Row]
    kept: list[Row]


async def read_tables(database_url: str) -> Tables:
    """Everything the oracle looks at."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            rows = {
                name: [dict(row) for row in await connection.fetch(query)] for name, query in QUERIES.items()
            }
    finally:
        await connection.close()
    return Tables(**rows)


async def positions(database_url: str) -> dict[tuple[str, int], int]:
    """The next offset of each input partition."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch("SELECT topic, partition, next_offset FROM input_positions")
    finally:
        await connection.close()
    return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def runs(database_url: str) -> list[Row]:
    """All runs, the oldest first."""
    connection = await asyncpg.connect(database_url)
    try:
        return [dict(row) for row in await connection.fetch(QUERIES["runs"])]
    finally:
        await connection.close()


async def groups(database_url: str) -> list[str]:
    """The groups that there are."""
    connection = await asyncpg.connect(database_url)
    try:
        return [row["group_id"] for row in await connection.fetch(QUERIES["groups"])]
    finally:
        await connection.close()


async def last_seq(database_url: str) -> int:
    """The last row of the log that has to go out."""
    connection = await asyncpg.connect(database_url)
    try:
        value = await connection.fetchval(
            "SELECT max(seq) FROM"
            " (SELECT seq FROM membership_history UNION ALL SELECT seq FROM outgoing_records) AS log"
        )
    finally:
        await connection.close()
    return int(value or 0)
