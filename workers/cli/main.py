"""The command `client-groups`. Each family of commands is a module of workers/cli/commands.

Those modules import at the top only what is light: help and completion answer at once.
"""

import typer

from workers import exits
from workers.cli.commands import changing, explaining, groups, positions, reading, runs, watching, worker

app = typer.Typer(
    name="client-groups",
    help="Keeps client groups in step with their rules.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for family in (
    reading,
    explaining,
    watching,
    groups,
    changing,
    runs,
    worker,
    positions,
):
    family.register(app)


def main() -> None:
    """Run the command line. What a user can put right is a sentence on stderr, not a stack trace."""
    try:
        app()
    except exits.ConfigurationError as error:
        for sentence in error.sentences:
            typer.echo(sentence, err=True)
        raise SystemExit(exits.CONFIGURATION) from None
    except exits.CommandError as error:
        typer.echo(error.sentence, err=True)
        raise SystemExit(error.code) from None
