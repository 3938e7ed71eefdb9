"""Commands for operators who change one group or its members. They need Kafka's address only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from workers.cli.asking import carry_out, said_by
from workers.cli.options import (
    ANSWER_TIMEOUT,
    CHANGING,
    Actor,
    ClientIds,
    ClientsFile,
    GroupId,
    Json,
    Reason,
    Timeout,
    Wait,
)
from workers.exits import OPERATOR_CODES, REFUSED, CommandError


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    commands: Mapping[str, Callable[..., None]] = {
        "put": put,
        "delete": delete,
        "add": add,
        "remove": remove,
        "pin": pin,
        "unpin": unpin,
    }
    for name, command in commands.items():
        app.command(name, rich_help_panel=CHANGING, epilog=OPERATOR_CODES)(command)


def put(
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="YAML or JSON; - is standard input.")],
    *,
    if_version: Annotated[
        int | None, typer.Option(min=0, help="Refuse unless the group has this version; 0: is not there.")
    ] = None,
    as_json: Json = False,
    actor: Actor = "console",
    reason: Reason = None,
    timeout: Timeout = ANSWER_TIMEOUT,
) -> None:
    """Create the group in FILE, or replace all of it; `group --yaml` and `group --json` print such a file.

    Nobody is checked by it. Many groups at once: `apply`.
    """
    from workers.cli.group_files import read_group
    from workers.cli.output import consoles, file_name, print_json, text
    from workers.cli.session import ask

    read = read_group(file.read(), file_name(file))
    version = {} if if_version is None else {"if_version": if_version}
    command = {**read.fields, **version, **said_by(actor, reason), "command": "put-group"}
    try:
        answer = ask(command, timeout)
    except ValueError as error:  # too large for the topic
        raise CommandError(f"Error: {error}.", REFUSED) from error
    out, err = consoles()
    if as_json:
        print_json(answer)
    if answer.status == "rejected":
        raise CommandError("\n".join(map(read.locate, answer.errors)), REFUSED)
    if not as_json:
        result = answer.result or {}
        created = "created" if result.get("version") == 1 else "changed"
        what = created if result.get("changed") else "unchanged"
        out.print(text(f"{answer.group}: {what} (version {result.get('version')})."), soft_wrap=True)
        for warning in answer.warnings:
            err.print(text(f"Warning: {read.locate(warning)}", "yellow"), soft_wrap=True)


def delete(
    group_id: GroupId,
    *,
    force: Annotated[bool, typer.Option("--force", help="Also while something refers to it.")] = False,
    wait: Wait = True,
    as_json: Json = False,
    actor: Actor = "console",
    reason: Reason = None,
    timeout: Timeout = ANSWER_TIMEOUT,
) -> None:
    """Delete a group: its members leave, its conditions and pins go."""
    command = {"command": "delete-group", "group": group_id, "force": force, **said_by(actor, reason)}
    carry_out([command], wait=wait, as_json=as_json, timeout=timeout)


def add(
    group_id: GroupId,
    clients: ClientIds = None,
    *,
    file: ClientsFile = None,
    wait: Wait = True,
    as_json: Json = False,
    actor: Actor = "console",
    reason: Reason = None,
    timeout: Timeout = ANSWER_TIMEOUT,
) -> None:
    """Put clients into a group by hand."""
    fields = {"command": "add-members", "group": group_id, **said_by(actor, reason)}
    _move(fields, clients, file, wait=wait, as_json=as_json, timeout=timeout)


def remove(
    group_id: GroupId,
    clients: ClientIds = None,
    *,
    file: ClientsFile = None,
    wait: Wait = True,
    as_json: Json = False,
    actor: Actor = "console",
    reason: Reason = None,
    timeout: Timeout = ANSWER_TIMEOUT,
) -> None:
    """Take clients out of a group by hand; a later check may add those that match again."""
    fields = {"command": "remove-members", "group": group_id, **said_by(actor, reason)}
    _move(fields, clients, file, wait=wait, as_json=as_json, timeout=timeout)


def pin(
    group_id: GroupId,
    clients: ClientIds = None,
    *,
    hold_in: Annotated[bool, typer.Option("--in/--out", help="Hold them in the group, or out of it.")],
    expires: Annotated[
        str | None,
        typer.Option(help="90m, 12h, 30d, 2w, or a time as 2027-01-01T00:00:00Z; else until unpin."),
    ] = None,
    file: ClientsFile = None,
    wait: Wait = True,
    as_json: Json = False,
    actor: Actor = "console",
    reason: Reason = None,
    timeout: Timeout = ANSWER_TIMEOUT,
) -> None:
    """Hold clients in a group or out of it, whatever the rules say."""
    fields = {
        "command": "pin",
        "group": group_id,
        "hold": "in" if hold_in else "out",
        **said_by(actor, reason),
    }
    if expires is not None:
        from datetime import UTC, datetime

        from workers.cli.expiry import expires_at

        fields["expires_at"] = expires_at(expires, datetime.now(UTC))
    _move(fields, clients, file, wait=wait, as_json=as_json, timeout=timeout)


def unpin(
    group_id: GroupId,
    clients: ClientIds = None,
    *,
    file: ClientsFile = None,
    wait: Wait = True,
    as_json: Json = False,
    actor: Actor = "console",
    reason: Reason = None,
    timeout: Timeout = ANSWER_TIMEOUT,
) -> None:
    """End pins: a membership by hand counts again, else the rules."""
    fields = {"command": "unpin", "group": group_id, **said_by(actor, reason)}
    _move(fields, clients, file, wait=wait, as_json=as_json, timeout=timeout)


def _move(
    fields: Mapping[str, Any],
    clients: list[str] | None,
    file: typer.FileBinaryRead | None,
    *,
    wait: bool,
    as_json: bool,
    timeout: float,
) -> None:
    from workers.cli.client_lists import read_clients, split

    found = read_clients(clients or (), None if file is None else file.read())
    commands = [{**fields, "clients": part} for part in split(found)]
    carry_out(commands, wait=wait, as_json=as_json, timeout=timeout)
