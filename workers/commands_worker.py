"""Commands that run the worker and prepare what it needs."""

import asyncio

import typer

from workers import logs, settings


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("worker")(worker)
    app.command("topics")(topics)
    app.command("migrate")(migrate)
    app.command("settings")(show_settings)


def worker() -> None:
    """Take events and send changes until SIGTERM. Exit codes: 0 stopped, 1 wrong settings, 70 crashed."""
    chosen = settings.load()
    logs.configure(chosen)
    from workers.process import run  # only here, as in all commands: Faust takes a second to import

    raise typer.Exit(run(chosen))


def topics() -> None:
    """Create the topics that are not there yet; say where existing ones are not as they should be."""
    chosen = settings.load()
    logs.configure(chosen)
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
    chosen = settings.load()
    logs.configure(chosen)
    from db.migrate import upgrade
    from workers.exits import said_plainly

    with said_plainly("migrate the database"):
        upgrade(chosen.database_url.get_secret_value())
    typer.echo("The database has the newest schema.")


def show_settings() -> None:
    """Print all settings as a Markdown document (docs/settings.md)."""
    typer.echo(settings.document(), nl=False)
