"""What a run over all clients stands beside: reading what it reads, a query a group, a loop. None writes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import groupby
from typing import Any, Final

import asyncpg

from db import groups as stored_groups
from db import pool as pools
from rules.model import Comparison, Condition, ConditionType, Facts, GroupRules, Payer, Unknown
from tests.support.oracle_rules import group_verdict

READ_AT_ONCE: Final = 10_000
_FLOOR: Final = (
    """SELECT client_id, country, geoip_country, geoip_build, provider_id, authorization_method,
              request_parameters
       FROM clients WHERE registered_at IS NOT NULL ORDER BY client_id""",
    "SELECT client_id, status, active FROM payers WHERE NOT deleted ORDER BY client_id",
    """SELECT client_id, method, passed_at, passed_order, revoked_at, revoked_order
       FROM verifications ORDER BY client_id""",
    "SELECT client_id, group_id, source FROM memberships ORDER BY client_id",
)
_PASSED: Final = """v.client_id = c.client_id AND v.passed_at IS NOT NULL
    AND (v.revoked_at IS NULL OR (v.passed_at, v.passed_order) > (v.revoked_at, v.revoked_order))"""
_INDEXES: Final = """
CREATE INDEX bench_country ON clients (country);
CREATE INDEX bench_geoip ON clients (geoip_country);
CREATE INDEX bench_provider ON clients (provider_id);
CREATE INDEX bench_method ON clients (authorization_method);
ANALYZE clients;
"""
_NO_INDEXES: Final = "DROP INDEX bench_country, bench_geoip, bench_provider, bench_method"


async def floor(database_url: str) -> float:
    """Seconds to read all facts and memberships, table by table, through cursors; rows are dropped."""
    connection = await asyncpg.connect(database_url)
    await pools.prepare(connection)
    try:
        began = time.perf_counter()
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            for query in _FLOOR:
                cursor = await connection.cursor(query)
                while await cursor.fetch(READ_AT_ONCE):
                    pass
        return time.perf_counter() - began
    finally:
        await connection.close()


async def query_a_group(database_url: str, count: int) -> dict[str, Any]:
    """Who would join and who leave, by a query for each of `count` groups, with indexes made for it.

    The indexes are dropped again: events would have to pay for them. `seconds` is for all groups.
    """
    connection = await asyncpg.connect(database_url, server_settings={"work_mem": "256MB", "jit": "off"})
    try:
        rules, _ = await stored_groups.rules_since(connection, 0)
        chosen = rules[:: max(1, len(rules) // count)][:count]
        await connection.execute(_INDEXES)
        joins = leaves = 0
        began = time.perf_counter()
        for each in chosen:
            row = await connection.fetchrow(sql_of(each), each.group)
            assert row is not None
            joins, leaves = joins + row["joins"], leaves + row["leaves"]
        spent = time.perf_counter() - began
        await connection.execute(_NO_INDEXES)
    finally:
        await connection.close()
    seconds = spent * len(rules) / len(chosen)
    return {"groups": len(chosen), "seconds": seconds, "joins": joins, "leaves": leaves}


async def loop(database_url: str, count: int) -> dict[str, float]:
    """Microseconds a client of what one would write first: read a client, ask each rule, one by one."""
    connection = await asyncpg.connect(database_url)
    await pools.prepare(connection)
    try:
        rules, _ = await stored_groups.rules_since(connection, 0)
        ids = [
            row["client_id"] for row in await connection.fetch(f"SELECT client_id FROM clients LIMIT {count}")
        ]
        changes = 0
        began = time.perf_counter()
        for client_id in ids:
            facts = await _facts(connection, client_id)
            rows = await connection.fetch("SELECT group_id FROM memberships WHERE client_id = $1", client_id)
            members = {row["group_id"] for row in rows}
            for each in rules:
                verdict = group_verdict(each, facts)
                changes += verdict is not None and verdict != (each.group in members)
        spent = time.perf_counter() - began
    finally:
        await connection.close()
    return {"clients": len(ids), "us_a_client": spent / len(ids) * 1e6, "changes": changes}


async def _facts(connection: asyncpg.Connection[asyncpg.Record], client_id: str) -> Facts:
    row = await connection.fetchrow("SELECT * FROM clients WHERE client_id = $1", client_id)
    assert row is not None
    payers = await connection.fetch(
        "SELECT status, active FROM payers WHERE client_id = $1 AND NOT deleted", client_id
    )
    passed = await connection.fetch(
        f"SELECT method FROM verifications AS v, (SELECT $1 AS client_id) AS c WHERE {_PASSED}", client_id
    )
    return Facts(
        row["country"],
        Unknown.UNKNOWN if row["geoip_build"] is None else row["geoip_country"],
        row["provider_id"],
        row["authorization_method"],
        row["request_parameters"] or {},
        frozenset(Payer(each["status"], each["active"]) for each in payers),
        frozenset(each["method"] for each in passed),
    )


def sql_of(rules: GroupRules) -> str:
    """The query that counts who would join and who leave a group ($1). Knows what the stream's groups ask."""
    clauses = sorted(rules.conditions, key=lambda each: each.condition_group)
    matches = " AND ".join(
        "(" + " OR ".join(_sql(each) for each in found) + ")"
        for _, found in groupby(clauses, key=lambda each: each.condition_group)
    )
    return f"""
SELECT (SELECT count(*) FROM clients AS c
        WHERE c.registered_at IS NOT NULL AND {matches}
          AND NOT EXISTS (SELECT FROM memberships AS m
                          WHERE m.client_id = c.client_id AND m.group_id = $1)) AS joins,
       (SELECT count(*) FROM memberships AS m JOIN clients AS c ON c.client_id = m.client_id
        WHERE m.group_id = $1 AND c.registered_at IS NOT NULL AND NOT ({matches})) AS leaves
"""


_COLUMNS: Final[Mapping[ConditionType, str]] = {
    ConditionType.COUNTRY: "c.country",
    ConditionType.GEOIP_COUNTRY: "c.geoip_country",
    ConditionType.PROVIDER: "c.provider_id",
    ConditionType.AUTHORIZATION_METHOD: "c.authorization_method",
}
_NEGATIVE: Final = (Comparison.NOT_EQUALS, Comparison.NONE_OF)


def _sql(condition: Condition) -> str:
    listed = [condition.value] if isinstance(condition.value, str) else list(condition.value or ())
    values = ", ".join(f"'{each}'" for each in listed)
    negation = "NOT " if condition.comparison in _NEGATIVE else ""
    match condition.type:
        case ConditionType.PAYER_STATUS:
            active = "" if condition.include_inactive else " AND p.active"
            return (
                f"{negation}EXISTS (SELECT FROM payers AS p WHERE p.client_id = c.client_id"
                f" AND NOT p.deleted{active} AND p.status IN ({values}))"
            )
        case ConditionType.VERIFICATION_METHOD:
            return (
                f"{negation}EXISTS (SELECT FROM verifications AS v"
                f" WHERE {_PASSED} AND v.method IN ({values}))"
            )
        case ConditionType.VERIFICATION_STATUS:
            passed = "" if ("passed" in listed) != bool(negation) else "NOT "
            return f"{passed}EXISTS (SELECT FROM verifications AS v WHERE {_PASSED})"
        case ConditionType.REQUEST_PARAMETER if condition.comparison is Comparison.STARTS_WITH:
            return f"coalesce(c.request_parameters ->> '{condition.parameter}' LIKE '{listed[0]}%', false)"
        case ConditionType.REQUEST_PARAMETER:
            value = f"c.request_parameters ->> '{condition.parameter}'"
            return f"coalesce({value} IN ({values}), false)" if not negation else f"{value} NOT IN ({values})"
        case plain:
            return f"{negation}coalesce({_COLUMNS[plain]} IN ({values}), false)"
