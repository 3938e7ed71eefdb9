"""Previews that operators ask for: a group for each, how far they are, and what they say."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

import typer
from pydantic import BaseModel
from rich.console import Console as Screen
from rich.table import Table

from events.outputs import AssignmentRun, GroupCommandResult, Problem
from events.results import Previewed
from events.topics import ASSIGNMENT_RUNS
from workers.cli.group_files import GroupFile
from workers.cli.output import moment, number, print_json, table, text
from workers.cli.run_following import progress_of
from workers.cli.session import kafka_arguments, read, run
from workers.cli.watching import from_now_on
from workers.console import Command, Console
from workers.exits import NO_ANSWER, OK, REFUSED, CommandError


class Previews(BaseModel):
    """What came of previews, in the order of the file."""

    previews: list[GroupCommandResult | None]
    """None: no answer came."""
    unanswered: int


def ask_previews(
    groups: Sequence[GroupFile], said: Mapping[str, Any], *, timeout: float, screen: Screen
) -> tuple[Sequence[GroupFile], Previews]:
    """Ask a preview for each group; blocks, with a bar on `screen` where that is a terminal.

    Gives up after `timeout` seconds without an answer and without a preview that goes on. Raises
    CommandError.
    """
    commands = [
        {**group.fields, **said, "command": "preview", "id": f"preview-{uuid.uuid4().hex}"}
        for group in groups
    ]
    arguments = kafka_arguments()

    async def work(console: Console) -> list[GroupCommandResult | None]:
        async with from_now_on(arguments, ASSIGNMENT_RUNS, AssignmentRun) as told:
            return await _ask_all(console, commands, told, timeout, screen)

    try:
        answers = run(work)
    except ValueError as error:  # too large for the topic
        raise CommandError(f"Error: {error}.", REFUSED) from error
    return groups, Previews(previews=answers, unanswered=answers.count(None))


async def _ask_all(
    console: Console,
    commands: Sequence[Command],
    told: AsyncIterator[AssignmentRun],
    timeout: float,  # noqa: ASYNC109 - seconds without any word
    screen: Screen,
) -> list[GroupCommandResult | None]:
    asked = asyncio.create_task(console.ask_all(commands, timeout))
    shown = asyncio.create_task(
        _show_progress(console, [command["id"] for command in commands], told, screen)
    )
    try:
        await asyncio.wait({asked, shown}, return_when=asyncio.FIRST_COMPLETED)
        if shown.done():
            shown.result()  # it ends only where the topic cannot be read
        return await asked
    finally:
        for task in (asked, shown):
            task.cancel()
        await asyncio.gather(asked, shown, return_exceptions=True)


async def _show_progress(
    console: Console, ids: Sequence[str], told: AsyncIterator[AssignmentRun], screen: Screen
) -> None:
    found: dict[str, AssignmentRun] = {}
    with progress_of(screen) as progress:
        task = progress.add_task("preview" if len(ids) == 1 else f"{len(ids)} previews", total=None)
        async for each in told:
            if each.kind != "preview":
                continue
            # Also where it is another's: ours has its turn when that is done.
            console.keep_waiting()
            if each.run_id in ids:
                found[each.run_id] = each
                # All are of the same clients, so that those to come are as many.
                progress.update(
                    task,
                    completed=sum(run.checked for run in found.values()),
                    total=each.total * len(ids),
                )


def show(
    asked: tuple[Sequence[GroupFile], Previews],
    *,
    as_json: bool,
    out: Screen,
    err: Screen,
    timeout: float,
) -> None:
    """Write what came of it. Raises typer.Exit with the exit code where not all is answered and right."""
    groups, previews = asked
    if as_json:
        print_json(previews)
    answered = [
        (group, answer) for group, answer in zip(groups, previews.previews, strict=True) if answer is not None
    ]
    done = [answer for _, answer in answered if answer.status == "done"]
    if done and not as_json:
        found = [(answer.group or "", read(answer, Previewed)) for answer in done]
        out.print(_table(found))
        for line in _named(found):
            out.print(text(line), soft_wrap=True)
        out.print(f"As of {moment(found[0][1].as_of)}. Nothing was changed.")
    for group, answer in answered:
        _say(err, group, "", answer.errors, "red")
        if not as_json:
            _say(err, group, "Warning: ", answer.warnings, "yellow")
    if previews.unanswered:
        err.print(
            f"Error: no answer within {timeout:g} s to {previews.unanswered} of"
            f" {number(len(groups), 'preview')}: is a worker running?",
            style="red",
            soft_wrap=True,
        )
    code = NO_ANSWER if previews.unanswered else OK if len(done) == len(groups) else REFUSED
    if code != OK:
        raise typer.Exit(code)


def _table(found: Iterable[tuple[str, Previewed]]) -> Table:
    counts = ("would join", "would leave", "would stay", "unknown", "clients")
    made = table("group", *counts, "leaves", numbers=counts)
    for group, each in found:
        made.add_row(
            text(group),
            *map(number, (each.would_join, each.would_leave, each.would_stay, each.unknown, each.total)),
            text("held for an operator" if each.would_be_held else "", "yellow"),
        )
    return made


def _named(found: Iterable[tuple[str, Previewed]]) -> Iterable[str]:
    for group, each in found:
        samples = (
            ("join", each.would_join, each.sample.join),
            ("leave", each.would_leave, each.sample.leave),
        )
        for verb, count, ids in samples:
            if ids:
                more = f" and {number(count - len(ids))} more" if count > len(ids) else ""
                yield f"{group}: would {verb}: {', '.join(ids)}{more}"


def _say(err: Screen, group: GroupFile, word: str, found: Iterable[Problem], style: str) -> None:
    for line in dict.fromkeys(map(group.locate, found)):
        err.print(text(f"{word}{line}", style), soft_wrap=True)
