"""Commands that put clients into groups, take them out, and pin them (mission M1-M3, B6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from db import clients, runs
from db.connections import AnyConnection
from events.membership_commands import AddMembers, PinMembers, RemoveMembers, SetClientGroups, UnpinMembers
from events.record import FieldProblem, Record
from events.suggestions import did_you_mean
from events.wire import traceparent
from rules.ruleset import RuleSet
from workers.answers import Done, Rejected
from workers.membership_tasks import Deed, MembershipTask
from workers.run_records import run_record
from workers.work import Cause, Work

if TYPE_CHECKING:
    from workers.rulesets import RuleSets

AT_ONCE: Final = 1_000
"""Clients that a command may touch in its own transaction; more go on as a run."""

MembersCommand = AddMembers | RemoveMembers | PinMembers | UnpinMembers


class MembershipChanges:
    """Carries such commands out."""

    def __init__(self, rulesets: RuleSets) -> None:
        self._rulesets = rulesets

    async def of_group(
        self, connection: AnyConnection, command: MembersCommand, record: Record, now: datetime
    ) -> Done:
        """From the group's side: a list of clients."""
        rules = await self._rulesets.hold(connection)
        refuse_unknown(rules, {"group": command.group})
        task = MembershipTask(
            _deed(command),
            command.group,
            command.time,
            command.actor,
            command.reason,
            command.expires_at if isinstance(command, PinMembers) else None,
        )
        if len(command.clients) > AT_ONCE:
            order = runs.Order(
                "members", (command.group,), task.as_json(), record.cause, command.actor, command.reason
            )
            run_id = run_id_of(command.command_id)
            await runs.start(connection, run_id, order, now=now, client_ids=command.clients)
            return Done(run_id=run_id, records=[await run_record(connection, run_id, now)])
        work = Work(await clients.lock(connection, command.clients), rules)
        paths = {client_id: f"clients[{place}]" for place, client_id in enumerate(command.clients)}
        warnings = _passed_over(work, task, paths)
        if len(warnings) == len(command.clients) and task.passes_over_pinned:
            raise Rejected(*warnings)
        changed = task.apply(work, command.clients, _cause(task, record, now))
        history, snapshots = await work.store(connection)
        return Done({"changed": changed}, warnings, history, snapshots)

    async def of_client(
        self, connection: AnyConnection, command: SetClientGroups, record: Record, now: datetime
    ) -> Done:
        """From the client's side: groups, each with whether the client is to be in it."""
        rules = await self._rulesets.hold(connection)
        refuse_unknown(rules, {f"groups.{group}": group for group in command.groups})
        work = Work(await clients.lock(connection, [command.client_id]), rules)
        tasks = [
            MembershipTask(
                Deed.ADD if wanted else Deed.REMOVE, group, command.time, command.actor, command.reason
            )
            for group, wanted in command.groups.items()
        ]
        warnings = [
            warning
            for task in tasks
            for warning in _passed_over(work, task, {command.client_id: f"groups.{task.group}"})
        ]
        if len(warnings) == len(tasks):
            raise Rejected(*warnings)
        changed = sum(task.apply(work, [command.client_id], _cause(task, record, now)) for task in tasks)
        history, snapshots = await work.store(connection)
        return Done({"changed": changed}, warnings, history, snapshots)


def _deed(command: MembersCommand) -> Deed:
    match command:
        case AddMembers():
            return Deed.ADD
        case RemoveMembers():
            return Deed.REMOVE
        case UnpinMembers():
            return Deed.UNPIN
        case PinMembers():
            return Deed.PIN_IN if command.hold == "in" else Deed.PIN_OUT


def _cause(task: MembershipTask, record: Record, now: datetime) -> Cause:
    return Cause(task.moment, record.cause, now, traceparent(record), task.actor, task.reason)


def run_id_of(command_id: str) -> str:
    """The id of the run that a command starts: the command's own, so that it can be foreseen."""
    return command_id.replace("/", ":")


def refuse_unknown(rules: RuleSet, groups: Mapping[str, str]) -> None:
    """Raise Rejected with every group (path -> id) that does not exist, and the nearest that does."""
    missing = {path: group for path, group in groups.items() if rules.bit(group) is None}
    if missing:
        known = [group.group for group in rules.groups if group.group]
        raise Rejected(
            *(
                FieldProblem("unknown_group", path, f"the group {did_you_mean(group, known)}")
                for path, group in missing.items()
            )
        )


def _passed_over(work: Work, task: MembershipTask, paths: Mapping[str, str]) -> Sequence[FieldProblem]:
    """A warning for each client (id -> path) to which the task does nothing, and why."""
    found = []
    for client_id, path in paths.items():
        touched = work[client_id]
        if touched.was_deleted_after(task.said_at):
            message = "the client was deleted after this was said"
            found.append(FieldProblem("deleted_later", path, message))
        elif task.passes_over_pinned and task.group in touched.client.pins:
            message = f"the client {client_id} is pinned to the group; unpin it first"
            found.append(FieldProblem("pinned", path, message))
    return found
