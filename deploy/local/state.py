"""What the background supervisor tells others, in files of the data folder."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Phase = Literal["starting", "ready", "failed"]


@dataclass(frozen=True)
class State:
    """Where the supervisor is: `pid` is its own, `message` the error when failed, else what it does."""

    pid: int
    phase: Phase
    message: str


def write_state(folder: Path, phase: Phase, message: str) -> None:
    """Say where this process, the supervisor, is; readers never see half of a state."""
    _replace(folder / "state.json", json.dumps(asdict(State(os.getpid(), phase, message))) + "\n")


def read_state(folder: Path) -> State | None:
    """What the last supervisor said, or None; it may have died since (see FolderLock.owner())."""
    try:
        content = json.loads((folder / "state.json").read_text("utf-8"))
        return State(int(content["pid"]), content["phase"], str(content["message"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_env(folder: Path, environment: dict[str, str]) -> None:
    """Write `env`: KEY=value lines, readable by this user only (there is a password)."""
    _replace(folder / "env", "".join(f"{key}={value}\n" for key, value in environment.items()))


def read_env(folder: Path) -> dict[str, str]:
    """What write_env wrote. Raises OSError."""
    lines = (folder / "env").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def remove_env(folder: Path) -> None:
    """Take the addresses away when they are no longer served."""
    (folder / "env").unlink(missing_ok=True)


def _replace(path: Path, text: str) -> None:
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.touch(mode=0o600)
    scratch.write_text(text, "utf-8")
    scratch.replace(path)
