"""Changes that operators order: commands sent, runs followed, and what came of all of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import typer
from pydantic import BaseModel
from rich.console import Console as Screen

from events.outputs import AssignmentRun, GroupCommandResult, Problem, Status
from workers.cli.output import number, print_json, sentence, text
from workers.cli.run_following import follow
from workers.console import Command, Console
from workers.exits import NO_ANSWER, OK, REFUSED

WARNINGS_SHOWN: Final = 20
_CLIENT: Final = re.compile(r"clients\[(\d+)\]")


class Carried(BaseModel):
    """What came of an order: its commands' answers as one, and each for itself."""

    command: str
    group: str | None
    """None: it is about a run."""
    status: Status | None
    """`rejected` where one was, else `accepted` where one was; none where there is no answer at all."""
    errors: list[Problem]
    """Of all commands; `clients[3]` counts in the whole list."""
    warnings: list[Problem]
    result: dict[str, Any]
    """The counts of all answers, added up. What runs did is with the runs."""
    answers: list[GroupCommandResult]
    unanswered: int
    """Commands that were sent; whether they were carried out is not known."""
    runs: list[AssignmentRun]
    """As they were when they no longer went on; none where nobody waited."""

    @property
    def exit_code(self) -> int:
        """NO_ANSWER before REFUSED: what is not known matters more."""
        if self.unanswered:
            return NO_ANSWER
        done = all(run.state == "done" for run in self.runs)
        return OK if done and self.status != "rejected" else REFUSED


async def carry_out(
    console: Console,
    commands: Sequence[Command],
    *,
    timeout: float,  # noqa: ASYNC109 - seconds without any answer
    wait: bool,
    screen: Screen,
) -> Carried:
    """Send commands of one kind about one group or run and, with `wait`, follow the runs that come of them.

    Raises ConsoleError, also where a run is no longer answered for.
    """
    answers = await console.ask_all(commands, timeout)
    run_ids = [answer.run_id for answer in answers if answer is not None and answer.run_id]
    runs = await follow(console, run_ids, timeout=timeout, screen=screen) if wait and run_ids else []
    return carried_of(commands, answers, runs)


def carried_of(
    commands: Sequence[Command],
    answers: Sequence[GroupCommandResult | None],
    runs: Sequence[AssignmentRun],
) -> Carried:
    """Commands, their answers (None: none came) and what became of the runs, as one."""
    found = [answer for answer in answers if answer is not None]
    errors, warnings, place = [], [], 0
    for command, answer in zip(commands, answers, strict=True):
        if answer is not None:
            errors += [_counted_on(problem, place) for problem in answer.errors]
            warnings += [_counted_on(problem, place) for problem in answer.warnings]
        place += len(command.get("clients", ()))
    return Carried(
        command=commands[0]["command"],
        group=commands[0].get("group"),
        status=_status(found),
        errors=errors,
        warnings=warnings,
        result=_added_up(answer.result or {} for answer in found),
        answers=found,
        unanswered=len(answers) - len(found),
        runs=list(runs),
    )


def show(carried: Carried, *, as_json: bool, out: Screen, err: Screen, timeout: float) -> None:
    """Write what came of it. Raises typer.Exit with its exit code where not all is done."""
    if as_json:
        print_json(carried)
    else:
        for line in _outcome(carried):
            out.print(text(line), soft_wrap=True)
    _lines(err, "Error", carried.errors, "red")
    if not as_json:
        _lines(err, "Warning", carried.warnings, "yellow")
    if carried.unanswered:
        asked = carried.unanswered + len(carried.answers)
        err.print(
            f"Error: no answer within {timeout:g} s to {carried.unanswered} of"
            f" {number(asked, 'command')}: is a worker running? They may still be carried out;"
            " the same again does no harm.",
            style="red",
            soft_wrap=True,
        )
    if carried.exit_code != OK:
        raise typer.Exit(carried.exit_code)


def _outcome(carried: Carried) -> Iterable[str]:
    done = [answer for answer in carried.answers if answer.status == "done"]
    about = "" if carried.group is None else f"{carried.group}: "
    if "run_id" in carried.result:
        yield f"run {carried.result['run_id']} is {carried.result['state']}; what it did stays."
    elif done:
        said = {"changed": "membership", "left": "member", "pins": "pin"}
        counts = {noun: carried.result[name] for name, noun in said.items() if name in carried.result}
        words = " and ".join(number(count, noun) for noun, count in counts.items())
        verb = "left; the group is deleted" if "left" in carried.result else "changed"
        yield f"{about}{words} {verb}."
    followed = {run.run_id for run in carried.runs}
    for run in carried.runs:
        yield (
            f"{about}run {run.run_id} is {run.state}: {number(run.joined)} joined,"
            f" {number(run.left)} left, {number(run.checked)} of {number(run.total, 'client')} looked at."
        )
        for group, held in (run.held or {}).items():
            sample = ", ".join(held.sample) + (", ..." if held.to_leave > len(held.sample) else "")
            yield f"{group}: held: {number(held.to_leave)} of {number(held.members, 'member')}: {sample}"
        if run.held:
            yield f"`client-groups approve {run.run_id}` lets them leave; `cancel` in its place keeps them."
    for answer in carried.answers:
        if answer.run_id is not None and answer.run_id not in followed:
            yield f"{about}goes on as run {answer.run_id}; `client-groups run {answer.run_id}`."


def _status(answers: Sequence[GroupCommandResult]) -> Status | None:
    found = {answer.status for answer in answers}
    order: tuple[Status, ...] = ("rejected", "accepted", "done")
    return next((status for status in order if status in found), None)


def _added_up(results: Iterable[dict[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for result in results:
        for name, value in result.items():
            total[name] = total[name] + value if name in total and isinstance(value, int) else value
    return total


def _counted_on(problem: Problem, before: int) -> Problem:
    path = _CLIENT.sub(lambda found: f"clients[{before + int(found[1])}]", problem.path)
    return problem.model_copy(update={"path": path})


def _lines(err: Screen, word: str, found: Sequence[Problem], style: str) -> None:
    lines = list(dict.fromkeys(sentence(problem) for problem in found))
    for line in lines[:WARNINGS_SHOWN]:
        err.print(text(f"{word}: {line}", style), soft_wrap=True)
    if len(lines) > WARNINGS_SHOWN:
        more = number(len(lines) - WARNINGS_SHOWN, f"more {word.lower()}")
        err.print(f"... and {more}; --json has all.", soft_wrap=True)
