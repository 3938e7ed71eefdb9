"""Commands for the positions of the input topics: show them, set one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.commands.worker import PANEL
from workers.exits import CONFIGURATION, CommandError, said_plainly

if TYPE_CHECKING:
    import asyncpg

    from workers.settings import Settings

positions = typer.Typer(help="Positions of the input topics: the next offset to take.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(positions, name="position", rich_help_panel=PANEL)


@positions.command("show")
def show() -> None:
    """Print topic, partition and position, a line each."""
    from workers import settings

    asyncio.run(_show(settings.load()))


@positions.command("set")
def set_position(
    topic: Annotated[str, typer.Argument(help="An input topic.")],
    partition: Annotated[int, typer.Argument(min=0)],
    offset: Annotated[int, typer.Argument(min=0, help="The next offset to take.")],
) -> None:
    """Set one position, for instance after records were lost to retention.

    Records between the old position and the new one are skipped, or done again where it goes back (which
    changes nothing). Workers notice within seconds.
    """
    from events.topics import INPUTS
    from workers import settings

    if topic not in {known.name for known in INPUTS}:
        names = ", ".join(known.name for known in INPUTS)
        raise CommandError(f"{topic!r} is no input topic; there are {names}.", CONFIGURATION)
    asyncio.run(_set(settings.load(), topic, partition, offset))


async def _show(chosen: Settings) -> None:
    from db import positions as table

    async with _connected(chosen, "read the positions") as connection:
        for (topic, partition), position in (await table.read_all(connection)).items():
            typer.echo(f"{topic}\t{partition}\t{position}")


async def _set(chosen: Settings, topic: str, partition: int, offset: int) -> None:
    from db import positions as table

    async with _connected(chosen, "set the position") as connection:
        before = await table.set_position(connection, topic, partition, offset)
    typer.echo(f"{topic}/{partition}: {'no position' if before is None else before} -> {offset}")


@asynccontextmanager
async def _connected(chosen: Settings, doing: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    import asyncpg

    with said_plainly(doing):
        connection = await asyncpg.connect(chosen.database_url.get_secret_value())
        try:
            yield connection
        finally:
            await connection.close()
