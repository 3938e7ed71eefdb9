"""Install exactly what requirements.lock names, and the project itself, into the environment that runs this.

    .venv/bin/python deploy/local/install.py

uv does it in seconds where pip takes a minute, so pip installs uv first (pinned and hashed in uv.lock) and
tells it where packages come from: index, extra indexes, find-links, certificate and the like, from pip's
environment variables and configuration files. Where that does not work, pip does all. Standard library only:
nothing is installed yet.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
UV_LOCK = HERE / "uv.lock"
LOCK = CHECKOUT / "requirements.lock"
PIP = [sys.executable, "-m", "pip"]
QUIET = ["--quiet", "--disable-pip-version-check"]

# pip's settings that say where packages come from, and uv's option for each.
OPTIONS = {
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "trusted-host": "--allow-insecure-host",
    "cert": "--cert",
    "no-index": "--no-index",
}
LISTS = {"extra-index-url", "find-links", "trusted-host"}


def pip_settings(listing: str) -> dict[str, str]:
    """What `pip config list` says, by pip's own precedence: [global], then [install], then PIP_ variables."""
    settings: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):
        for line in listing.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(section):
                settings[key.removeprefix(section)] = str(ast.literal_eval(value))
    return settings


def uv_options(settings: dict[str, str]) -> list[str]:
    """The same for uv."""
    options: list[str] = []
    for name, option in OPTIONS.items():
        value = settings.get(name, "").strip()
        if not value:
            continue
        if name == "no-index":
            options += [option] if value.lower() in {"1", "true", "yes", "on"} else []
        else:
            options += [
                part for each in (value.split() if name in LISTS else [value]) for part in (option, each)
            ]
    if "--index" in options:
        # As pip does: the best version of all indexes. The hashes make sure that it is the right file.
        options += ["--index-strategy", "unsafe-best-match"]
    return options


def _run(command: list[str], **extra: str) -> bool:
    # No shell; the commands are ours.
    return subprocess.run(command, cwd=CHECKOUT, env={**os.environ, **extra}, check=False).returncode == 0  # noqa: S603


def _with_uv() -> bool:
    if not _run([*PIP, "install", *QUIET, "--require-hashes", "-r", str(UV_LOCK)]):
        return False
    listing = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    uv = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "sync",
        "--quiet",
        "--require-hashes",
        "--python",
        sys.executable,
    ]
    # No configuration of uv itself: one source of settings.
    return _run([*uv, *uv_options(pip_settings(listing)), str(LOCK)], UV_NO_CONFIG="1")


def main() -> int:
    """Install; returns the exit status."""
    if not _with_uv():
        sys.stderr.write("uv could not install the packages; trying pip, which takes longer.\n")
        if not _run([*PIP, "install", *QUIET, "--require-hashes", "-r", str(LOCK)]):
            sys.stderr.write("Error: the packages of requirements.lock could not be installed: see above.\n")
            return 1
    # Built with hatchling, which is in the lock: nothing is fetched here.
    if not _run([*PIP, "install", *QUIET, "--no-deps", "--no-build-isolation", "--editable", "."]):
        sys.stderr.write("Error: the project itself could not be installed: see above.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
