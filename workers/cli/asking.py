"""How the commands of operators ask: what their modules share. Light to import, as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from workers.exits import INTERRUPTED

if TYPE_CHECKING:
    from events.outputs import GroupCommandResult
    from workers.cli.changes import Carried
    from workers.console import Console


def said_by(actor: str, reason: str | None) -> dict[str, str]:
    """The fields of a command that say who gives it, and why."""
    return {"actor": actor} if reason is None else {"actor": actor, "reason": reason}


def ask(command: Mapping[str, Any], timeout: float) -> GroupCommandResult:
    """Ask one command; blocks until it is answered. Raises CommandError."""
    from workers.cli.session import ask as ask_one

    return ask_one(command, timeout)


def ask_list(command: Mapping[str, Any], rows: str, limit: int | None, timeout: float) -> GroupCommandResult:
    """Ask for all pages of a list; answers them as one. `rows` is the field that has them."""
    from workers.cli.session import joined, pages, run

    async def work(console: Console) -> GroupCommandResult:
        found = pages(console, command, rows, limit=limit, timeout=timeout)
        return joined([answer async for answer in found])

    return run(work)


def printed(answer: GroupCommandResult, *, as_json: bool) -> bool:
    """Write the answer where JSON is wanted; raises CommandError where it was rejected, so or so."""
    from workers.cli.output import print_json
    from workers.cli.session import refuse

    if as_json:
        print_json(answer)
    if answer.status == "rejected":
        refuse([answer])
    return as_json


def carry_out(commands: Sequence[Mapping[str, Any]], *, wait: bool, as_json: bool, timeout: float) -> None:
    """Send commands of one kind, follow the runs that come of them where `wait`, show what came of it.

    Raises typer.Exit with the exit code where not all is done, CommandError.
    """
    from workers.cli.changes import carry_out as send
    from workers.cli.changes import show
    from workers.cli.output import consoles
    from workers.cli.session import run

    out, err = consoles()

    async def work(console: Console) -> Carried:
        return await send(console, commands, timeout=timeout, wait=wait, screen=err)

    try:
        carried = run(work)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    show(carried, as_json=as_json, out=out, err=err, timeout=timeout)
