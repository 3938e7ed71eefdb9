"""Commands of operators: each done and answered in one transaction, in the order of the topic."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from db import commands
from db.connections import AnyConnection
from events.commands import (
    AddMembers,
    ApproveRun,
    CancelRun,
    ChangeGroup,
    Command,
    DeleteGroup,
    InvalidCommand,
    Pin,
    PutGroup,
    RefreshGeoip,
    RemoveMembers,
    SetClientGroups,
    StartCheck,
    UndoRun,
    Unpin,
    decode_command,
)
from events.outputs import GroupCommandResult
from events.record import InvalidRecord, Record
from rules.problems import Problem, problems
from workers.aside.service import put_aside
from workers.commands.answers import Done, Given, Handler, Rejected, answer_record, result_of, wire
from workers.commands.group_changes import change_group, delete_group, put_group
from workers.commands.group_records import condition_of
from workers.commands.membership_changes import change_client, change_members
from workers.commands.run_changes import approve_run, cancel_run, refresh_geoip, start_check, undo_run
from workers.intake.burial import buried

if TYPE_CHECKING:
    from workers.membership.rulesets import RuleSets

HANDLERS: Final[Mapping[type[Command], Handler]] = {
    PutGroup: put_group,
    ChangeGroup: change_group,
    DeleteGroup: delete_group,
    AddMembers: change_members,
    RemoveMembers: change_members,
    Pin: change_members,
    Unpin: change_members,
    SetClientGroups: change_client,
    StartCheck: start_check,
    ApproveRun: approve_run,
    CancelRun: cancel_run,
    UndoRun: undo_run,
    RefreshGeoip: refresh_geoip,
}


class CommandHandler:
    """Carries out commands; each call is one command in the caller's transaction."""

    def __init__(
        self, rulesets: RuleSets, *, max_ahead: timedelta, aside: Collection[type[Command]] = ()
    ) -> None:
        """`max_ahead` is how far a command's time may be ahead of the clock; `aside` is not done here."""
        self._aside = frozenset(aside)
        self._rulesets = rulesets
        self._max_ahead = max_ahead

    async def take(self, connection: AnyConnection, record: Record, now: datetime) -> Done:
        """Carry out one command; its answer is among the records. `net` and records are yet to be written.

        What cannot be read as a command at all becomes a dead letter. Never raises for what a
        command says; raises what the database raises.
        """
        try:
            command = decode_command(record, now=now, max_ahead=self._max_ahead)
        except InvalidRecord as invalid:
            return Done(records=[buried(record, invalid)])
        except InvalidCommand as invalid:
            return Done(records=[answer_record(_rejection(invalid, record), record, now)])
        key = getattr(command, "client_id", None)
        # One that was put back may be so again: its first place names it as an id does.
        done_as = command.id if record.first is None else command.command_id
        if done_as is not None and (before := await commands.answer(connection, done_as)) is not None:
            answer = GroupCommandResult.model_validate_json(before)
            return Done(records=[answer_record(answer, record, now, key)])
        if type(command) in self._aside:
            await put_aside(connection, command, record, now)
            return Done()
        try:
            done = await HANDLERS[type(command)](connection, command, Given(record, now, self._rulesets))
        except Rejected as rejected:
            answer = result_of(command, "rejected", errors=rejected.errors, warnings=rejected.warnings)
            return Done(records=[answer_record(answer, record, now, key)])
        answer = result_of(
            command,
            "done" if done.run_id is None else "accepted",
            warnings=done.warnings,
            result=done.result,
            run_id=done.run_id,
        )
        if done_as is not None:
            await commands.store(connection, done_as, answer.model_dump_json().encode())
        return replace(done, records=[*done.records, answer_record(answer, record, now, key)])


def _rejection(invalid: InvalidCommand, record: Record) -> GroupCommandResult:
    return GroupCommandResult(
        command_id=invalid.command_id,
        command=invalid.command,
        group=invalid.group,
        status="rejected",
        errors=wire([*invalid.errors, *_problems_beside(invalid)]),
        warnings=wire(invalid.warnings),
        cause=record.cause,
    )


def _problems_beside(invalid: InvalidCommand) -> list[Problem]:
    """What the rules find wrong with the conditions of a command that is malformed elsewhere."""
    return [
        replace(problem, path=f"conditions[{place}].{problem.path}")
        for place, condition in invalid.conditions
        for problem in problems(condition_of(condition))
    ]
