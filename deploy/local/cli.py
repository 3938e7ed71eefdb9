"""The command line: `python -m deploy.local up|down|status|run|fetch`."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from deploy.local import supervisor
from deploy.local.errors import StackError
from deploy.local.lock import FolderLock
from deploy.local.maven import kafka_jars
from deploy.local.stack import Stack
from deploy.local.state import read_env, read_state

CHECKOUT = Path(__file__).parents[2]
DEFAULT_FOLDER = CHECKOUT / ".local"
NOT_UP = 3  # exit status of `status`, as init scripts have it

app = typer.Typer(
    help="Apache Kafka and PostgreSQL on this machine, for the demo, development and tests.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Folder = Annotated[Path, typer.Option(help="Where data, logs and addresses are kept.")]
WithoutWorker = Annotated[bool, typer.Option("--without-worker", help="Run the servers only.")]


@contextlib.contextmanager
def _one_sentence() -> Iterator[None]:
    try:
        yield
    except StackError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command()
def up(folder: Folder = DEFAULT_FOLDER, without_worker: WithoutWorker = False) -> None:
    """Start servers and worker in the background; returns when they are ready for events."""
    with _one_sentence():
        fresh = supervisor.up(folder.absolute(), with_worker=not without_worker)
        typer.echo("Ready for events." if fresh else "Already up.")
        typer.echo(f"Addresses are in {folder / 'env'}; `make down` ends it.")


@app.command()
def down(folder: Folder = DEFAULT_FOLDER) -> None:
    """End what `up` started; the data stays."""
    with _one_sentence():
        typer.echo("Down; the data stays." if supervisor.down(folder.absolute()) else "Nothing was up.")


@app.command()
def status(folder: Folder = DEFAULT_FOLDER) -> None:
    """Say whether the stack is up and where; exit status 3 when it is not."""
    owner, state = FolderLock(folder).owner(), read_state(folder)
    if owner is None or state is None or state.pid != owner.pid:
        typer.echo("Not up.")
        if state is not None and state.phase == "failed":
            typer.echo(f"The last time it failed: {state.message}")
        raise typer.Exit(NOT_UP)
    typer.echo(f"{state.phase}: {state.message} (supervisor {owner.pid})")
    with contextlib.suppress(OSError):
        for key, value in read_env(folder).items():
            typer.echo(f"{key}={value}")


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run(
    command: Annotated[list[str], typer.Argument(help="The command and its arguments, after --.")],
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Run a command with the stack's addresses in its environment, then end the stack.

    Where the stack is up already, that one is used, and left up.
    """
    with _one_sentence():
        state, owner = read_state(folder), FolderLock(folder).owner()
        if state is not None and owner is not None and state.pid == owner.pid and state.phase == "ready":
            raise typer.Exit(_run(command, read_env(folder)))
        with Stack(folder) as stack:
            code = _run(command, stack.environment)
        raise typer.Exit(code)


@app.command()
def fetch() -> None:
    """Fetch Apache Kafka into the user's cache, so that nothing has to be fetched later."""
    with _one_sentence():
        typer.echo(kafka_jars())


@app.command(hidden=True)
def supervise(folder: Folder = DEFAULT_FOLDER, without_worker: WithoutWorker = False) -> None:
    """What `up` starts in the background."""
    raise typer.Exit(supervisor.supervise(folder.absolute(), with_worker=not without_worker))


def _run(command: list[str], environment: dict[str, str]) -> int:
    try:
        code = subprocess.run(command, check=False, env={**os.environ, **environment}).returncode  # noqa: S603
    except OSError as error:
        raise StackError(f"cannot run {command[0]}: {error.strerror}") from error
    return code if code >= 0 else 128 - code


def main() -> None:
    """Run the command line."""
    sys.exit(app())
