"""The client-groups worker beside the stack: topics and migrations first, then the worker itself."""

import subprocess
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.ports import HOST, require_free
from deploy.local.processes import Child, last_lines, wait_until

PREPARATIONS = (
    "topics",
    "migrate",
)  # client-groups ..., in this order; each does nothing when it is done already
PREPARE_TIMEOUT = 120.0  # seconds for each
READY_TIMEOUT = 120.0  # seconds; a few on an idle machine
STOP_GRACE = 30.0  # seconds to finish the batch in hand
PROBE_TIMEOUT = 2.0  # seconds


def client_groups() -> str:
    """The path of this environment's client-groups command. Raises StackError when not installed."""
    path = Path(sysconfig.get_path("scripts")) / "client-groups"
    if not path.exists():
        raise StackError(f"the client-groups command is not installed ({path} is missing): run make setup")
    return str(path)


class Worker:
    """One worker whose log is in `folder` and whose health is served on a loopback port."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], *, port: int, hold: int | None = None
    ) -> None:
        self.log = folder / "worker.log"
        self.port = port
        self._folder = folder
        self._environment = {**environment, "HTTP_HOST": HOST, "HTTP_PORT": str(port)}
        self._child = Child(
            "the worker",
            [client_groups(), "worker"],
            self.log,
            env=self._environment,
            grace=STOP_GRACE,
            hold=hold,
        )

    @property
    def running(self) -> bool:
        """Whether the process is there; does not block."""
        return self._child.running

    def prepare(self) -> None:
        """Create the topics and migrate the database; blocks some seconds. Raises StackError."""
        for step in PREPARATIONS:
            log = self._folder / f"{step}.log"
            try:
                with log.open("wb") as output:
                    done = subprocess.run(  # noqa: S603 - our own command line, no shell
                        [client_groups(), step],
                        check=False,
                        env=self._environment,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        timeout=PREPARE_TIMEOUT,
                    )
            except subprocess.TimeoutExpired:
                raise StackError(
                    f"client-groups {step} took longer than {PREPARE_TIMEOUT:.0f} seconds"
                ) from None
            if done.returncode:
                raise StackError(f"client-groups {step} failed; its log {log} ends with:\n{last_lines(log)}")

    def start(self) -> None:
        """Start the worker; does not wait until it is ready. Raises StackError."""
        require_free("the worker", self.port)
        self._child.start()

    def wait_until_ready(self) -> None:
        """Block until the worker takes events. Raises StackError when it ends first or takes too long."""
        wait_until(self._child, self._is_ready, timeout=READY_TIMEOUT, every=0.1)

    def stop(self) -> None:
        """Ask the worker to finish and block until it has."""
        self._child.stop()

    def failure(self, what: str) -> StackError:
        """An error with the end of the worker's log."""
        return self._child.failure(what)

    def _is_ready(self) -> bool:
        # Not through a proxy of the environment: this is loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://{HOST}:{self.port}/ready", timeout=PROBE_TIMEOUT) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
