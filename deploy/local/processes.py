"""Child processes that never outlive their owner, and their logs."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from deploy.local.errors import StackError

GUARD = Path(__file__).with_name("guard.py")
KILL_WAIT = 10.0  # seconds until the kernel has surely taken a killed process away
LAST_LINES = 12


def last_lines(path: Path, count: int = LAST_LINES) -> str:
    """The last lines of a text file that may be large or missing, for an error message."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16_384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-count:])


class Child:
    """One server process under a guard (see guard.py): it ends with this Python process, however that ends.

    `name` is what people read in messages, `log` takes stdout and stderr (appended to), `stop_signal` asks
    for an orderly end, which may take `grace` seconds before SIGKILL. `user` is (uid, gid) to run as. `hold`
    is a file descriptor that stays open until the server has ended (see lock.py).
    Methods may be called from any thread, but not two at a time.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: tuple[int, int] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace: float = 20.0,
        hold: int | None = None,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self._env = dict(os.environ if env is None else env)
        self._cwd = cwd
        self._user = user
        self._stop_signal = stop_signal
        self._grace = grace
        self._hold = hold
        self._guard: subprocess.Popen[bytes] | None = None
        self._process: psutil.Process | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id, None when it is not running."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether the server runs; does not block."""
        return self._guard is not None and self._guard.poll() is None

    def start(self) -> None:
        """Start the server; returns long before it is ready. Raises StackError if it cannot be run."""
        if self.running:
            raise StackError(f"{self.name} is running already")
        self._close_pipes()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        options = ["--stop", self._stop_signal.name, "--grace", str(self._grace)]
        if self._user is not None:
            options += ["--user", f"{self._user[0]}:{self._user[1]}"]
        with self.log.open("ab") as log:
            self._guard = subprocess.Popen(  # noqa: S603 - our own command line, no shell
                [sys.executable, "-I", "-S", str(GUARD), *options, "--", *self.command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._env,
                cwd=self._cwd,
                pass_fds=() if self._hold is None else (self._hold,),
                start_new_session=True,
            )
        assert self._guard.stdout is not None
        line = self._guard.stdout.readline()
        if not line.strip():
            self._guard.wait(KILL_WAIT)
            raise self.failure("could not be started")
        with contextlib.suppress(psutil.NoSuchProcess):  # gone already: the caller's wait for readiness tells
            self._process = psutil.Process(int(line))

    def stop(self) -> None:
        """Ask the server to end and wait: up to its grace seconds, then it is killed. Not running: no-op."""
        if self._guard is None:
            return
        self._close_pipes()  # the lifeline: the guard now ends the server
        try:
            self._guard.wait(self._grace + KILL_WAIT)
        except subprocess.TimeoutExpired:
            self._guard.kill()  # takes the server with it
            self._guard.wait(KILL_WAIT)
        self._guard = None

    def kill(self) -> None:
        """SIGKILL the server and all its children, as a crash does, and wait until they are gone."""
        if self._guard is None:
            return
        if self._process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                family = self._process.children(recursive=True)
                self._process.kill()
                for child in family:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        child.kill()
                _wait_gone(family)
        self._guard.wait(KILL_WAIT)
        self._close_pipes()
        self._guard = None

    def failure(self, what: str) -> StackError:
        """An error that says what went wrong with this server and shows the end of its log."""
        lines = last_lines(self.log)
        return StackError(
            f"{self.name} {what}; its log {self.log} ends with:\n{lines}" if lines else f"{self.name} {what}"
        )

    def _close_pipes(self) -> None:
        if self._guard is not None:
            for pipe in (self._guard.stdin, self._guard.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()


def _wait_gone(processes: Sequence[psutil.Process]) -> None:
    # Not psutil.wait_procs: grandchildren stay zombies until init takes them, which it may do late or (in a
    # container) never; a zombie holds nothing any more.
    deadline = time.monotonic() + KILL_WAIT
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            while (
                process.is_running()
                and process.status() != psutil.STATUS_ZOMBIE
                and time.monotonic() < deadline
            ):
                time.sleep(0.01)


def run_tool(
    name: str,
    command: Sequence[str],
    *,
    timeout: float,
    environ: Mapping[str, str] | None = None,
    text: str = "",
    user: tuple[int, int] | None = None,
) -> str:
    """Run a short command to its end with `text` as its stdin, as `user` (uid, gid); returns its stdout.

    Blocks up to `timeout` seconds. Raises StackError with its last lines when it fails or takes longer.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own command line, no shell
            list(command),
            capture_output=True,
            check=False,
            cwd="/",  # the user may not be allowed into ours
            extra_groups=None if user is None else [],
            env=environ,
            group=None if user is None else user[1],
            input=text,
            text=True,
            timeout=timeout,
            user=None if user is None else user[0],
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"{name} took longer than {timeout:.0f} seconds") from None
    except OSError as error:
        raise StackError(f"{name} cannot be run: {error.strerror} ({command[0]})") from error
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        raise StackError(f"{name} failed: {' / '.join(lines) or f'exit status {done.returncode}'}")
    return done.stdout


def wait_until(child: Child, ready: Callable[[], bool], *, timeout: float, every: float = 0.05) -> None:
    """Block until `ready()`; raises StackError when the child ends first or `timeout` seconds pass."""
    deadline = time.monotonic() + timeout
    while not ready():
        if not child.running:
            raise child.failure("ended while it was starting")
        if time.monotonic() > deadline:
            raise child.failure(f"was not ready after {timeout:.0f} seconds")
        time.sleep(every)
