"""Commands that put clients into groups, take them out, and pin them (mission M1-M3, B6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from db import clients
from db.connections import AnyConnection
from db.runs import Order
from events.commands import AddMembers, DeleteGroup, Pin, RemoveMembers, SetClientGroups, Unpin
from events.record import FieldProblem, Record
from events.suggestions import did_you_mean
from events.wire import traceparent
from rules.ruleset import RuleSet
from workers.commands.answers import Done, Given, Rejected
from workers.commands.membership_tasks import Counts, Deed, MembershipTask
from workers.membership.touched import Cause
from workers.membership.work import Work
from workers.runs.records import start_run

AT_ONCE: Final = 1_000
"""Clients that a command may touch in its own transaction; more go on as a run."""

MembersCommand = AddMembers | RemoveMembers | Pin | Unpin


async def change_members(connection: AnyConnection, command: MembersCommand, given: Given) -> Done:
    """From the group's side: a list of clients."""
    rules = await given.rulesets.hold(connection)
    refuse_unknown(rules, {"group": command.group})
    expires_at = command.expires_at if isinstance(command, Pin) else None
    task = MembershipTask(
        _deed(command), command.group, command.time, command.actor, command.reason, expires_at
    )
    paths = {client_id: f"clients[{place}]" for place, client_id in enumerate(command.clients)}
    if len(command.clients) > AT_ONCE:
        pinned = await _pinned_now(connection, task, paths)
        _refuse_where_all_are_pinned(pinned, len(paths))
        order = order_of("members", command, given, task)
        run_id, told = await start_run(connection, order, now=given.now, client_ids=command.clients)
        return Done(warnings=pinned, run_id=run_id, records=[told])
    work = Work(await clients.lock(connection, command.clients), rules)
    warnings = [
        found for client_id, path in paths.items() for found in _passed_over(work, task, client_id, path)
    ]
    _refuse_where_all_are_pinned(warnings, len(paths))
    counts = task.apply(work, command.clients, cause_of(task, given.record, given.now))
    return Done(_result(task, counts), warnings, work.net())


async def change_client(connection: AnyConnection, command: SetClientGroups, given: Given) -> Done:
    """From the client's side: groups, each with whether the client is to be in it."""
    rules = await given.rulesets.hold(connection)
    refuse_unknown(rules, {f"groups.{group}": group for group in command.groups})
    client_id = command.client_id
    work = Work(await clients.lock(connection, [client_id]), rules)
    tasks = [
        MembershipTask(
            Deed.ADD if wanted else Deed.REMOVE, group, command.time, command.actor, command.reason
        )
        for group, wanted in command.groups.items()
    ]
    warnings = [
        found for task in tasks for found in _passed_over(work, task, client_id, f"groups.{task.group}")
    ]
    _refuse_where_all_are_pinned(warnings, len(tasks))
    changed = sum(
        task.apply(work, [client_id], cause_of(task, given.record, given.now)).memberships for task in tasks
    )
    return Done({"changed": changed}, warnings, work.net())


def _deed(command: MembersCommand) -> Deed:
    match command:
        case AddMembers():
            return Deed.ADD
        case RemoveMembers():
            return Deed.REMOVE
        case Unpin():
            return Deed.UNPIN
        case Pin():
            return Deed.PIN_IN if command.hold == "in" else Deed.PIN_OUT


def _result(task: MembershipTask, counts: Counts) -> dict[str, Any]:
    changed = {"changed": counts.memberships}
    return changed | {"pins": counts.pins} if task.about_pins else changed


def order_of(kind: str, command: MembersCommand | DeleteGroup, given: Given, task: MembershipTask) -> Order:
    """The run in which such a command goes on."""
    groups = (command.group,)
    return Order(kind, groups, task.as_json(), given.record.cause, command.actor, command.reason)


def cause_of(task: MembershipTask, record: Record, now: datetime) -> Cause:
    """Why memberships change by a command."""
    return Cause(task.moment, record.cause, now, traceparent(record), task.actor, task.reason)


def refuse_unknown(rules: RuleSet, groups: Mapping[str, str]) -> None:
    """Raise Rejected with every group (path -> id) that is not there, and the nearest that is."""
    missing = {path: group for path, group in groups.items() if rules.bit(group) is None}
    if missing:
        known = [group.group for group in rules.groups if group.group]
        raise Rejected(
            *(
                FieldProblem("unknown_group", path, f"the group {did_you_mean(group, known)}")
                for path, group in missing.items()
            )
        )


def _refuse_where_all_are_pinned(warnings: list[FieldProblem], named: int) -> None:
    if [warning.code for warning in warnings].count("pinned") == named:
        raise Rejected(*warnings)


def _passed_over(work: Work, task: MembershipTask, client_id: str, path: str) -> list[FieldProblem]:
    """Why the task does nothing to a client, where it is so."""
    touched = work[client_id]
    if task.passes_over_pinned and task.group in touched.client.pins:
        return [_is_pinned(task, client_id, path)]
    if touched.was_deleted_after(task.said_at):
        return [FieldProblem("deleted_later", path, "the client was deleted after this was said")]
    return []


async def _pinned_now(
    connection: AnyConnection, task: MembershipTask, paths: Mapping[str, str]
) -> list[FieldProblem]:
    """Whom a run would pass over if it were done now. It decides anew when it comes to them."""
    if not task.passes_over_pinned:
        return []
    pinned = await clients.pinned_to(connection, task.group, list(paths))
    return [_is_pinned(task, each, path) for each, path in paths.items() if each in pinned]


def _is_pinned(task: MembershipTask, client_id: str, path: str) -> FieldProblem:
    message = f"the client {client_id} is pinned to the group {task.group}; unpin it first"
    return FieldProblem("pinned", path, message)
