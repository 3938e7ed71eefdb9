"""Commands that run the worker and prepare what it needs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from workers.settings import Settings

PANEL: Final = "Run the worker"
"""Where `--help` lists them."""


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("worker", rich_help_panel=PANEL)(worker)
    app.command("topics", rich_help_panel=PANEL)(topics)
    app.command("migrate", rich_help_panel=PANEL)(migrate)
    app.command("settings", rich_help_panel=PANEL)(show_settings)


def worker() -> None:
    """Take events and send changes until SIGTERM. Exit codes: 0 stopped, 1 wrong settings, 70 crashed."""
    chosen = _configured()
    from workers.process import run  # only here, as in all commands: Faust takes a second to import

    raise typer.Exit(run(chosen))


def topics() -> None:
    """Create the topics that are not there yet; say where existing ones are not as they should be."""
    chosen = _configured()
    from workers.exits import CommandError, said_plainly
    from workers.kafka import client_arguments
    from workers.topics import TopicError, ensure_topics

    try:
        with said_plainly("create the topics"):
            report = asyncio.run(ensure_topics(client_arguments(chosen), chosen.kafka_replication_factor))
    except TopicError as error:
        raise CommandError(str(error)) from error
    typer.echo(f"{len(report.created)} topics created, {len(report.existing)} were there.")
    for difference in report.differences:
        typer.echo(f"warning: {difference}", err=True)


def migrate() -> None:
    """Bring the database to the newest schema."""
    chosen = _configured()
    from db.migrate import upgrade
    from workers.exits import said_plainly

    with said_plainly("migrate the database"):
        upgrade(chosen.database_url.get_secret_value())
    typer.echo("The database has the newest schema.")


def show_settings() -> None:
    """Print all settings as a Markdown document (docs/settings.md)."""
    from workers import settings

    typer.echo(settings.document(), nl=False)


def _configured() -> Settings:
    from workers import logs, settings

    chosen = settings.load()
    logs.configure(chosen)
    return chosen
