"""`up` and `down`: a detached process that owns servers and worker, and the calls that start and stop it.

The supervisor starts all, says that it is ready (state.json, env), brings a worker that ended back, and ends
all when it gets SIGTERM or a server ends by itself. If it is killed, its children end too (see guard.py).
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import psutil

from deploy.local.errors import StackError
from deploy.local.lock import FolderLock
from deploy.local.ports import keep_ports
from deploy.local.processes import last_lines
from deploy.local.stack import Stack
from deploy.local.state import read_state, remove_env, write_env, write_state
from deploy.local.worker import Worker

UP_TIMEOUT = 600.0  # seconds; a first download over a slow line
DOWN_TIMEOUT = 120.0  # seconds; longer than the graces of worker and servers together
LOOK_EVERY = 0.5  # seconds
RESTART_PAUSES = (
    1.0,
    2.0,
    5.0,
    10.0,
)  # seconds before a worker that ended is started again, the last one for good
STEADY = 60.0  # seconds after which a worker counts as healthy again


class _Stop(Exception):  # noqa: N818 - not an error
    """Asked to end."""


def _stop(_number: int, _frame: FrameType | None) -> None:
    # Once: a second signal must not interrupt the orderly end.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise _Stop


def supervise(folder: Path, *, with_worker: bool) -> int:
    """Be the supervisor until asked to end; returns the exit status. Its stdout and stderr are its log."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        _serve(folder, with_worker=with_worker)
    except _Stop:
        return 0
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        if FolderLock(folder).owner() is None:  # else it is another one's folder and state
            write_state(folder, "failed", str(error))
        return 1
    return 0


def _serve(folder: Path, *, with_worker: bool) -> None:
    stack = Stack(folder)
    worker: Worker | None = None
    try:
        stack.start()
        write_state(folder, "starting", "the servers answer; starting the worker")
        environment = dict(stack.environment)
        if with_worker:
            port = keep_ports(folder / "worker-port.json", ("http",))["http"]
            environment["WORKER_HTTP_PORT"] = str(port)
            worker = Worker(folder, {**os.environ, **stack.environment}, port=port, hold=stack.hold)
            worker.prepare()
            worker.start()
            worker.wait_until_ready()
        write_env(folder, environment)
        write_state(folder, "ready", "ready for events" if with_worker else "the servers answer; no worker")
        _watch(stack, worker)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if stack.hold is not None:  # else it is another one's folder
            remove_env(folder)
        if worker is not None:
            worker.stop()
        stack.stop()


def _watch(stack: Stack, worker: Worker | None) -> None:
    failures, started = 0, time.monotonic()
    while True:
        time.sleep(LOOK_EVERY)
        stack.check()
        if worker is not None and not worker.running:
            sys.stderr.write(f"{worker.failure('has ended by itself and is started again')}\n")
            failures = 0 if time.monotonic() - started > STEADY else failures + 1
            time.sleep(RESTART_PAUSES[min(failures, len(RESTART_PAUSES) - 1)])
            started = time.monotonic()
            worker.start()


def up(folder: Path, *, with_worker: bool) -> bool:
    """Start the supervisor and block until it is ready (False: one was up already). Raises StackError."""
    owner = _running_supervisor(FolderLock(folder))
    if owner is not None:
        _wait_until_ready(folder, owner)
        return False
    owner = _launch(folder, with_worker=with_worker)
    try:
        _wait_until_ready(folder, owner)
    except BaseException:  # a Ctrl-C too: what is not ready is not left behind
        with contextlib.suppress(psutil.NoSuchProcess):
            owner.terminate()
        raise
    return True


def _running_supervisor(lock: FolderLock) -> psutil.Process | None:
    owner = lock.owner()
    with contextlib.suppress(psutil.Error):
        if owner is not None and "supervise" not in owner.cmdline():
            raise StackError(
                f"the data folder {lock.file.parent} is in use by process {owner.pid}, not by `up`"
            )
    return owner


def _wait_until_ready(folder: Path, owner: psutil.Process) -> None:
    deadline = time.monotonic() + UP_TIMEOUT
    while time.monotonic() < deadline:
        alive = owner.is_running() and owner.status() != psutil.STATUS_ZOMBIE
        state = read_state(folder)  # after the look at the process, so that its last word is there
        if state is not None and state.pid == owner.pid:
            if state.phase == "ready" and alive:
                return
            if state.phase == "failed":
                raise StackError(state.message)
        if not alive:
            log = folder / "supervisor.log"
            raise StackError(
                f"the supervisor ended while starting; its log {log} ends with:\n{last_lines(log)}"
            )
        time.sleep(0.1)
    raise StackError(f"the stack was not ready after {UP_TIMEOUT:.0f} seconds")


def _launch(folder: Path, *, with_worker: bool) -> psutil.Process:
    command = [sys.executable, "-m", "deploy.local", "supervise", "--folder", str(folder)]
    if not with_worker:
        command.append("--without-worker")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "supervisor.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
                command,
                cwd=Path(__file__).parents[2],  # where `deploy` is found
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # it outlives this terminal
            )
    except OSError as error:
        raise StackError(f"the data folder {folder} cannot be used: {error.strerror}") from error
    handle = psutil.Process(process.pid)
    process.returncode = 0  # it is not ours to wait for: no warning when this object goes
    return handle


def down(folder: Path) -> bool:
    """End the supervisor and all it runs, block until it is gone (False: none was up). Raises StackError."""
    lock = FolderLock(folder)
    owner = _running_supervisor(lock)
    if owner is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            owner.terminate()
    elif not lock.is_held():
        return False
    # Free when the servers' guards have ended as well.
    deadline = time.monotonic() + DOWN_TIMEOUT
    while lock.is_held():
        if time.monotonic() > deadline:
            who = f"process {owner.pid}" if owner is not None else "a server"
            raise StackError(f"{who} of {folder} has not ended after {DOWN_TIMEOUT:.0f} seconds")
        time.sleep(0.1)
    return True
