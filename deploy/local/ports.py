"""Loopback ports: chosen once, kept in the data folder, taken again after a restart when still free."""

import json
import random
import socket
from pathlib import Path

from deploy.local.errors import StackError

HOST = "127.0.0.1"
# Below the range from which Linux (32768-60999) and macOS (49152-65535) take the ports of outgoing
# connections. In that range a client that keeps trying to reach a stopped server sooner or later gets the
# server's own port, connects to itself and keeps the server from coming back.
CHOICE = range(15_000, 32_000)
ATTEMPTS = 200


def is_free(port: int) -> bool:
    """Whether a server can listen on the port now; does not block."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do, or a port with old connections in TIME_WAIT looks taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port(avoid: set[int] | None = None) -> int:
    """A port that is free now and not in `avoid`. Raises StackError when none is found."""
    for _ in range(ATTEMPTS):
        port = random.choice(CHOICE)  # noqa: S311 - not a secret
        if port not in (avoid or ()) and is_free(port):
            return port
    raise StackError(f"no free port found on {HOST} between {CHOICE.start} and {CHOICE.stop - 1}")


def require_free(name: str, port: int) -> None:
    """Raise StackError when a server cannot listen on the port."""
    if not is_free(port):
        raise StackError(f"{name} cannot listen on {HOST}:{port}: another process has taken that port")


def keep_ports(file: Path, names: tuple[str, ...]) -> dict[str, int]:
    """The ports for these names: those kept in the JSON file where still free, else new ones, then kept."""
    kept: dict[str, int] = {}
    try:
        content = json.loads(file.read_text("utf-8"))
        kept = {name: port for name, port in content.items() if name in names and isinstance(port, int)}
    except (OSError, ValueError, AttributeError):
        kept = {}  # a first start, or a file damaged by a full disk: choose anew
    ports = {name: port for name, port in kept.items() if is_free(port)}
    for name in names:
        if name not in ports:
            ports[name] = free_port(avoid=set(ports.values()))
    if ports != kept:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(ports) + "\n", "utf-8")
    return ports
