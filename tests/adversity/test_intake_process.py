"""`client-groups worker` as a process: its start, its end, its exit codes."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.intake import until

COMMAND = (sys.executable, "-c", "from workers.cli.main import main; main()", "worker")


@asynccontextmanager
async def worker(log: Path, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd()), **environment},
            stdout=output,
            stderr=output,
            cwd=log.parent,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def port(log: Path) -> int:
    found = re.search(r'"port":(\d+)', log.read_text())
    return int(found[1]) if found else 0


async def status(log: Path, path: str) -> int:
    if not port(log):
        return 0

    def ask() -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port(log)}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    return await asyncio.to_thread(ask)


async def test_sigterm_ends_it_with_0(
    bootstrap_servers: str, database_url: str, kafka_namespace: str, tmp_path: Path
) -> None:
    from workers.topics import ensure_topics

    await ensure_topics({"bootstrap_servers": bootstrap_servers}, 1)
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "DATABASE_URL": database_url,
        "INTAKE_GROUP": kafka_namespace,
        "SESSION_TIMEOUT": "6",
    }
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    async with worker(first, **environment) as one, worker(second, **environment) as two:
        for log in (first, second):
            await until(lambda: _is(log, "/ready", 200), f"{log.name} ready")  # noqa: B023
            assert await status(log, "/live") == 200
            assert await status(log, "/metrics") == 200
        for process in (one, two):
            begin = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0, first.read_text() + second.read_text()
            assert time.monotonic() - begin < 5
    for log in (first, second):
        assert "Traceback" not in log.read_text()
        assert '"level":"error"' not in _without_kafka(log.read_text())


async def test_waits_for_what_is_not_there_and_ends_when_asked(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing",
    }
    async with worker(log, **environment) as process:
        await until(lambda: "waiting for the database" in log.read_text(), "a word in the log")
        assert await status(log, "/live") == 200
        assert await status(log, "/ready") == 503
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_wrong_settings_are_sentences_and_1(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    async with worker(log, DATABASE_URL="nonsense", LANES="none") as process:
        assert await process.wait() == 1
    lines = log.read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "LANES"]


async def test_a_crash_is_70(
    bootstrap_servers: str, empty_database_url: str, kafka_namespace: str, tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "DATABASE_URL": empty_database_url,  # without a schema
        "INTAKE_GROUP": kafka_namespace,
        "ROLES": "intake",
    }
    begin = time.monotonic()
    async with worker(log, **environment) as process:
        assert await process.wait() == 70, log.read_text()
    assert time.monotonic() - begin < 20
    assert "worker crashed" in log.read_text()


async def _is(log: Path, path: str, code: int) -> bool:
    return await status(log, path) == code


def _without_kafka(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if '"logger":"aiokafka' not in line)
