"""The workers, and how each of them dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Final

from deploy.local.processes import GUARD

CRASH_VARIABLE: Final = "CLIENT_GROUPS_CRASH_AT"
CRASH_POINTS: Final = (
    "batch-before-commit",
    "batch-after-commit",
    "chunk-before-commit",
    "chunk-after-commit",
    "relay-after-send",
    "relay-after-commit",
)
ANY_INSTANT: Final = "any instant"
START_SECONDS: Final = 40.0
LONGEST_LIFE: Final = 4.0  # seconds after ready; then a worker that has not crashed by itself is killed
ROOT: Final = Path(__file__).parents[2]
STOP_SECONDS: Final = 30.0
KILLED: Final = 128 + signal.SIGKILL
"""The guard's exit code for a worker that was killed."""


class UnexpectedEndError(Exception):
    """A worker ended that nobody had killed."""


class Worker:
    """One worker process: `client-groups worker` with its log in a file.

    It runs under the stack's guard, so that it never outlives this program.
    """

    def __init__(self, number: int, environment: Mapping[str, str], folder: Path) -> None:
        self.number = number
        self._environment = environment
        self._log = folder / f"worker-{number}.log"
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0
        self._pid = 0

    async def start(self, crash_at: str = "") -> None:
        """Start it; `crash_at`: the named point at which it kills itself."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        environment = {**self._environment, "HTTP_PORT": str(self._port)}
        if crash_at:
            environment[CRASH_VARIABLE] = crash_at
        with self._log.open("ab") as log:
            log.write(f"--- started, crash at {crash_at or 'no point'}\n".encode())
            log.flush()
            self._process = await asyncio.create_subprocess_exec(
                *(
                    sys.executable,
                    "-I",
                    "-S",
                    str(GUARD),
                    "--grace",
                    str(STOP_SECONDS),
                    "--",
                    *command("worker"),
                ),
                cwd=ROOT,
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        self._pid = int(await self._process.stdout.readline())

    async def ready(self) -> bool:
        """Wait until it says that it is ready. False: it has ended, or does not become ready in time."""
        process = self._running()
        for _ in range(int(START_SECONDS / 0.1)):
            if process.returncode is not None:
                return False
            if await answers_ready(self._port):
                return True
            await asyncio.sleep(0.1)
        return False

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._running().returncode

    async def wait(self, seconds: float) -> int | None:
        """Its exit code if it ends within so many seconds."""
        try:
            return await asyncio.wait_for(self._running().wait(), seconds)
        except TimeoutError:
            return None

    async def kill(self) -> None:
        """SIGKILL."""
        self.kill_now()
        await self._running().wait()

    async def stop(self) -> int:
        """SIGTERM; its exit code. Not started: 0."""
        if self._process is None:
            return 0
        self._signal(signal.SIGTERM)
        code = await self.wait(STOP_SECONDS)
        if code is None:
            await self.kill()
            raise UnexpectedEndError(
                f"worker {self.number} does not end within {STOP_SECONDS:g} s of SIGTERM"
            )
        return code

    def log_end(self) -> str:
        """The last lines of its log."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return "\n".join(lines[-15:])

    def kill_now(self) -> None:
        """SIGKILL without waiting, when all else ends."""
        if self._process is not None:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._running().returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, number)

    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "not started"
        return self._process


class Fleet:
    """The workers together: deals out deaths, then lets them live."""

    def __init__(self, workers: list[Worker], rng: Random, kills: int) -> None:
        self._workers = workers
        self._rng = rng
        self._wanted = kills
        self._dealt = 0
        self._ends: list[str] = []
        self.kills: Counter[str] = Counter()
        """Deaths by place."""
        self.pause = asyncio.Event()
        """Cleared while the servers are restarted: nobody is killed meanwhile."""
        self.pause.set()

    @property
    def done(self) -> int:
        """Deaths so far."""
        return self.kills.total()

    async def live_and_die(self) -> None:
        """Until all deaths have happened; then every worker runs, ready."""
        async with asyncio.TaskGroup() as group:
            for worker in self._workers:
                group.create_task(self._life(worker))

    async def _life(self, worker: Worker) -> None:
        while self._dealt < self._wanted:
            self._dealt += 1
            await self._die_once(worker)
        await worker.start()
        if not await worker.ready():
            raise UnexpectedEndError(f"worker {worker.number} is not ready:\n{worker.log_end()}")

    async def _die_once(self, worker: Worker) -> None:
        """One start and one death, at a named point or at any instant."""
        name = self._rng.choice([*CRASH_POINTS, ANY_INSTANT, ANY_INSTANT])
        reach = self._rng.choice([1, 2, 3, 5, 8])
        delay = self._rng.uniform(0.0, 4.0)
        too_early = self._rng.random() < 0.1
        if name == ANY_INSTANT:
            await worker.start()
        else:
            await worker.start(f"{name}:{reach}")
            delay = LONGEST_LIFE
        if not too_early and not await worker.ready() and worker.exit_code is None:
            self._unexpected(worker, "is not ready")
        await worker.wait(delay)
        await self.pause.wait()
        if worker.exit_code is None:
            await worker.kill()
            self.kills[ANY_INSTANT] += 1
        elif worker.exit_code == KILLED:
            self.kills[name] += 1
        else:
            self._unexpected(worker, f"ended with {worker.exit_code}")
            self._dealt -= 1

    def _unexpected(self, worker: Worker, what: str) -> None:
        """A supervisor would start it again, so it is allowed now and then; not over and over."""
        self._ends.append(f"worker {worker.number} {what}:\n{worker.log_end()}")
        if len(self._ends) > 3 + self._wanted // 10:
            raise UnexpectedEndError("\n\n".join(self._ends[-2:]))

    @property
    def unexpected_ends(self) -> list[str]:
        """Each with the end of the log."""
        return list(self._ends)

    async def keep_alive(self) -> None:
        """Start again who ends by itself, as a supervisor does, until cancelled."""
        while True:
            for worker in self._workers:
                if worker.exit_code is not None:
                    self._unexpected(worker, f"ended with {worker.exit_code}")
                    await worker.start()
            await asyncio.sleep(0.5)


def command(name: str) -> tuple[str, ...]:
    """`client-groups <name>` on the working tree, installed or not."""
    return (sys.executable, "-c", "from workers.cli.main import main; main()", name)


def base_environment(stack: Mapping[str, str]) -> dict[str, str]:
    """What every worker is given."""
    return {
        **os.environ,
        **stack,
        "TRACE_INPUTS": "true",
        "SESSION_TIMEOUT": "6",
        "LOG_LEVEL": "INFO",
        "BATCH_RECORDS": "200",
    }


async def answers_ready(port: int) -> bool:
    """Whether GET /ready is answered with 200."""
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 1.0)
    except (OSError, TimeoutError):
        return False
    try:
        writer.write(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        status = await asyncio.wait_for(reader.readline(), 2.0)
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()
    return b" 200 " in status
