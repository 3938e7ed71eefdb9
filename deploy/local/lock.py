"""One owner a data folder: a file lock that also tells who holds it."""

import contextlib
import fcntl
import json
import os
import time
from pathlib import Path

import psutil

from deploy.local.errors import StackError

LEFTOVERS_TIMEOUT = (
    60.0  # seconds for the servers of an owner that died to end; longer than any server's grace
)


def _owner(file: Path) -> psutil.Process | None:
    """The living process that wrote itself into the lock file, and not another one with its number."""
    try:
        content = json.loads(file.read_text("utf-8"))
        process = psutil.Process(int(content["pid"]))
        same = abs(process.create_time() - float(content["create_time"])) < 1.0
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


class FolderLock:
    """Exclusive use of a data folder, from acquire() to release() or the end of the process.

    `fd` is handed to the guards of the servers too: the lock is free only when they have ended as well, so an
    owner that was killed and one that starts right after it never run two servers on the same data.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / "lock"
        self.fd: int | None = None

    def acquire(self) -> None:
        """Take the lock or raise StackError when in use; blocks up to 60 s for servers of a dead owner."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StackError(
                f"the data folder {self.file.parent} cannot be used: {error.strerror}"
            ) from error
        deadline = time.monotonic() + LEFTOVERS_TIMEOUT
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                owner = _owner(self.file)
                if owner is not None or time.monotonic() > deadline:
                    os.close(fd)
                    who = f"process {owner.pid}" if owner is not None else "servers of a process that died"
                    raise StackError(f"the data folder {self.file.parent} is in use by {who}") from None
                time.sleep(0.1)
            else:
                break
        os.truncate(fd, 0)
        os.pwrite(
            fd, json.dumps({"pid": os.getpid(), "create_time": psutil.Process().create_time()}).encode(), 0
        )
        self.fd = fd

    def release(self) -> None:
        """Give the lock back."""
        if self.fd is not None:
            os.truncate(self.fd, 0)
            os.close(self.fd)
            self.fd = None

    def owner(self) -> psutil.Process | None:
        """The living process that holds the lock now, None when nobody does; does not block."""
        return _owner(self.file) if self.is_held() else None

    def is_held(self) -> bool:
        """Whether an owner, or servers of one that died, use the folder; does not block."""
        with contextlib.suppress(OSError):
            fd = os.open(self.file, os.O_RDWR)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
            finally:
                os.close(fd)
        return False
