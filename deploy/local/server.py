"""What the broker and the database server have in common."""

import abc
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.processes import Child


class Server(abc.ABC):
    """A server whose data, configuration and log are in `folder`, on the loopback ports given.

    start() and stop() may be called again and again: data and address stay. All of it blocks; not for two
    threads at once. `name` is for messages, `log` the log file, `hold` see processes.Child.
    """

    name: str

    def __init__(self, folder: Path, *, port: int, hold: int | None = None) -> None:
        self.folder = folder
        self.port = port
        self.log = folder / f"{self.name.lower()}.log"
        self._hold = hold
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id, None when it is not running."""
        return self._child.pid if self._child is not None else None

    @property
    def running(self) -> bool:
        """Whether the server's process is there; does not block."""
        return self._child is not None and self._child.running

    @abc.abstractmethod
    def start(self) -> None:
        """Start and block until clients can connect; running already: no-op. Raises StackError."""

    def stop(self, graceful: bool = True) -> None:
        """End it in order, or by SIGKILL of all its processes as a crash does; blocks until it is gone."""
        if self._child is not None:
            if graceful:
                self._child.stop()
            else:
                self._child.kill()
            self._child = None

    def kill(self) -> None:
        """End it by SIGKILL; blocks until it is gone."""
        self.stop(graceful=False)

    def restart(self, graceful: bool = True) -> None:
        """stop() and start() on the same data and port. Raises StackError."""
        self.stop(graceful)
        self.start()

    def failure(self, what: str) -> StackError:
        """An error that names the server and shows the end of its log."""
        return Child(self.name, [], self.log).failure(what)
