"""Kafka, PostgreSQL and a GeoIP database together.

    from deploy.local import Stack

    with Stack(Path(".local")) as stack:     # blocks until both answer: 5 s
        stack.bootstrap_servers              # "127.0.0.1:15123"
        stack.database_url                   # "postgresql://client_groups:...@127.0.0.1:15124/client_groups"
        stack.geoip_path                     # Path of a country database in GeoLite2's form
        subprocess.run(..., env={**os.environ, **stack.environment})
        stack.kafka.stop(graceful=False)     # a crash ...
        stack.kafka.start()                  # ... and its recovery: same data, same port
        stack.kafka.tool("org.apache.kafka.tools.ConsoleProducer", "--topic", ...)   # a command line

All of it blocks: from asyncio use asyncio.to_thread(). The servers end with this process, even if it
is killed.
"""

import atexit
import os
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from deploy.local.errors import StackError
from deploy.local.geoip import write_country_database
from deploy.local.kafka import Kafka
from deploy.local.lock import FolderLock
from deploy.local.ports import keep_ports
from deploy.local.postgres import Postgres

BOOTSTRAP_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
DATABASE_VARIABLE = "DATABASE_URL"
GEOIP_VARIABLE = "GEOIP_DATABASE"
CONNECT_TIMEOUT = 5.0  # seconds, for servers that should exist


class Stack:
    """Both servers on the data in `folder`, or those that KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL name.

    `kafka` and `postgres` are the servers run here; asking for one that the environment gave raises
    StackError.
    """

    def __init__(self, folder: Path, *, environ: Mapping[str, str] | None = None) -> None:
        given = os.environ if environ is None else environ
        self.folder = folder.absolute()
        self.geoip_path = self.folder / "geoip" / "country.mmdb"
        self._given_kafka = given.get(BOOTSTRAP_VARIABLE) or None
        self._given_database = given.get(DATABASE_VARIABLE) or None
        self._lock = FolderLock(self.folder)
        self._kafka: Kafka | None = None
        self._postgres: Postgres | None = None

    @property
    def kafka(self) -> Kafka:
        """The broker run here, after start()."""
        if self._kafka is None:
            raise StackError(
                f"Kafka is not run here: {BOOTSTRAP_VARIABLE} names one, or the stack is not started"
            )
        return self._kafka

    @property
    def postgres(self) -> Postgres:
        """The PostgreSQL server run here, after start()."""
        if self._postgres is None:
            raise StackError(
                f"PostgreSQL is not run here: {DATABASE_VARIABLE} names one, or the stack is not started"
            )
        return self._postgres

    @property
    def owns_kafka(self) -> bool:
        """Whether Kafka is run here, not given by the environment."""
        return self._given_kafka is None

    @property
    def owns_postgres(self) -> bool:
        """Whether PostgreSQL is run here, not given by the environment."""
        return self._given_database is None

    @property
    def bootstrap_servers(self) -> str:
        """host:port[,host:port...] of Kafka."""
        return self._given_kafka or self.kafka.bootstrap_servers

    @property
    def database_url(self) -> str:
        """postgresql://... of the application's database."""
        return self._given_database or self.postgres.database_url

    @property
    def hold(self) -> int | None:
        """A file descriptor to hand to further Child processes on this data folder (see lock.py)."""
        return self._lock.fd

    @property
    def environment(self) -> dict[str, str]:
        """The settings that a worker needs to use this stack."""
        return {
            BOOTSTRAP_VARIABLE: self.bootstrap_servers,
            DATABASE_VARIABLE: self.database_url,
            GEOIP_VARIABLE: str(self.geoip_path),
        }

    def start(self) -> None:
        """Start what is not given by the environment, and block until both answer: about 5 s.

        Raises StackError when something is missing, does not come up, or does not answer.
        """
        self._lock.acquire()
        atexit.register(self.stop)
        try:
            ports = keep_ports(self.folder / "ports.json", ("kafka", "kafka_controller", "postgres"))
            if not self.geoip_path.exists():
                write_country_database(self.geoip_path)
            if self.owns_kafka:
                self._kafka = Kafka(
                    self.folder / "kafka",
                    port=ports["kafka"],
                    controller_port=ports["kafka_controller"],
                    hold=self._lock.fd,
                )
            if self.owns_postgres:
                self._postgres = Postgres(
                    self.folder / "postgres", port=ports["postgres"], hold=self._lock.fd
                )
            starts = [server.start for server in (self._kafka, self._postgres) if server is not None]
            self._check_given()
            with ThreadPoolExecutor(2) as pool:
                for start in [pool.submit(start) for start in starts]:
                    start.result()
        except OSError as error:
            self.stop()
            raise StackError(f"the data folder {self.folder} cannot be used: {error.strerror}") from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End what was started here, in order, and block until it is gone: 1-2 s. Not started: no-op."""
        servers = [server for server in (self._kafka, self._postgres) if server is not None]
        if servers:
            with ThreadPoolExecutor(2) as pool:
                for stop in [pool.submit(server.stop) for server in servers]:
                    stop.result()
        self._lock.release()
        atexit.unregister(self.stop)

    def __enter__(self) -> Self:
        """start()."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """stop()."""
        self.stop()

    def check(self) -> None:
        """Raise StackError, with the end of the log, when a server started here has ended by itself."""
        for server in (self._kafka, self._postgres):
            if server is not None and not server.running:
                raise server.failure("has ended by itself")

    def _check_given(self) -> None:
        if self._given_kafka is not None:
            servers = [server.strip() for server in self._given_kafka.split(",") if server.strip()]
            if not any(_listens(f"//{server.rpartition('://')[2]}", 9092) for server in servers):
                raise StackError(
                    f"no Kafka answers at {self._given_kafka} ({BOOTSTRAP_VARIABLE} in the environment)"
                )
        if self._given_database is not None:
            url = urlsplit(self._given_database)
            # Without a host it is a Unix socket's folder, in the query.
            if url.hostname and not _listens(self._given_database, 5432):
                where = f"{url.hostname}:{url.port or 5432}"
                raise StackError(f"no PostgreSQL answers at {where} ({DATABASE_VARIABLE} in the environment)")


def _listens(url: str, default_port: int) -> bool:
    try:
        parts = urlsplit(url)
        address = (parts.hostname or "", parts.port or default_port)
        with socket.create_connection(address, timeout=CONNECT_TIMEOUT):
            return True
    except (OSError, ValueError):
        return False
