"""Arguments and options that the commands of operators share: one spelling and one help text for each."""

from typing import Annotated, Final

import typer

READING: Final = "Look at groups and clients"
CHANGING: Final = "Change groups and members"
RUNNING: Final = "Check all clients"
"""Where `--help` lists the commands."""
ANSWER_TIMEOUT: Final = 30.0
"""Seconds."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for scripts.")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Give up after so many seconds without any answer.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many rows; all unless given.")]
Newest = Annotated[int, typer.Option(min=1, help="At most so many rows, the newest first.")]
Actor = Annotated[
    str, typer.Option(envvar="USER", show_envvar=False, help="Who does this, for the record ($USER).")
]
Reason = Annotated[str | None, typer.Option(help="Why, for the record.")]
Wait = Annotated[
    bool,
    typer.Option("--wait/--no-wait", help="Follow what goes on as a run to its end, or only name the run."),
]
GroupId = Annotated[str, typer.Argument(metavar="GROUP", help="The id of a group.")]
ClientId = Annotated[str, typer.Argument(metavar="CLIENT", help="The id of a client.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The id of a run.")]
ClientIds = Annotated[list[str] | None, typer.Argument(metavar="CLIENT", help="Ids of clients.")]
ClientsFile = Annotated[
    typer.FileBinaryRead | None,
    typer.Option("--file", help="More ids of clients, one a line; - is standard input."),
]
