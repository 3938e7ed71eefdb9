"""Every change by the rules is judged again by what is kept of it: it is to come out as it was."""

from __future__ import annotations

import asyncpg

from db import client_reading, evidence, group_versions
from db.clients import Client
from db.connections import AnyConnection
from rules.model import GroupRules
from tests.support.oracle_rules import group_verdict
from workers.membership.folding import facts_of

_BY_RULES = """
SELECT client_id, version, group_id, joined, rules_version FROM membership_history
WHERE moment IN ('registration', 'change', 'schedule', 'forced') AND version > $1
"""


async def assert_history_is_explained(pool: asyncpg.Pool[asyncpg.Record], *, since: int = 0) -> int:
    """Answers how many changes were judged: the facts of a deleted client are gone.

    `since`: only later versions.
    """
    judged = 0
    async with pool.acquire() as connection:
        for client_id, version, group, joined, rules_version in await connection.fetch(_BY_RULES, since):
            client = await _client(connection, client_id, version)
            if client is None:
                continue
            definition = await group_versions.at_rules(connection, group, rules_version)
            assert definition is not None
            assert definition.group is not None
            said = (client_id, version, group, joined)
            verdict = group_verdict(GroupRules(group, definition.group.conditions), facts_of(client))
            assert verdict is joined, said
            assert joined or definition.group.exclude, said
            judged += 1
    return judged


async def _client(connection: AnyConnection, client_id: str, version: int) -> Client | None:
    past = await evidence.of_version(connection, client_id, version)
    if past is not None:
        return past.client
    found = await client_reading.find(connection, client_id)
    assert found is not None
    assert found.client.registered_at is not None
    return found.client
