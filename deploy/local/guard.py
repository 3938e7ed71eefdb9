"""Keep one server for as long as its owner lives; run as a small process between the two.

    python guard.py --stop SIGTERM --grace 20 [--user UID:GID] -- COMMAND...

The guard starts COMMAND in its own session and prints its process id on stdout. It ends it when

- its own stdin is closed: the owner holds the other end of that pipe, so it closes when the owner dies, even
of SIGKILL;
- its parent changes: for when a forked child of the owner still holds the pipe;
- it gets SIGTERM itself;
- it is killed itself: the kernel then kills COMMAND (Linux only).

Ending is the stop signal, then SIGKILL after the grace time in seconds. The guard leaves with COMMAND's exit
status.

A process between is needed because PR_SET_PDEATHSIG alone fires when the *thread* that started the child
ends, is forgotten over a change of user, and is Linux only. This file uses the standard library only, so that
it starts in milliseconds with `python -I -S`.
"""

import argparse
import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
CHECK_PARENT_EVERY = 1.0  # seconds


def _die_with_guard() -> None:
    """In the child, after the change of user (which would clear it) and before exec."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(child: subprocess.Popen[bytes], stop: signal.Signals, grace: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(stop)
        try:
            child.wait(grace)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def main() -> int:
    """Run the command until it ends or must end; returns its exit status (128 + signal as in a shell)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--stop", default="SIGTERM")
    parser.add_argument("--grace", type=float, default=20.0)
    parser.add_argument("--user", default="")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    parent = os.getppid()
    stop = signal.Signals[options.stop]

    # A signal only has to wake the select below: the byte arrives on this pipe.
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda got, _frame: asked.append(got))
    signal.signal(signal.SIGCHLD, lambda _got, _frame: None)

    uid, gid = (int(part) for part in options.user.split(":")) if options.user else (None, None)
    try:
        child = subprocess.Popen(  # noqa: S603 - the owner's own command line, no shell
            options.command,
            stdin=subprocess.DEVNULL,
            stdout=2,  # our stderr is the server's log; our stdout is the owner's pipe
            stderr=2,
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
            start_new_session=True,  # a Ctrl-C in the terminal is for the owner, which then stops us in order
            preexec_fn=_die_with_guard,  # noqa: PLW1509 - there are no threads here
        )
    except OSError as error:
        sys.stderr.write(f"cannot run {options.command[0]}: {error.strerror}\n")
        return 127
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(f"{child.pid}\n")
        sys.stdout.flush()

    lifeline = 0
    deadline = time.monotonic() + CHECK_PARENT_EVERY
    while child.poll() is None:
        ready, _, _ = select.select([lifeline, wake_read], [], [], max(0.0, deadline - time.monotonic()))
        if wake_read in ready:
            os.read(wake_read, 1024)
        closed = lifeline in ready and not os.read(lifeline, 1024)
        if closed or asked or os.getppid() != parent:
            _end(child, stop, options.grace)
            break
        if not ready:
            deadline = time.monotonic() + CHECK_PARENT_EVERY
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
