"""Facts about clients are shown to operators who ask; no log has them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer

from tests.support.running import Running
from workers.console import Console

TIMEOUT = 30.0
IP = "198.51.100.213"
OTHER_IP = "192.0.2.219"
PARAMETER = "mother's maiden name"
VALUE = "Featherstonehaugh"
PAYER = "tax-number-7482910365"
EQUALS = {"comparison": "equals"}
FACTS = (IP, OTHER_IP, PARAMETER, VALUE, PAYER)


def now() -> str:
    return datetime.now(UTC).isoformat()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(TIMEOUT):
        while not await condition():  # noqa: ASYNC110 - it is asked over Kafka
            await asyncio.sleep(0.05)


async def test_logs_hold_no_facts_of_clients(running: Running, prefix: str) -> None:
    client = f"{prefix}-1"
    group = {
        "command": "put-group",
        "group": prefix,
        "name": prefix,
        "conditions": [
            {
                "condition_group": 1,
                "type": "request_parameter",
                "parameter": PARAMETER,
                **EQUALS,
                "value": VALUE,
            },
            {"condition_group": 2, "type": "geoip_country", **EQUALS, "value": "FR"},
        ],
        "auto_assignment": {"upon_registration": True, "exclude": True},
    }
    about = {"client_id": client}
    registered: dict[str, Any] = {
        **about,
        "registered_at": now(),
        "ip": IP,
        "request_parameters": {PARAMETER: VALUE},
    }
    async with Console(running.arguments) as console, AIOKafkaProducer(**running.arguments) as producer:

        async def publish(topic: str, body: dict[str, Any]) -> None:
            await producer.send_and_wait(topic, json.dumps(body).encode(), client.encode())

        async def ask(body: dict[str, Any]) -> dict[str, Any]:
            answer = await console.ask(body, TIMEOUT)
            assert answer.status == "done", answer
            return answer.result or {}

        async def is_member() -> bool:
            return client in (await ask({"command": "list-members", "group": prefix}))["clients"]

        async def is_no_member() -> bool:
            return not await is_member()

        await ask(group)
        await publish("client-registered", registered)
        # What goes wrong is where facts come into logs: these are dead letters.
        await publish("client-registered", {**registered, "country": VALUE, "registered_at": "yesterday"})
        await publish("client-changed", {**about, "changed_at": now(), "ip": f"{IP}.{VALUE}"})
        payer = {**about, "payer_id": PAYER, "changed_at": now(), "status": VALUE}
        await publish("payer-changed", payer)
        await publish("payer-changed", {**payer, "status": "legal_entity"})
        await until(is_member)
        explained = await ask({"command": "explain", **about, "group": prefix})
        assert [each["fact"] for each in explained["conditions"]] == [VALUE, "FR"]
        await publish("client-changed", {**about, "changed_at": now(), "ip": OTHER_IP})
        await until(is_no_member)
        explained = await ask({"command": "explain", **about, "group": prefix, "version": 1})
        assert [each["fact"] for each in explained["conditions"]] == [VALUE, "FR"]
        await ask({"command": "show-client", **about})
        await ask({"command": "history", **about})
    logged = running.worker.log.read_text()
    assert "worker starts" in logged
    for fact in FACTS:
        assert fact not in logged, next(line for line in logged.splitlines() if fact in line)
