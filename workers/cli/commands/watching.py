"""The command for operators who want to see changes as they come."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from workers.cli.options import READING
from workers.exits import NO_ANSWER, OPERATOR_CODES, CommandError


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("watch", rich_help_panel=READING, epilog=OPERATOR_CODES)(watch)


def watch(
    *,
    group: Annotated[
        list[str] | None, typer.Option(help="Only changes of this group; may be repeated.")
    ] = None,
    client: Annotated[
        list[str] | None, typer.Option(help="Only changes of this client; may be repeated.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="End after so many changes.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Print the changes of memberships as they come, from now on, until Ctrl-C."""
    try:
        asyncio.run(_watch(group or [], client or [], limit, as_json=as_json))
    except KeyboardInterrupt:
        return  # that is how it ends


async def _watch(groups: list[str], clients: list[str], limit: int | None, *, as_json: bool) -> None:
    from events.outputs import MembershipChanged
    from events.topics import MEMBERSHIP_CHANGED
    from workers.cli.session import kafka_arguments, quieten
    from workers.cli.tables import change_line
    from workers.cli.watching import from_now_on, wanted
    from workers.console import ConsoleError

    arguments = kafka_arguments()
    quieten()
    left = limit
    try:
        async with from_now_on(arguments, MEMBERSHIP_CHANGED, MembershipChanged) as changes:
            typer.echo("Watching from now on; Ctrl-C ends it.", err=True)
            async for change in changes:
                if not wanted(change, groups, clients):
                    continue
                typer.echo(change.model_dump_json() if as_json else change_line(change))
                if left is not None and (left := left - 1) == 0:
                    return
    except ConsoleError as error:
        raise CommandError(f"Error: {error}.", NO_ANSWER) from error
