"""Commands for operators who look at groups, clients and changes. They need Kafka's address only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from workers.cli.asking import ask, ask_list, printed
from workers.cli.options import (
    ANSWER_TIMEOUT,
    READING,
    ClientId,
    GroupId,
    Json,
    Limit,
    Newest,
    Timeout,
)
from workers.exits import OPERATOR_CODES


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    commands: Mapping[str, Callable[..., None]] = {
        "groups": groups,
        "group": group,
        "client": client,
        "members": members,
        "history": history,
    }
    for name, command in commands.items():
        app.command(name, rich_help_panel=READING, epilog=OPERATOR_CODES)(command)


def groups(*, limit: Limit = None, as_json: Json = False, timeout: Timeout = ANSWER_TIMEOUT) -> None:
    """List groups, with how many conditions and members they have and how many refer to them (used)."""
    command = {"command": "list-groups"}
    if as_json:
        printed(ask_list(command, "groups", limit, timeout), as_json=True)
        return
    from events.results import GroupsPage
    from workers.cli.output import consoles, print_table
    from workers.cli.session import show_pages
    from workers.cli.tables import groups_table

    out, _ = consoles()

    def show(page: GroupsPage, first: bool) -> None:
        print_table(out, groups_table(page.groups, header=first))

    none = "There are no groups."
    show_pages(command, "groups", GroupsPage, limit=limit, timeout=timeout, show=show, none=none)


def group(
    group_id: GroupId,
    *,
    as_json: Json = False,
    as_yaml: Annotated[
        bool, typer.Option("--yaml", help="Print the group as `put` and `apply` read it.")
    ] = False,
    timeout: Timeout = ANSWER_TIMEOUT,
) -> None:
    """Show a group: settings, conditions, how many members, who uses it, what is wrong with it."""
    answer = ask({"command": "show-group", "group": group_id}, timeout)
    if printed(answer, as_json=as_json):
        return
    from events.results import GroupCard
    from workers.cli.cards import group_card
    from workers.cli.output import consoles
    from workers.cli.session import read

    card = read(answer, GroupCard)
    if as_yaml:
        from workers.cli.group_files import as_written

        typer.echo(as_written(card), nl=False)
    else:
        consoles()[0].print(group_card(card, answer.warnings))


def client(client_id: ClientId, *, as_json: Json = False, timeout: Timeout = ANSWER_TIMEOUT) -> None:
    """Show a client: what is known of it, its groups, and what holds it in groups or out of them."""
    answer = ask({"command": "show-client", "client_id": client_id}, timeout)
    if printed(answer, as_json=as_json):
        return
    from events.results import ClientCard
    from workers.cli.cards import client_card
    from workers.cli.output import consoles, print_warnings
    from workers.cli.session import read

    out, err = consoles()
    out.print(client_card(read(answer, ClientCard)))
    print_warnings(err, answer.warnings)


def members(
    group_id: GroupId,
    *,
    limit: Limit = None,
    ids: Annotated[
        bool, typer.Option("--ids", help="Print ids only, one a line, as `add --file -` reads them.")
    ] = False,
    as_json: Json = False,
    timeout: Timeout = ANSWER_TIMEOUT,
) -> None:
    """List the clients that are in a group, with how and since when."""
    command = {"command": "list-members", "group": group_id}
    if as_json:
        printed(ask_list(command, "clients", limit, timeout), as_json=True)
        return
    from events.results import MembersPage
    from workers.cli.output import consoles, print_table
    from workers.cli.session import show_pages
    from workers.cli.tables import members_table

    out, _ = consoles()

    def show(page: MembersPage, first: bool) -> None:
        if not ids:
            print_table(out, members_table(page, header=first))
            return
        for each in page.clients:
            typer.echo(each)

    none = "It has no members."
    show_pages(command, "clients", MembersPage, limit=limit, timeout=timeout, show=show, none=none)


def history(
    client_id: Annotated[str | None, typer.Argument(metavar="CLIENT", help="The id of a client.")] = None,
    *,
    group_id: Annotated[str | None, typer.Option("--group", help="Only changes of this group.")] = None,
    limit: Newest = 100,
    as_json: Json = False,
    timeout: Timeout = ANSWER_TIMEOUT,
) -> None:
    """List the changes of a client, of a group, or of a client in a group, the newest first."""
    if client_id is None and group_id is None:
        raise typer.BadParameter("name a client, or give --group")
    command = {"command": "history", "client_id": client_id, "group": group_id}
    answer = ask_list(command, "changes", limit, timeout)
    if printed(answer, as_json=as_json):
        return
    from events.results import ChangesPage
    from workers.cli.output import consoles, print_table
    from workers.cli.session import read
    from workers.cli.tables import changes_table

    page = read(answer, ChangesPage)
    out, err = consoles()
    if page.changes:
        print_table(out, changes_table(page.changes))
    else:
        err.print("There are no changes.")
    if page.after is not None:
        err.print("There are older ones.")
