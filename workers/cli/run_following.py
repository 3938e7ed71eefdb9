"""Follows runs to their ends, with a bar that shows how far they are."""

import asyncio
from collections.abc import Sequence
from typing import Final

from rich.console import Console as Screen
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from events.outputs import AssignmentRun
from workers.cli.output import text
from workers.cli.session import read
from workers.console import Console, NoAnswerError

FIRST_LOOK_S: Final = 0.2
LOOK_MAX_S: Final = 2.0
"""Each look is a command to the worker: the longer a run goes on, the fewer."""


async def follow(
    console: Console,
    run_ids: Sequence[str],
    *,
    timeout: float,  # noqa: ASYNC109 - seconds without an answer, the runs may take longer
    screen: Screen,
) -> list[AssignmentRun]:
    """Wait until no run goes on any more; each as it is then: done, held, cancelled or failed.

    The bar is shown on `screen` where that is a terminal. Raises NoAnswerError, CommandError for a run that
    is not there. Where it is cancelled (Ctrl-C) it says that the runs go on.
    """
    try:
        return await _follow(console, run_ids, timeout, screen)
    except asyncio.CancelledError:
        words = f"The run goes on: `client-groups run {run_ids[0]} --follow` shows how far it is."
        if len(run_ids) > 1:
            words = "The runs go on: `client-groups runs` shows how far they are."
        screen.print(text(words), soft_wrap=True)
        raise


async def _follow(
    console: Console,
    run_ids: Sequence[str],
    timeout: float,  # noqa: ASYNC109
    screen: Screen,
) -> list[AssignmentRun]:
    found: dict[str, AssignmentRun] = {}
    pause = FIRST_LOOK_S
    with progress_of(screen) as progress:
        task = progress.add_task(_title(run_ids), total=None)
        while True:
            going = [run_id for run_id in run_ids if not _is_over(found.get(run_id))]
            found |= await _look(console, going, timeout)
            progress.update(
                task,
                completed=sum(run.checked for run in found.values()),
                total=sum(run.total for run in found.values()),
            )
            if all(map(_is_over, found.values())):
                return [found[run_id] for run_id in run_ids]
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LOOK_MAX_S)


async def _look(console: Console, run_ids: Sequence[str], timeout: float) -> dict[str, AssignmentRun]:  # noqa: ASYNC109
    answers = await console.ask_all(
        [{"command": "show-run", "run_id": run_id} for run_id in run_ids], timeout
    )
    runs: dict[str, AssignmentRun] = {}
    for run_id, answer in zip(run_ids, answers, strict=True):
        if answer is None:
            raise NoAnswerError(
                f"no answer within {timeout:g} s: is a worker running? The run {run_id} goes on where it was;"
                f" `client-groups run {run_id}` shows it"
            )
        runs[run_id] = read(answer, AssignmentRun)
    return runs


def _is_over(run: AssignmentRun | None) -> bool:
    return run is not None and run.state != "running"


def _title(run_ids: Sequence[str]) -> str:
    # Not the ids of a hundred runs: the bar is one line.
    return f"run {run_ids[0]}" if len(run_ids) == 1 else f"{len(run_ids)} runs"


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """How many a second."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


def progress_of(screen: Screen) -> Progress:
    """A bar with the rate, shown where `screen` is a terminal, and gone at its end."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        console=screen,
        transient=True,
        disable=not screen.is_terminal,
    )
