"""Commands that make, change and delete groups."""

from __future__ import annotations

from datetime import datetime

from db import clients, groups, owed, runs, schedules, usage
from db.connections import AnyConnection
from db.groups import Group, Said, StoredGroup
from db.runs import Order
from events.commands import ChangeGroup, DeleteGroup, InvalidChange, PutGroup
from events.groups import Group as WireGroup
from events.record import FieldProblem
from events.suggestions import did_you_mean
from events.wire import traceparent
from rules.problems import problems_of
from workers.commands.answers import AnyProblem, Done, Given, Rejected
from workers.commands.group_records import definition_of, group_of, group_record, group_tombstone, wire_of
from workers.commands.group_warnings import warnings_of
from workers.commands.membership_changes import AT_ONCE, cause_of, refuse_unknown
from workers.commands.membership_tasks import Deed, MembershipTask
from workers.commands.offers import unavailable
from workers.commands.run_changes import ALL_BUT_DELETION, CHECKS, drop_group
from workers.membership.work import Work
from workers.runs.records import start_run
from workers.runs.schedules import next_moment


async def put_group(connection: AnyConnection, command: PutGroup, given: Given) -> Done:
    """Create a group or replace all of it."""
    await groups.hold_rules_alone(connection)
    before = await groups.find(connection, command.group)
    return await _replace(connection, command, command.definition, before, given)


async def change_group(connection: AnyConnection, command: ChangeGroup, given: Given) -> Done:
    """Change the fields named, and leave the others as they were."""
    await groups.hold_rules_alone(connection)
    before = await groups.find(connection, command.group)
    if before is None or before.state != "active":
        says = f"the group {did_you_mean(command.group, await groups.names(connection))}"
        raise Rejected(FieldProblem("unknown_group", "group", says))
    try:
        definition = command.applied_to(definition_of(before.group))
    except InvalidChange as invalid:
        raise Rejected(*invalid.errors) from invalid
    return await _replace(connection, command, definition, before, given)


async def refuse_wrong(
    connection: AnyConnection, group: Group, before: StoredGroup | None, if_version: int | None
) -> list[AnyProblem]:
    """Raise Rejected where a group cannot take the place of the one before; answers what to warn of."""
    if before is not None and before.state == "deleting":
        raise Rejected(_being_deleted())
    present = before if before is not None and before.state == "active" else None
    kept = () if present is None else present.group.conditions
    # What a group names already stays right: a provider may become inactive later (mission C5, C6).
    errors: list[AnyProblem] = [*problems_of(group.conditions)]
    warnings: list[AnyProblem] = []
    for missing in await unavailable(connection, group.conditions):
        (warnings if missing.is_named_in(kept) else errors).append(missing.problem)
    if errors:
        raise Rejected(*errors, warnings=warnings)
    version = 0 if present is None else present.version
    if if_version is not None and if_version != version:
        says = f"its version is {version}" if present else "there is no such group (version 0)"
        raise Rejected(FieldProblem("version_conflict", "if_version", f"{says}, not {if_version}"))
    return [*warnings, *await warnings_of(connection, group)]


async def _replace(
    connection: AnyConnection,
    command: PutGroup | ChangeGroup,
    definition: WireGroup,
    before: StoredGroup | None,
    given: Given,
) -> Done:
    now = given.now
    group = group_of(definition)
    warnings = await refuse_wrong(connection, group, before, command.if_version)
    present = before if before is not None and before.state == "active" else None
    version = 0 if before is None else before.version
    kept = () if present is None else present.group.conditions
    if present is not None and wire_of(present.group) == wire_of(group):
        return Done({"version": version, "changed": False}, warnings)
    stored = StoredGroup(group, version + 1, now, command.actor)
    await groups.store(connection, stored, cause=given.record.cause, reason=command.reason)
    await _schedule(connection, group, now)
    published = await group_record(
        connection, stored, ce_id=given.record.cause, now=now, traceparent=traceparent(given.record)
    )
    records = [published]
    if present is not None and _checked_as(group) != _checked_as(present.group):
        why = "its conditions or options changed"
        records += await drop_group(connection, group.group_id, why, now, CHECKS)
    if group.conditions != kept:
        await owed.forget_group(connection, group.group_id)
        message = "nobody was checked against the new conditions; start-check checks all clients"
        warnings.append(FieldProblem("conditions_changed", "conditions", message))
    return Done({"version": stored.version, "changed": True}, warnings, records=records)


def _checked_as(group: Group) -> tuple[object, ...]:
    """What a check that is going on must find as it was."""
    return group.conditions, group.exclude, group.keep_manual


async def _schedule(connection: AnyConnection, group: Group, now: datetime) -> None:
    if group.periodic and group.schedule is not None:
        next_at = next_moment(group.schedule, group.timezone, now)
        await schedules.set_schedule(
            connection, group.group_id, group.schedule, group.timezone, now=now, next_at=next_at
        )
    else:
        await schedules.unset(connection, group.group_id)


async def delete_group(connection: AnyConnection, command: DeleteGroup, given: Given) -> Done:
    """Delete a group: its members leave first, at once or in a run."""
    await groups.hold_rules_alone(connection)
    rules = await given.rulesets.hold(connection)
    before = await groups.find(connection, command.group)
    if before is not None and before.state == "deleting":
        # Begun before: by a run that is going, or by one that failed, and then it begins again.
        if await runs.going_on(connection, command.group):
            raise Rejected(_being_deleted())
    else:
        refuse_unknown(rules, {"group": command.group})
    references = await usage.of_group(connection, command.group)
    if references and not command.force:
        named = ", ".join(f"{each.kind} {each.title or each.ref_id}" for each in references[:20])
        message = f"the group is used by {len(references)}: {named}; give force to delete it all the same"
        raise Rejected(FieldProblem("group_used", "group", message))
    said = Said(given.now, command.actor, command.reason, given.record.cause)
    await groups.begin_deletion(connection, command.group, said)
    await schedules.unset(connection, command.group)
    await owed.forget_group(connection, command.group)
    records = await drop_group(connection, command.group, "it was deleted", given.now, ALL_BUT_DELETION)
    task = MembershipTask(Deed.DRAIN, command.group, command.time, command.actor, command.reason)
    ids = await groups.members_and_pinned(connection, command.group, AT_ONCE + 1)
    if len(ids) > AT_ONCE:
        order = Order(
            "delete", (command.group,), task.as_json(), given.record.cause, command.actor, command.reason
        )
        run_id, told = await start_run(connection, order, now=given.now, client_ids=None)
        return Done(run_id=run_id, records=[*records, told])
    work = Work(await clients.lock(connection, ids) if ids else {}, rules)
    counts = task.apply(work, ids, cause_of(task, given.record, given.now))
    await groups.end_deletion(connection, command.group)
    tombstone = group_tombstone(
        command.group, ce_id=given.record.cause, now=given.now, traceparent=traceparent(given.record)
    )
    return Done({"left": counts.memberships}, (), work.net(), [*records, tombstone])


def _being_deleted() -> FieldProblem:
    return FieldProblem("group_deleting", "group", "the group is being deleted: its members are leaving")
