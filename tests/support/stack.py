"""Fixtures: one stack for the whole run, a database of its own for each test.

    async def test_something(bootstrap_servers: str, database_url: str, kafka_namespace: str) -> None: ...

- stack (session): a started `deploy.local.Stack`; nothing is started when no test asks for it
- bootstrap_servers (session): host:port of Kafka, shared by all tests
- kafka_namespace: a short unique text for the names of topics, groups, transactional ids
- database_url: a new, migrated database, dropped after the test
- new_database: makes such databases, for tests that need one after the other
- empty_database_url: a new, empty database, dropped after the test
- geoip_path (session): a GeoIP country database; needs no stack

KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL in the environment use servers that exist; the role in DATABASE_URL
must be allowed to create databases then.
"""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from deploy.local import Stack, StackError
from deploy.local.geoip import write_country_database
from deploy.local.maven import kafka_jars
from deploy.local.stack import BOOTSTRAP_VARIABLE


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch Kafka before the first test that needs it: the download must not count as that test's time."""
    wanted = any("stack" in getattr(item, "fixturenames", ()) for item in session.items)
    if wanted and not session.config.option.collectonly and not os.environ.get(BOOTSTRAP_VARIABLE):
        try:
            kafka_jars()
        except StackError as error:
            pytest.exit(str(error), returncode=pytest.ExitCode.TESTS_FAILED)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for a stack, removed at the end."""
    # Not in pytest's own folder: its next run closes that to other users, and PostgreSQL is one where we are
    # root.
    folder = Path(tempfile.mkdtemp(prefix="client-groups-test-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    with temporary_folder() as folder, Stack(folder) as running:
        yield running


@pytest.fixture(scope="session")
def bootstrap_servers(stack: Stack) -> str:
    return stack.bootstrap_servers


@pytest.fixture
def kafka_namespace() -> str:
    return f"t{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def geoip_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("geoip") / "country.mmdb"
    write_country_database(path)
    return path


@pytest.fixture
def empty_database_url(stack: Stack) -> Iterator[str]:
    yield from _new_database(stack.database_url)


@pytest.fixture(scope="session")
def _template_database(stack: Stack) -> Iterator[str]:
    from db.migrate import upgrade  # only here: most tests need no database

    for url in _new_database(stack.database_url):
        upgrade(url)
        yield urlsplit(url).path.removeprefix("/")


@pytest.fixture
def database_url(stack: Stack, _template_database: str) -> Iterator[str]:
    yield from _new_database(stack.database_url, template=_template_database)


@pytest.fixture
def new_database(stack: Stack, _template_database: str) -> Callable[[], AbstractContextManager[str]]:
    make = contextmanager(_new_database)
    return lambda: make(stack.database_url, template=_template_database)


def _new_database(server_url: str, template: str = "template0") -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    _execute(server_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        try:
            # With force: a test that failed may have left connections.
            _execute(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')
        except asyncpg.InsufficientPrivilegeError:
            # Autovacuum is at it, which only a superuser may end by force; without, the server sends it away.
            _execute(server_url, f'DROP DATABASE "{name}"')


def _execute(url: str, statement: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    _run(execute())


def _run(coroutine: Coroutine[object, object, None]) -> None:
    # In a thread: a test's own event loop may be running in this one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, coroutine).result()
