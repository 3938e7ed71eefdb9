"""Commands for operators who write groups in files. They need Kafka's address and nothing else."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Annotated, Final

import typer

from workers import settings

if TYPE_CHECKING:
    from workers.apply import Applied
    from workers.groups_file import GroupsFile

EXIT_INVALID: Final = 1
"""The file, or a group in it, was refused."""
EXIT_USAGE: Final = 2
EXIT_NO_ANSWER: Final = 3
"""No Kafka, or no answer."""


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("apply")(apply)


def apply(
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="A YAML file; - is standard input.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file and send nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for scripts.")] = False,
    actor: Annotated[str | None, typer.Option(help="Who does this, for the record.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why, for the record.")] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Give up after so many seconds without any answer.")
    ] = 30.0,
) -> None:
    """Create and change groups so that they are as in FILE (docs/groups.md); others stay as they are.

    A file with a mistake is refused as a whole. The same file again changes nothing.

    Exit codes: 0 done, 1 the file or a group was refused, 2 usage, 3 no Kafka or no answer.
    """
    from rich.console import Console

    from workers.apply import Status, checked
    from workers.apply_report import LOG_WIDTH, show
    from workers.apply_report import as_json as json_text
    from workers.groups_file import read_groups

    name = file.name if isinstance(file.name, str) else "-"
    name = "<stdin>" if name in ("-", "<stdin>") else name
    read = read_groups(file.read())
    applied: Applied = checked(read)
    if read.ok and read.entries and not dry_run:
        applied = asyncio.run(_send(read, timeout=timeout, actor=actor, reason=reason))
    if as_json:
        typer.echo(json_text(applied, name))
    else:
        out, err = Console(), Console(stderr=True)
        for console in (out, err):
            if not console.is_terminal:
                console.width = max(console.width, LOG_WIDTH)
        show(applied, name, out=out, err=err)
    if applied.failure is not None:
        raise typer.Exit(EXIT_NO_ANSWER)
    if not applied.ok or applied.count(Status.REJECTED):
        raise typer.Exit(EXIT_INVALID)


async def _send(read: GroupsFile, *, timeout: float, actor: str | None, reason: str | None) -> Applied:  # noqa: ASYNC109
    from workers import apply as applying
    from workers.exits import CommandError
    from workers.kafka import client_arguments

    # What goes wrong is said once, in a sentence, not by the client library as well.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    logging.getLogger("aiokafka").propagate = False
    try:
        arguments = client_arguments(settings.load_kafka())
    except settings.ConfigurationError as error:
        raise CommandError("\n".join(error.sentences), EXIT_USAGE) from error
    except OSError as error:
        raise CommandError(f"The certificate files cannot be read: {error}", EXIT_USAGE) from error
    return await applying.apply(read, arguments, timeout=timeout, actor=actor, reason=reason)
