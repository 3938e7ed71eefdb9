"""The command `client-groups`. Each family of commands is a module workers/commands_*.py."""

import typer

from workers import commands_groups, commands_positions, commands_worker, exits
from workers.settings import ConfigurationError

app = typer.Typer(
    name="client-groups",
    help="Keeps client groups in step with their rules.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for family in (commands_worker, commands_groups, commands_positions):
    family.register(app)


def main() -> None:
    """Run the command line. What a user can put right is a sentence on stderr, not a stack trace."""
    try:
        app()
    except ConfigurationError as error:
        for sentence in error.sentences:
            typer.echo(sentence, err=True)
        raise SystemExit(exits.CONFIGURATION) from None
    except exits.CommandError as error:
        typer.echo(error.sentence, err=True)
        raise SystemExit(error.code) from None
