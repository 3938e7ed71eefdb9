"""The digest of groups that were stored before there were digests, and how groups are found by it."""

import asyncpg

from db import groups, pool
from db.migrate import upgrade_async
from db.queries import load
from rules.model import Comparison, Condition, ConditionType

BEFORE = "0004"


async def test_groups_that_are_there_get_their_digest(empty_database_url: str) -> None:
    await upgrade_async(empty_database_url, BEFORE)
    connection = await asyncpg.connect(empty_database_url)
    try:
        await connection.execute(
            """
            INSERT INTO groups (group_id, name, version, updated_at, updated_by, rules_version)
            SELECT group_id, group_id, 1, now(), 'ann', 1
            FROM unnest(ARRAY['a', 'b', 'none']) AS u (group_id);
            INSERT INTO conditions (group_id, position, condition_group, type, comparison, value)
            VALUES ('a', 0, 1, 'country', 'one_of', ARRAY['DE', 'FR']),
                   ('b', 0, 3, 'country', 'equals', ARRAY['FR']),
                   ('b', 1, 3, 'country', 'equals', ARRAY['DE']);
            """
        )
    finally:
        await connection.close()
    await upgrade_async(empty_database_url)
    conditions = (Condition(1, ConditionType.COUNTRY, Comparison.ONE_OF, ("FR", "DE")),)
    made = await pool.create(empty_database_url, size=1)
    try:
        async with made.acquire() as held:
            asking = groups.Group("c", "C", conditions=conditions)
            assert await groups.with_same_conditions(held, asking, limit=9) == ["a", "b"]
            assert await groups.with_same_conditions(held, groups.Group("c", "C"), limit=9) == []
    finally:
        await made.close()


async def test_they_are_found_by_a_key_among_ten_thousand(database_url: str) -> None:
    made = await pool.create(database_url, size=1)
    try:
        async with made.acquire() as held:
            await held.execute(
                """
                INSERT INTO groups (group_id, name, version, updated_at, updated_by, rules_version,
                                    conditions_digest)
                SELECT n::text, 'n', 1, now(), 'ann', 1, md5((n / 2)::text)
                FROM generate_series(1, 10000) AS s (n)
                """
            )
            statement = load("groups").with_digest.sql
            digest = await held.fetchval("SELECT md5('7')")
            assert [row[0] for row in await held.fetch(statement, digest, "14", 9)] == ["15"]
            (plan,) = await held.fetch(f"EXPLAIN (FORMAT JSON) {statement}", digest, "14", 9)
            assert '"Index Name": "groups_conditions_digest"' in plan[0]
    finally:
        await made.close()
