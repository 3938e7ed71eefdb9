"""The command `client-groups`. Each family of commands is a module workers/commands_*.py.

Those modules import at the top only what is light: help and completion answer at once.
"""

import typer

from workers import (
    commands_changing,
    commands_explaining,
    commands_groups,
    commands_positions,
    commands_reading,
    commands_runs,
    commands_watching,
    commands_worker,
    exits,
)

app = typer.Typer(
    name="client-groups",
    help="Keeps client groups in step with their rules.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for family in (
    commands_reading,
    commands_explaining,
    commands_watching,
    commands_groups,
    commands_changing,
    commands_runs,
    commands_worker,
    commands_positions,
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
