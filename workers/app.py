"""The Faust application. Made by a function: importing this module reads no settings and opens nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import faust
from faust.app import BootStrategy
from mode import CrashingSupervisor
from mode.types import ServiceT
from yarl import URL

from workers import kafka
from workers.settings import Settings

APP_ID = "client-groups"
"""Faust's own consumer group, and the prefix of its leader topic (`client-groups-__assignor-__leader`)."""


class _Boot(BootStrategy):
    """Our services come up beside Faust's consumer, not after its first rebalance."""

    enable_web = False

    def server(self) -> Iterable[ServiceT]:
        app = self.app
        assert isinstance(app, Application)
        return self._chain(
            self.sensors(),
            self.agents(),
            app.own_services,
            self.kafka_producer(),
            self.kafka_consumer(),
            self.kafka_conductor(),
            self.tables(),
        )


class Application(faust.App):
    """A Faust app whose own services start first and stop last, but for the one that is to stop first."""

    BootStrategy = _Boot

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.own_services: list[ServiceT] = []
        """Started in this order with the app, stopped in the opposite order."""
        self.stops_first: ServiceT | None = None
        """One of them that is stopped before anything else."""

    async def on_first_start(self) -> None:
        """Faust would make folders for its tables here; there are none, and the disk may be read-only."""

    async def on_stop(self) -> None:
        """Stop the intake at once, so that another worker can take over; then what Faust has."""
        if self.stops_first is not None:
            await self.stops_first.stop()
        await super().on_stop()


def create_app(settings: Settings) -> Application:
    """Make the app. Reads certificate files if there are any; raises OSError or ssl.SSLError."""
    brokers = [URL(f"kafka://{server}") for server in settings.kafka_bootstrap_servers.split(",")]
    timeout = settings.session_timeout
    return Application(
        APP_ID,
        id_format="{id}",  # one group over all versions
        broker=brokers,
        broker_credentials=kafka.faust_credentials(settings),
        broker_client_id=kafka.CLIENT_ID,
        broker_session_timeout=timeout,
        broker_rebalance_timeout=timeout,
        broker_heartbeat_interval=timeout * 0.3,
        # Faust wants it above the session's; a request unanswered for longer finds a new connection.
        broker_request_timeout=timeout * 2,
        # Nothing goes through its topics but the leader's election.
        topic_disable_leader=False,
        topic_partitions=1,
        topic_replication_factor=settings.kafka_replication_factor,
        table_standby_replicas=0,
        stream_wait_empty=False,
        agent_supervisor=CrashingSupervisor,
        autodiscover=False,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
