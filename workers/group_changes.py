"""Commands that make, change and delete groups."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from db import clients, groups, providers, runs, usage
from db.connections import AnyConnection
from db.groups import StoredGroup
from db.log import Outgoing
from events.commands import PutGroup
from events.encode import headers
from events.group_commands import ChangeGroup, DeleteGroup, InvalidChange
from events.groups import Group as WireGroup
from events.record import FieldProblem, Record
from events.suggestions import did_you_mean
from events.topics import CLIENT_GROUPS
from events.wire import traceparent
from rules.model import Condition, ConditionType
from rules.problems import problems_of
from workers.answers import AnyProblem, Done, Rejected
from workers.group_records import group_of, group_record, wire_of
from workers.membership_changes import AT_ONCE, refuse_unknown, run_id_of
from workers.membership_tasks import Deed, MembershipTask
from workers.run_records import run_record
from workers.work import Cause, Work

if TYPE_CHECKING:
    from workers.rulesets import RuleSets


async def put_group(connection: AnyConnection, command: PutGroup, record: Record, now: datetime) -> Done:
    """Create a group or replace all of it."""
    await groups.hold_rules_alone(connection)
    before = await groups.find(connection, command.group)
    return await _replace(connection, command, command.definition, before, record, now)


async def change_group(connection: AnyConnection, command: ChangeGroup, record: Record, now: datetime) -> Done:
    """Change the fields named, and leave the others as they were."""
    await groups.hold_rules_alone(connection)
    before = await groups.find(connection, command.group)
    if before is None or before.state == "deleted":
        known = await groups.names(connection)
        raise Rejected(FieldProblem("unknown_group", "group", f"the group {did_you_mean(command.group, known)}"))
    try:
        definition = command.applied_to(WireGroup.model_validate(wire_of(before.group)))
    except InvalidChange as invalid:
        raise Rejected(*invalid.errors) from invalid
    return await _replace(connection, command, definition, before, record, now)


async def _replace(
    connection: AnyConnection,
    command: PutGroup | ChangeGroup,
    definition: WireGroup,
    before: StoredGroup | None,
    record: Record,
    now: datetime,
) -> Done:
    group = group_of(definition)
    if before is not None and before.state == "deleting":
        raise Rejected(FieldProblem("group_deleting", "group", "the group is being deleted: wait for its run"))
    present = before if before is not None and before.state == "active" else None
    version = 0 if before is None else before.version
    kept = () if present is None else present.group.conditions
    unavailable = await _unavailable(connection, group.conditions)
    mentioned = {(condition.type, value) for condition in kept for value in _values(condition)}
    errors: list[AnyProblem] = [problem for key, problem in unavailable if key not in mentioned]
    warnings = [problem for key, problem in unavailable if key in mentioned]
    if errors := [*problems_of(group.conditions), *errors]:
        raise Rejected(*errors, warnings=warnings)
    if command.if_version is not None and command.if_version != (version if present else 0):
        says = f"its version is {version}" if present else "there is no such group (version 0)"
        raise Rejected(FieldProblem("version_conflict", "if_version", f"{says}, not {command.if_version}"))
    if present is not None and wire_of(present.group) == wire_of(group):
        return Done({"version": version, "changed": False}, warnings)
    stored = StoredGroup(group, version + 1, now, command.actor)
    await groups.store(connection, stored)
    published = await group_record(
        connection, stored, ce_id=record.cause, now=now, traceparent=traceparent(record)
    )
    if group.conditions != kept:
        message = "nobody was checked against the new conditions; start-check checks all clients"
        warnings.append(FieldProblem("conditions_changed", "conditions", message))
    return Done({"version": stored.version, "changed": True}, warnings, records=[published])


def _values(condition: Condition) -> tuple[str, ...]:
    if condition.value is None:
        return ()
    return (condition.value,) if isinstance(condition.value, str) else condition.value


async def _unavailable(
    connection: AnyConnection, conditions: tuple[Condition, ...]
) -> list[tuple[tuple[ConditionType, str], FieldProblem]]:
    """What conditions name that no active provider is or offers (mission C5, C6), each with its problem.

    An error where a command brings it in; only a warning where it was there before: a provider that
    becomes inactive leaves the conditions that name it in place.
    """
    if not {ConditionType.PROVIDER, ConditionType.AUTHORIZATION_METHOD} & {each.type for each in conditions}:
        return []
    active = await providers.active(connection)
    ids = {each.provider_id for each in active}
    offered = {method for each in active for method in each.authorization_methods}
    known = {
        ConditionType.PROVIDER: ("inactive_provider", "an active provider", ids),
        ConditionType.AUTHORIZATION_METHOD: ("method_not_offered", "offered by an active provider", offered),
    }
    found = []
    for place, condition in enumerate(conditions):
        if condition.type not in known:
            continue
        code, what, names = known[condition.type]
        for value in _values(condition):
            if value not in names:
                some = ", ".join(sorted(names)[:20]) or "there are none yet (provider-changed)"
                problem = FieldProblem(code, f"conditions[{place}].value", f"{value} is not {what}: {some}")
                found.append(((condition.type, value), problem))
    return found


async def delete_group(
    connection: AnyConnection, command: DeleteGroup, record: Record, now: datetime, rulesets: RuleSets
) -> Done:
    """Delete a group: its members leave first, at once or in a run."""
    await groups.hold_rules_alone(connection)
    rules = await rulesets.hold(connection)
    before = await groups.find(connection, command.group)
    if before is None or before.state != "active":
        refuse_unknown(rules, {"group": command.group})
        raise AssertionError("a group that is not active is in no rule set")
    references = await usage.of_group(connection, command.group)
    if references and not command.force:
        named = ", ".join(f"{each.kind} {each.title or each.ref_id}" for each in references[:20])
        message = f"the group is used by {len(references)}: {named}; give force to delete it all the same"
        raise Rejected(FieldProblem("group_used", "group", message))
    group = await groups.set_state(connection, before, "deleting", now=now, actor=command.actor)
    task = MembershipTask(Deed.DRAIN, command.group, command.time, command.actor, command.reason)
    ids = await groups.members_and_pinned(connection, command.group, AT_ONCE + 1)
    if len(ids) > AT_ONCE:
        order = runs.Order(
            "delete", (command.group,), task.as_json(), record.cause, command.actor, command.reason
        )
        run_id = run_id_of(command.command_id)
        await runs.start(connection, run_id, order, now=now, client_ids=None)
        return Done(run_id=run_id, records=[await run_record(connection, run_id, now)])
    cause = Cause(task.moment, record.cause, now, traceparent(record), command.actor, command.reason)
    work = Work(await clients.lock(connection, ids), await rulesets.hold(connection)) if ids else None
    history, snapshots = [], list[str]()
    if work is not None:
        task.apply(work, ids, cause)
        history, snapshots = await work.store(connection)
    tombstone = await end_deletion(connection, group, ce_id=record.cause, now=now, actor=command.actor)
    return Done({"changed": len(ids)}, (), history, snapshots, [tombstone])


async def end_deletion(
    connection: AnyConnection, group: StoredGroup, *, ce_id: str, now: datetime, actor: str
) -> Outgoing:
    """The last step, when nobody is in the group any more: conditions go, and the tombstone is published."""
    await groups.set_state(connection, group, "deleted", now=now, actor=actor)
    group_id = group.group.group_id
    return Outgoing(
        CLIENT_GROUPS.name, group_id.encode(), None, headers(CLIENT_GROUPS.name, ce_id, now, group_id)
    )
