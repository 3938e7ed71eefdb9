"""Commands for operators about checks of all clients and other runs. They need Kafka's address only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.asking import ask, ask_list, carry_out, printed, said_by
from workers.cli.options import (
    ANSWER_TIMEOUT,
    RUNNING,
    Actor,
    GroupId,
    Json,
    Newest,
    Reason,
    RunId,
    Timeout,
    Wait,
)
from workers.exits import INTERRUPTED, NO_ANSWER, OPERATOR_CODES, CommandError

if TYPE_CHECKING:
    from events.outputs import AssignmentRun
    from workers.console import Console


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    commands: Mapping[str, Callable[..., None]] = {
        "preview": preview,
        "check": check,
        "runs": runs,
        "run": run,
        "approve": approve,
        "cancel": cancel,
        "undo": undo,
    }
    for name, command in commands.items():
        app.command(name, rich_help_panel=RUNNING, epilog=OPERATOR_CODES)(command)


def preview(
    file: Annotated[
        typer.FileBinaryRead,
        typer.Argument(help="YAML or JSON with one group or a list of them; - is standard input."),
    ],
    *,
    sample: Annotated[
        int, typer.Option(min=0, max=100, help="Name so many who would join, and so many who would leave.")
    ] = 10,
    as_json: Json = False,
    actor: Actor = "console",
    reason: Reason = None,
    timeout: Timeout = ANSWER_TIMEOUT,
) -> None:
    """Say what a check would do if the groups were as in FILE; nothing is changed."""
    from workers.cli.group_files import read_some
    from workers.cli.output import consoles, file_name
    from workers.cli.previews import ask_previews, show

    groups = read_some(file.read(), file_name(file))
    out, err = consoles()
    said = {**said_by(actor, reason), "sample": sample}
    try:
        previewed = ask_previews(groups, said, timeout=timeout, screen=err)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    show(previewed, as_json=as_json, out=out, err=err, timeout=timeout)


def check(
    group_id: GroupId,
    *,
    wait: Wait = True,
    as_json: Json = False,
    actor: Actor = "console",
    reason: Reason = None,
    timeout: Timeout = ANSWER_TIMEOUT,
) -> None:
    """Check all clients against a group, now. Ctrl-C leaves the check going.

    Exit code 1 also where leaves are held: they are more than the group lets leave without an operator.
    """
    command = {"command": "start-check", "group": group_id, **said_by(actor, reason)}
    carry_out([command], wait=wait, as_json=as_json, timeout=timeout)


def runs(
    *,
    group_id: Annotated[str | None, typer.Option("--group", help="Only runs of this group.")] = None,
    limit: Newest = 20,
    follow: Annotated[
        bool, typer.Option("--follow", help="Print runs as they are told of, from now on, until Ctrl-C.")
    ] = False,
    as_json: Json = False,
    timeout: Timeout = ANSWER_TIMEOUT,
) -> None:
    """List runs, the newest first: what goes on with many clients, how far it is, who started it."""
    if follow:
        try:
            asyncio.run(_follow(group_id, as_json=as_json))
        except KeyboardInterrupt:
            return  # that is how it ends
    answer = ask_list({"command": "list-runs", "group": group_id}, "runs", limit, timeout)
    if printed(answer, as_json=as_json):
        return
    from events.results import RunsPage
    from workers.cli.output import consoles, print_table
    from workers.cli.session import read
    from workers.cli.tables import runs_table

    page = read(answer, RunsPage)
    out, err = consoles()
    if page.runs:
        print_table(out, runs_table(page.runs))
    else:
        err.print("There are no runs.")
    if page.after is not None:
        err.print("There are older ones.")


def run(
    run_id: RunId,
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Wait until it no longer goes on.")] = False,
    as_json: Json = False,
    timeout: Timeout = ANSWER_TIMEOUT,
) -> None:
    """Show how far a run is, or its result: who started it, what is held, dropped and skipped."""
    if follow:
        _wait_for(run_id, timeout)
    answer = ask({"command": "show-run", "run_id": run_id}, timeout)
    if printed(answer, as_json=as_json):
        return
    from events.outputs import AssignmentRun
    from workers.cli.cards import run_card
    from workers.cli.output import consoles
    from workers.cli.session import read

    consoles()[0].print(run_card(read(answer, AssignmentRun)))


def approve(
    run_id: RunId,
    *,
    wait: Wait = True,
    as_json: Json = False,
    actor: Actor = "console",
    reason: Reason = None,
    timeout: Timeout = ANSWER_TIMEOUT,
) -> None:
    """Let the leaves happen that a run holds; each client is checked once more."""
    command = {"command": "approve-run", "run_id": run_id, **said_by(actor, reason)}
    carry_out([command], wait=wait, as_json=as_json, timeout=timeout)


def cancel(
    run_id: RunId,
    *,
    as_json: Json = False,
    actor: Actor = "console",
    reason: Reason = None,
    timeout: Timeout = ANSWER_TIMEOUT,
) -> None:
    """End a run that is going or held. What it has done stays; `undo` puts it back."""
    command = {"command": "cancel-run", "run_id": run_id, **said_by(actor, reason)}
    carry_out([command], wait=False, as_json=as_json, timeout=timeout)


def undo(
    run_id: RunId,
    *,
    wait: Wait = True,
    as_json: Json = False,
    actor: Actor = "console",
    reason: Reason = None,
    timeout: Timeout = ANSWER_TIMEOUT,
) -> None:
    """Put back what a run changed, except where somebody changed it since."""
    command = {"command": "undo-run", "run_id": run_id, **said_by(actor, reason)}
    carry_out([command], wait=wait, as_json=as_json, timeout=timeout)


def _wait_for(run_id: str, timeout: float) -> None:
    from workers.cli.output import consoles
    from workers.cli.run_following import follow
    from workers.cli.session import run as session

    err = consoles()[1]

    async def work(console: Console) -> list[AssignmentRun]:
        return await follow(console, [run_id], timeout=timeout, screen=err)

    try:
        session(work)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


async def _follow(group: str | None, *, as_json: bool) -> None:
    from events.outputs import AssignmentRun
    from events.topics import ASSIGNMENT_RUNS
    from workers.cli.session import kafka_arguments, quieten
    from workers.cli.tables import run_line
    from workers.cli.watching import from_now_on
    from workers.console import ConsoleError

    arguments = kafka_arguments()
    quieten()
    try:
        async with from_now_on(arguments, ASSIGNMENT_RUNS, AssignmentRun) as told:
            typer.echo("Following from now on; Ctrl-C ends it.", err=True)
            async for each in told:
                if group is None or group in each.groups:
                    typer.echo(each.model_dump_json() if as_json else run_line(each))
    except ConsoleError as error:
        raise CommandError(f"Error: {error}.", NO_ANSWER) from error
