"""The command for operators who keep their groups in a file. It needs Kafka's address and nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.options import ANSWER_TIMEOUT, CHANGING, Actor, Json, Reason, Timeout
from workers.exits import NO_ANSWER, OPERATOR_CODES, REFUSED

if TYPE_CHECKING:
    from workers.cli.apply import Applied


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("apply", rich_help_panel=CHANGING, epilog=OPERATOR_CODES)(apply)


def apply(
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="A YAML file; - is standard input.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file and send nothing.")] = False,
    as_json: Json = False,
    actor: Actor = "console",
    reason: Reason = None,
    timeout: Timeout = ANSWER_TIMEOUT,
) -> None:
    """Create and change groups so that they are as in FILE (docs/groups.md); others stay as they are.

    A file with a mistake is refused as a whole. The same file again changes nothing.
    """
    from workers.cli import apply as applying
    from workers.cli.apply_report import as_json as json_text
    from workers.cli.apply_report import show
    from workers.cli.groups_file import read_groups
    from workers.cli.output import consoles, file_name
    from workers.cli.session import kafka_arguments, quieten

    name = file_name(file)
    read = read_groups(file.read())
    applied: Applied = applying.checked(read)
    if read.ok and read.entries and not dry_run:
        arguments = kafka_arguments()
        quieten()
        sent = applying.apply(read, arguments, timeout=timeout, actor=actor, reason=reason)
        applied = asyncio.run(sent)
    if as_json:
        typer.echo(json_text(applied, name))
    else:
        out, err = consoles()
        show(applied, name, out=out, err=err)
    if applied.failure is not None:
        raise typer.Exit(NO_ANSWER)
    if not applied.ok or applied.count(applying.Status.REJECTED):
        raise typer.Exit(REFUSED)
