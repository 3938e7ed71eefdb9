"""Commands of operators: each done and answered in one transaction, in the order of the topic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from db import clients, commands, groups
from db.connections import AnyConnection
from db.groups import StoredGroup
from db.log import Outgoing
from db.net import Net
from events.commands import AddMembers, Command, InvalidCommand, PutGroup, RemoveMembers, decode_command
from events.encode import headers
from events.outputs import GroupCommandResult
from events.outputs import Problem as WireProblem
from events.record import FieldProblem, InvalidRecord, Record
from events.suggestions import did_you_mean
from events.topics import GROUP_COMMAND_RESULTS
from events.wire import traceparent
from rules.model import Moment
from rules.problems import Problem, problems, problems_of
from workers.burial import buried
from workers.group_records import condition_of, group_of, group_record, wire_of
from workers.work import Cause, Work

if TYPE_CHECKING:
    from workers.rulesets import RuleSets

AnyProblem = FieldProblem | Problem


@dataclass(slots=True)
class Answers:
    """What a command appends to the log."""

    net: Net = field(default_factory=Net)
    records: list[Outgoing] = field(default_factory=list)


class _Rejected(Exception):  # noqa: N818 - an outcome, not an error of the program
    def __init__(self, *errors: AnyProblem) -> None:
        super().__init__()
        self.errors = errors


class _Done(NamedTuple):
    """What carrying out a command gave."""

    result: dict[str, Any]
    warnings: Sequence[AnyProblem] = ()
    answers: Answers = Answers()


class CommandHandler:
    """Carries out commands; each call is one command in the caller's transaction."""

    def __init__(self, rulesets: RuleSets, *, max_ahead: timedelta) -> None:
        """`max_ahead` is how far a command's time may be ahead of the clock."""
        self._rulesets = rulesets
        self._max_ahead = max_ahead

    async def take(self, connection: AnyConnection, record: Record, now: datetime) -> Answers:
        """Carry out one command and answer it.

        What cannot be read as a command at all becomes a dead letter. Never raises for what a
        command says; raises what the database raises.
        """
        try:
            command = decode_command(record, now=now, max_ahead=self._max_ahead)
        except InvalidRecord as invalid:
            return Answers(records=[buried(record, invalid)])
        except InvalidCommand as invalid:
            rejection = GroupCommandResult(
                command_id=invalid.command_id,
                command=invalid.command,
                group=invalid.group,
                status="rejected",
                errors=_wire([*invalid.errors, *_problems_beside(invalid)]),
                warnings=_wire(invalid.warnings),
                cause=record.cause,
            )
            return Answers(records=[_answer(rejection, record, now)])
        if command.id is not None and (before := await commands.answer(connection, command.id)) is not None:
            return Answers(records=[_answer(GroupCommandResult.model_validate_json(before), record, now)])
        try:
            done = await self._carry_out(connection, command, record, now)
        except _Rejected as rejected:
            answer = _result_of(command, "rejected", errors=rejected.errors)
            return Answers(records=[_answer(answer, record, now)])
        answer = _result_of(command, "done", warnings=done.warnings, result=done.result)
        if command.id is not None:
            await commands.store(connection, command.id, answer.model_dump_json().encode())
        return replace(done.answers, records=[*done.answers.records, _answer(answer, record, now)])

    async def _carry_out(
        self, connection: AnyConnection, command: Command, record: Record, now: datetime
    ) -> _Done:
        match command:
            case PutGroup():
                return await _put_group(connection, command, record, now)
            case AddMembers() | RemoveMembers():
                return await self._change_members(connection, command, record, now)
            case _:
                raise TypeError(f"no handler for the command {command.command}")

    async def _change_members(
        self, connection: AnyConnection, command: AddMembers | RemoveMembers, record: Record, now: datetime
    ) -> _Done:
        rules = await self._rulesets.hold(connection)
        if rules.bit(command.group) is None:
            known = [group.group for group in rules.groups if group.group]
            raise _Rejected(
                FieldProblem("unknown_group", "group", f"the group {did_you_mean(command.group, known)}")
            )
        work = Work(await clients.lock(connection, command.clients), rules)
        cause = Cause(Moment.MANUAL, record.cause, now, traceparent(record), command.actor, command.reason)
        move = work.put_in if isinstance(command, AddMembers) else work.take_out
        changed = sum(move(client_id, command.group, command.time, cause) for client_id in command.clients)
        warnings = [
            FieldProblem("deleted_later", f"clients[{place}]", "the client was deleted after this was said")
            for place, client_id in enumerate(command.clients)
            if work[client_id].was_deleted_after(command.time)
        ]
        return _Done({"changed": changed}, warnings, Answers(work.net()))


async def _put_group(connection: AnyConnection, command: PutGroup, record: Record, now: datetime) -> _Done:
    group = group_of(command.definition)
    if errors := problems_of(group.conditions):
        raise _Rejected(*errors)
    await groups.hold_rules_alone(connection)
    before = await groups.find(connection, group.group_id)
    version = 0 if before is None else before.version
    if command.if_version is not None and command.if_version != version:
        says = f"its version is {version}" if version else "there is no such group yet (version 0)"
        raise _Rejected(FieldProblem("version_conflict", "if_version", f"{says}, not {command.if_version}"))
    if before is not None and wire_of(before.group) == wire_of(group):
        return _Done({"version": version, "changed": False})
    stored = StoredGroup(group, version + 1, now, command.actor)
    await groups.store(connection, stored)
    published = await group_record(
        connection, stored, ce_id=record.cause, now=now, traceparent=traceparent(record)
    )
    warnings = []
    if group.conditions != (() if before is None else before.group.conditions):
        message = "nobody was checked against the new conditions; start-check checks all clients"
        warnings.append(FieldProblem("conditions_changed", "conditions", message))
    return _Done({"version": stored.version, "changed": True}, warnings, Answers(records=[published]))


def _problems_beside(invalid: InvalidCommand) -> list[Problem]:
    """What the rules find wrong with the conditions of a command that is malformed elsewhere."""
    return [
        replace(problem, path=f"conditions[{place}].{problem.path}")
        for place, condition in invalid.conditions
        for problem in problems(condition_of(condition))
    ]


def _wire(found: Sequence[AnyProblem]) -> list[WireProblem]:
    return [WireProblem(code=each.code, path=each.path, message=each.message) for each in found]


def _result_of(
    command: Command,
    status: Literal["done", "accepted", "rejected"],
    *,
    errors: Sequence[AnyProblem] = (),
    warnings: Sequence[AnyProblem] = (),
    result: dict[str, Any] | None = None,
) -> GroupCommandResult:
    return GroupCommandResult(
        command_id=command.command_id,
        command=command.command,
        group=getattr(command, "group", None),
        status=status,
        errors=_wire(errors),
        warnings=_wire([*command.warnings, *warnings]),
        result=result,
        cause=command.cause,
    )


def _answer(answer: GroupCommandResult, record: Record, now: datetime) -> Outgoing:
    """The record that carries an answer: keyed as the command, with an id of its own (its cause)."""
    subject = answer.group or answer.command_id
    return Outgoing(
        GROUP_COMMAND_RESULTS.name,
        answer.group.encode() if answer.group else record.key,
        answer.model_dump_json(exclude_none=True).encode(),
        headers(GROUP_COMMAND_RESULTS.name, record.cause, now, subject, traceparent(record)),
    )
