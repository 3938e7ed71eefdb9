"""Commands for operators who ask why: of a client in a group, and of a group's own definition."""

from __future__ import annotations

from typing import Annotated

import typer

from workers.cli.asking import ask, ask_list, printed
from workers.cli.options import ANSWER_TIMEOUT, READING, ClientId, GroupId, Json, Newest, Timeout
from workers.exits import OPERATOR_CODES


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("explain", rich_help_panel=READING, epilog=OPERATOR_CODES)(explain)
    app.command("group-history", rich_help_panel=READING, epilog=OPERATOR_CODES)(group_history)


def explain(
    client_id: ClientId,
    group_id: GroupId,
    *,
    version: Annotated[
        int | None, typer.Option(min=1, help="Right after this change of the client (`history` lists them).")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="At a time with offset, as 2026-11-22T10:15:00Z. Without both: now.")
    ] = None,
    as_json: Json = False,
    timeout: Timeout = ANSWER_TIMEOUT,
) -> None:
    """Say why a client is in a group or not: each condition, the facts, what decided beyond the rules."""
    command = {"command": "explain", "client_id": client_id, "group": group_id, "version": version, "at": at}
    answer = ask(command, timeout)
    if printed(answer, as_json=as_json):
        return
    from events.explanations import Explanation
    from workers.cli.explanation_words import explanation_card
    from workers.cli.output import consoles
    from workers.cli.session import read

    consoles()[0].print(explanation_card(read(answer, Explanation)))


def group_history(
    group_id: GroupId, *, limit: Newest = 20, as_json: Json = False, timeout: Timeout = ANSWER_TIMEOUT
) -> None:
    """List who changed what of a group, the newest first; of a deleted group too."""
    answer = ask_list({"command": "group-history", "group": group_id}, "versions", limit, timeout)
    if printed(answer, as_json=as_json):
        return
    from events.explanations import GroupVersionsPage
    from workers.cli.explanation_words import group_versions_table
    from workers.cli.output import consoles, print_table
    from workers.cli.session import read

    page = read(answer, GroupVersionsPage)
    out, err = consoles()
    print_table(out, group_versions_table(page.versions))
    if page.after is not None:
        err.print("There are older ones.")
