"""Between a group on the wire and a group in the database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from db import usage
from db.connections import AnyConnection
from db.groups import Group, StoredGroup
from db.log import Outgoing
from events.conditions import Condition as WireCondition
from events.encode import encode, headers
from events.groups import Group as WireGroup
from events.outputs import ClientGroup, Reference
from events.topics import CLIENT_GROUPS
from rules.model import Comparison, Condition, ConditionType, GroupRules


def group_of(given: WireGroup) -> Group:
    """The group as it is stored."""
    switches = given.auto_assignment
    held = switches.hold_leaves_over
    return Group(
        group_id=given.group,
        name=given.name,
        description=given.description,
        currency_rates=dict(given.currency_rates),
        allow_service_suspension=given.allow_service_suspension,
        allow_service_deletion=given.allow_service_deletion,
        ignore_service_limit=given.ignore_service_limit,
        upon_registration=switches.upon_registration,
        upon_change=switches.upon_change,
        periodic=switches.periodic,
        schedule=switches.schedule,
        timezone=switches.timezone,
        exclude=switches.exclude,
        keep_manual=switches.keep_manual,
        hold_leaves_percent=None if held is None else Decimal(str(held.percent)),
        hold_leaves_count=None if held is None else held.count,
        conditions=tuple(map(condition_of, given.conditions)),
    )


def condition_of(given: WireCondition) -> Condition:
    """The condition as rules know it."""
    return Condition(
        given.condition_group,
        ConditionType(given.type),
        Comparison(given.comparison),
        tuple(given.value) if isinstance(given.value, list) else given.value,
        given.parameter,
        given.include_inactive,
    )


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def wire_of(group: Group) -> dict[str, Any]:
    """The fields of put-group, the effective `upon_change` among them."""
    held = (
        None
        if group.hold_leaves_percent is None
        else {"percent": _number(group.hold_leaves_percent), "count": group.hold_leaves_count}
    )
    return {
        "group": group.group_id,
        "name": group.name,
        "description": group.description,
        "currency_rates": group.currency_rates,
        "allow_service_suspension": group.allow_service_suspension,
        "allow_service_deletion": group.allow_service_deletion,
        "ignore_service_limit": group.ignore_service_limit,
        "auto_assignment": {
            "upon_registration": group.upon_registration,
            "upon_change": group.checks_upon_change,
            "periodic": group.periodic,
            "schedule": group.schedule,
            "timezone": group.timezone,
            "exclude": group.exclude,
            "keep_manual": group.keep_manual,
            "hold_leaves_over": held,
        },
        "conditions": [wire_condition(condition) for condition in group.conditions],
    }


def rules_of(group: Group) -> GroupRules:
    """What a check needs to know of the group."""
    return GroupRules(
        group.group_id,
        group.conditions,
        group.upon_registration,
        group.checks_upon_change,
        group.exclude,
        group.keep_manual,
    )


def definition_of(group: Group) -> WireGroup:
    """The group as it was put: `upon_change` is none where it was not set."""
    definition = WireGroup.model_validate(wire_of(group))
    switches = definition.auto_assignment.model_copy(update={"upon_change": group.upon_change})
    return definition.model_copy(update={"auto_assignment": switches})


def wire_condition(condition: Condition) -> dict[str, Any]:
    """A condition as it is published."""
    wire: dict[str, Any] = {
        "condition_group": condition.condition_group,
        "type": condition.type.value,
        "comparison": condition.comparison.value,
    }
    if condition.value is not None:
        wire["value"] = condition.value if isinstance(condition.value, str) else list(condition.value)
    if condition.parameter is not None:
        wire["parameter"] = condition.parameter
    if condition.include_inactive:
        wire["include_inactive"] = True
    return wire


def client_group(stored: StoredGroup, references: Iterable[usage.Reference]) -> ClientGroup:
    """The group as it is published, with what refers to it."""
    return ClientGroup.of(
        WireGroup.model_validate(wire_of(stored.group)),
        version=stored.version,
        updated_at=stored.updated_at,
        updated_by=stored.updated_by,
        used_by=[Reference(kind=each.kind, ref_id=each.ref_id, title=each.title) for each in references],
    )


async def group_record(
    connection: AnyConnection,
    stored: StoredGroup,
    *,
    ce_id: str,
    now: datetime,
    traceparent: str | None = None,
) -> Outgoing:
    """The record of client-groups that says how the group is. The group, or the rules, must be held alone."""
    references = await usage.of_group(connection, stored.group.group_id)
    return Outgoing(
        CLIENT_GROUPS.name,
        stored.group.group_id.encode(),
        encode(client_group(stored, references)),
        headers(CLIENT_GROUPS.name, ce_id, now, stored.group.group_id, traceparent),
    )


def group_tombstone(group: str, *, ce_id: str, now: datetime, traceparent: str | None = None) -> Outgoing:
    """The record of client-groups that says that the group is deleted."""
    return Outgoing(
        CLIENT_GROUPS.name,
        group.encode(),
        None,
        headers(CLIENT_GROUPS.name, ce_id, now, group, traceparent),
    )
