"""How commands are answered: what each handler of a command gives back, and the record that carries it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from db.connections import AnyConnection
from db.log import Outgoing
from db.net import Net
from events.commands import Command
from events.encode import headers
from events.outputs import GroupCommandResult
from events.outputs import Problem as WireProblem
from events.record import FieldProblem, Record
from events.topics import GROUP_COMMAND_RESULTS
from events.wire import traceparent
from rules.problems import Problem

if TYPE_CHECKING:
    from workers.membership.rulesets import RuleSets

AnyProblem = FieldProblem | Problem


class Rejected(Exception):  # noqa: N818 - an outcome, not an error of the program
    """The command cannot be done; nothing is changed."""

    def __init__(self, *errors: AnyProblem, warnings: Sequence[AnyProblem] = ()) -> None:
        super().__init__()
        self.errors = errors
        self.warnings = warnings


class Given(NamedTuple):
    """With what a command is carried out."""

    record: Record
    now: datetime
    """The worker's clock."""
    rulesets: RuleSets


@dataclass(slots=True)
class Done:
    """What carrying out a command gave, and what of it is to be written."""

    result: dict[str, Any] | None = None
    warnings: Sequence[AnyProblem] = ()
    net: Net = field(default_factory=Net)
    records: list[Outgoing] = field(default_factory=list)
    run_id: str | None = None
    """Of the run in which it goes on: the command is accepted, not done."""


Handler = Callable[[AnyConnection, Any, Given], Awaitable[Done]]
"""Carries out one kind of command, in the caller's transaction; raises Rejected where it cannot be done."""


def result_of(
    command: Command,
    status: Literal["done", "accepted", "rejected"],
    *,
    errors: Sequence[AnyProblem] = (),
    warnings: Sequence[AnyProblem] = (),
    result: dict[str, Any] | None = None,
    run_id: str | None = None,
) -> GroupCommandResult:
    """The answer to a command that could be read."""
    return GroupCommandResult(
        command_id=command.command_id,
        command=command.command,
        group=getattr(command, "group", None),
        status=status,
        errors=wire(errors),
        warnings=wire([*command.warnings, *warnings]),
        result=result,
        run_id=run_id,
        cause=command.cause,
    )


def wire(found: Sequence[AnyProblem]) -> list[WireProblem]:
    """Problems as they are answered."""
    return [WireProblem(code=each.code, path=each.path, message=each.message) for each in found]


def answer_record(
    answer: GroupCommandResult, record: Record, now: datetime, key: str | None = None
) -> Outgoing:
    """The record that carries an answer: keyed as the command, its id that of the command's record."""
    key = key or answer.group
    return Outgoing(
        GROUP_COMMAND_RESULTS.name,
        key.encode() if key else record.key,
        answer.model_dump_json(exclude_none=True).encode(),
        # Not its cause: a command that was put back twice is answered twice.
        headers(GROUP_COMMAND_RESULTS.name, record.here, now, key or answer.command_id, traceparent(record)),
    )
