"""A stack of its own with a worker, for tests that need the whole product; topics have their real names.

- running (session): `Running`, started. A test that stops the worker starts it again.
- prefix: a short unique text for the ids of groups and clients, as all tests share this one.
"""

import asyncio
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
from aiokafka import AIOKafkaProducer

from deploy.local import Stack
from deploy.local.ports import keep_ports
from deploy.local.worker import Worker
from tests.support.stack import temporary_folder
from workers.console import Console
from workers.kafka import client_arguments
from workers.settings import load_kafka


@dataclass(frozen=True)
class Running:
    stack: Stack
    worker: Worker

    @property
    def environment(self) -> dict[str, str]:
        """For processes that need Kafka's address only."""
        without = ("DATABASE_URL", "GEOIP_DATABASE")
        given = {name: value for name, value in os.environ.items() if name not in without}
        return {**given, "KAFKA_BOOTSTRAP_SERVERS": self.stack.bootstrap_servers}

    @property
    def arguments(self) -> Mapping[str, Any]:
        return client_arguments(load_kafka(kafka_bootstrap_servers=self.stack.bootstrap_servers))

    async def publish_provider(self, provider_id: str, *methods: str, active: bool = True) -> None:
        """Publish a provider, and wait until the worker has it: group commands that name it come after."""
        changed_at = datetime.now(UTC)
        value = {
            "provider_id": provider_id,
            "changed_at": changed_at.isoformat(),
            "name": provider_id,
            "active": active,
            "authorization_methods": methods,
        }
        async with AIOKafkaProducer(**self.arguments) as producer:
            await producer.send_and_wait("provider-changed", orjson.dumps(value), provider_id.encode())
        connection = await asyncpg.connect(self.stack.database_url)
        try:
            async with asyncio.timeout(30):
                query = "SELECT true FROM providers WHERE provider_id = $1 AND changed_at >= $2"
                while not await connection.fetchval(query, provider_id, changed_at):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            await connection.close()

    def start_worker(self) -> None:
        self.worker.start()
        self.worker.wait_until_ready()


@contextmanager
def started(environ: Mapping[str, str] | None = None) -> Iterator[Running]:
    """A stack and a worker, ended at the end; `environ` may name servers that exist, else these are new."""
    with temporary_folder() as folder, Stack(folder, environ=environ) as stack:
        port = keep_ports(Path(folder) / "worker-port.json", ("http",))["http"]
        worker = Worker(folder, {**os.environ, **stack.environment}, port=port, hold=stack.hold)
        running = Running(stack, worker)
        worker.prepare()
        try:
            running.start_worker()
            yield running
        finally:
            worker.stop()


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    with started() as running:
        yield running


@pytest.fixture
def prefix(running: Running) -> Iterator[str]:
    name = f"t{secrets.token_hex(4)}"
    yield name
    # All tests share this worker: clients of the next one must not come into these groups.
    asyncio.run(_delete_groups(running, name))


async def _delete_groups(running: Running, prefix: str) -> None:
    async with Console(running.arguments) as console:
        after = None
        while True:
            listed = await console.ask({"command": "list-groups", "limit": 1000, "after": after}, 60)
            page = listed.result or {}
            names = [row["group"] for row in page["groups"] if row["group"].startswith(prefix)]
            deletions = [{"command": "delete-group", "group": name, "force": True} for name in names]
            await console.ask_all(deletions, 60)
            after = page.get("after")
            if after is None:
                return
