"""Peer (b): the agent one would write first: for each event a transaction, a loop over the rules, a producer.

It keeps less than the worker does (no order by time, no history, no cause, no outbox: a crash between commit
and send loses a change), so that its figure is a kind one.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg
import faust

from events.groups import Group as WireGroup
from rules.conditions import holds
from rules.model import Condition, Facts, Payer
from tests.benchmarks import stream
from tests.benchmarks.peers import Tally, arguments, create_app, run
from workers.commands.group_records import group_of

Connection = Any
Rules = dict[str, list[list[Condition]]]

TABLES: Final = """
DROP SCHEMA IF EXISTS plain CASCADE;
CREATE SCHEMA plain;
CREATE TABLE clients (client_id text PRIMARY KEY, registered_at text, country text, ip text, provider_id text,
                      authorization_method text, request_parameters jsonb);
CREATE TABLE payers (client_id text, payer_id text, status text, active boolean,
                     PRIMARY KEY (client_id, payer_id));
CREATE TABLE verifications (client_id text, method text, passed boolean, PRIMARY KEY (client_id, method));
CREATE TABLE memberships (client_id text, group_id text, since timestamptz NOT NULL DEFAULT now(),
                          PRIMARY KEY (client_id, group_id));
INSERT INTO clients SELECT client_id, registered_at, country, ip, provider_id, authorization_method,
                           request_parameters FROM kept.clients;
INSERT INTO memberships SELECT client_id, group_id, since FROM kept.memberships;
ANALYZE clients, memberships;
"""
"""It begins with the clients with whom the worker begins."""
FIELDS: Final = (
    "registered_at",
    "country",
    "ip",
    "provider_id",
    "authorization_method",
    "request_parameters",
)


async def store_client(connection: Connection, event: dict[str, Any]) -> None:
    """Registered or changed."""
    said = {name: event[name] for name in FIELDS if name in event}
    if "request_parameters" in said:
        said["request_parameters"] = json.dumps(said["request_parameters"])
    names = ", ".join(said)
    values = ", ".join(f"${number}" for number in range(2, len(said) + 2))
    updates = ", ".join(f"{name} = excluded.{name}" for name in said)
    await connection.execute(
        f"INSERT INTO clients (client_id, {names}) VALUES ($1, {values})"
        f" ON CONFLICT (client_id) DO UPDATE SET {updates}",
        event["client_id"],
        *said.values(),
    )


async def store_payer(connection: Connection, event: dict[str, Any]) -> None:
    """A payer changed."""
    await connection.execute(
        "INSERT INTO payers VALUES ($1, $2, $3, $4) ON CONFLICT (client_id, payer_id)"
        " DO UPDATE SET status = excluded.status, active = excluded.active",
        *(event["client_id"], event["payer_id"], event["status"], event["active"]),
    )


async def store_verification(connection: Connection, event: dict[str, Any]) -> None:
    """A verification ended; a failure takes nothing back."""
    if event["result"] != "failed":
        await connection.execute(
            "INSERT INTO verifications VALUES ($1, $2, $3) ON CONFLICT (client_id, method)"
            " DO UPDATE SET passed = excluded.passed",
            *(event["client_id"], event["method"], event["result"] == "passed"),
        )


STORES: Final[dict[str, Callable[[Connection, dict[str, Any]], Awaitable[None]]]] = {
    stream.REGISTERED: store_client,
    stream.CHANGED: store_client,
    stream.PAYER: store_payer,
    stream.VERIFIED: store_verification,
}


async def read_facts(connection: Connection, client_id: str) -> Facts | None:
    """What rules read of a client; None: not registered."""
    client = await connection.fetchrow("SELECT * FROM clients WHERE client_id = $1 FOR UPDATE", client_id)
    if client is None or client["registered_at"] is None:
        return None
    payers = await connection.fetch("SELECT status, active FROM payers WHERE client_id = $1", client_id)
    methods = await connection.fetch(
        "SELECT method FROM verifications WHERE client_id = $1 AND passed", client_id
    )
    return Facts(
        country=client["country"],
        geoip_country={"192": "DE", "198": "FR", "203": "US"}.get((client["ip"] or "")[:3]),
        provider_id=client["provider_id"],
        authorization_method=client["authorization_method"],
        request_parameters=json.loads(client["request_parameters"] or "{}"),
        payers=frozenset(Payer(row["status"], row["active"]) for row in payers),
        verification_methods=frozenset(row["method"] for row in methods),
    )


async def handle(connection: Connection, rules: Rules, topic: str, event: dict[str, Any]) -> dict[str, str]:
    """The transaction of one event; answers which groups the client joined and left."""
    client_id = event["client_id"]
    async with connection.transaction():
        await STORES[topic](connection, event)
        facts = await read_facts(connection, client_id)
        if facts is None:
            return {}
        rows = await connection.fetch("SELECT group_id FROM memberships WHERE client_id = $1", client_id)
        before = {row["group_id"] for row in rows}
        after = {
            group
            for group, clauses in rules.items()
            if all(any(holds(condition, facts) for condition in clause) for clause in clauses)
        }
        for group in after - before:
            await connection.execute("INSERT INTO memberships VALUES ($1, $2)", client_id, group)
        for group in before - after:
            await connection.execute(
                "DELETE FROM memberships WHERE client_id = $1 AND group_id = $2", client_id, group
            )
    return dict.fromkeys(after - before, "joined") | dict.fromkeys(before - after, "left")


def main() -> None:
    """Take events until told to end; say how long it took."""
    options = arguments()
    app = create_app(options)
    events = app.topic(*options.topics, value_type=bytes, value_serializer="raw", key_serializer="raw")
    changes = app.topic("bench-plain-changes", value_serializer="json", key_serializer="raw")
    tally = Tally(options)
    rules: Rules = {}
    for document in stream.groups():
        group = group_of(WireGroup.model_validate(document))
        numbers = sorted({condition.condition_group for condition in group.conditions})
        rules[group.group_id] = [
            [condition for condition in group.conditions if condition.condition_group == number]
            for number in numbers
        ]

    @app.agent(events)
    async def work(taken: faust.StreamT[bytes]) -> None:
        pool = await asyncpg.create_pool(options.database, server_settings={"search_path": "plain"})
        await pool.execute(TABLES)
        async for each in taken.events():
            event = json.loads(each.value)
            async with pool.acquire() as connection:
                changed = await handle(connection, rules, each.message.topic, event)
            for group, change in changed.items():
                value = {"client_id": event["client_id"], "group": group, "change": change}
                await changes.send(key=event["client_id"].encode(), value=value)
            tally.one()

    run(app)


if __name__ == "__main__":
    main()
