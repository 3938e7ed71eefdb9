"""Groups, their conditions, and the rule set they make up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import TypeAdapter

from db import locks
from db.queries import load
from rules.model import Comparison, Condition, ConditionType, GroupRules
from rules.normal_form import digest

if TYPE_CHECKING:
    from asyncpg import Record

    from db.connections import AnyConnection

_groups: Final = load("groups")
_versions: Final = load("group_versions")


@dataclass(frozen=True, slots=True)
class Group:
    """A group as it is stored."""

    group_id: str
    name: str
    description: str = ""
    currency_rates: dict[str, str] = field(default_factory=dict)
    allow_service_suspension: bool = False
    allow_service_deletion: bool = False
    ignore_service_limit: bool = False
    upon_registration: bool = False
    upon_change: bool | None = None
    """None = on where `upon_registration` or `periodic` is on."""
    periodic: bool = False
    schedule: str | None = None
    timezone: str = "UTC"
    exclude: bool = False
    keep_manual: bool = False
    hold_leaves_percent: Decimal | None = None
    hold_leaves_count: int | None = None
    """Both None = a run is never held."""
    conditions: tuple[Condition, ...] = ()

    @property
    def checks_upon_change(self) -> bool:
        """Whether a change leads to a check: as set, else where another automatic check is on."""
        return (self.upon_registration or self.periodic) if self.upon_change is None else self.upon_change


@dataclass(frozen=True, slots=True)
class StoredGroup:
    """A group with what the database adds."""

    group: Group
    version: int
    updated_at: datetime
    updated_by: str
    state: str = "active"
    """`active`, `deleting` (its members are leaving) or `deleted`. Made again, its version goes on."""


class Said(NamedTuple):
    """Who changed a group, when and why."""

    at: datetime
    actor: str
    reason: str | None
    cause: str
    """topic/partition/offset of the command."""


DEFINITION: Final = TypeAdapter(Group)
"""How group_versions holds a group."""
_FIELDS: Final = tuple(name for name in Group.__dataclass_fields__ if name != "conditions")
_WITHOUT_VALUE: Final = frozenset({Comparison.IS_SET, Comparison.IS_NOT_SET})
_WITH_LIST: Final = frozenset({Comparison.ONE_OF, Comparison.NONE_OF})


def condition_of(row: Mapping[str, Any] | Record) -> Condition:
    """The condition that a row of `conditions` holds."""
    comparison = Comparison(row["comparison"])
    value: str | tuple[str, ...] | None = None
    if comparison in _WITH_LIST:
        value = tuple(row["value"])
    elif comparison not in _WITHOUT_VALUE:
        value = row["value"][0]
    return Condition(
        row["condition_group"],
        ConditionType(row["type"]),
        comparison,
        value,
        row["parameter"],
        row["include_inactive"],
    )


async def hold_rules(connection: AnyConnection) -> int:
    """Keep the rules from changing until the transaction ends; answers the rule set's version.

    Waits while a command that changes rules is under way.
    """
    version: int = await _groups.hold_rules(connection, namespace=locks.NAMESPACE, lock=locks.RULES)
    return version


async def hold_rules_alone(connection: AnyConnection) -> None:
    """Keep everybody from evaluating until the transaction ends: waits for the batches under way."""
    await _groups.lock_rules(connection, namespace=locks.NAMESPACE, lock=locks.RULES)


async def rules_since(connection: AnyConnection, version: int) -> tuple[list[GroupRules], list[str]]:
    """The rules of the groups written after `version` of the rule set (0 = of all); and who is gone."""
    conditions: dict[str, list[Condition]] = {}
    async for row in _groups.conditions_since(connection, version=version):
        conditions.setdefault(row["group_id"], []).append(condition_of(row))
    present, gone = [], []
    async for row in _groups.groups_since(connection, version=version):
        group = row["group_id"]
        if row["state"] != "active":
            gone.append(group)
            continue
        switches = (row["upon_registration"], row["upon_change"], row["exclude"], row["keep_manual"])
        present.append(GroupRules(group, tuple(conditions.get(group, ())), *switches))
    return present, gone


async def find(connection: AnyConnection, group_id: str) -> StoredGroup | None:
    """One group, or None where there never was one of this id; it may be deleted (`state`)."""
    row = await _groups.group(connection, group_id=group_id)
    return None if row is None else await _stored(connection, row)


async def lock(connection: AnyConnection, group_id: str) -> StoredGroup | None:
    """As `find`, and keeps the group as it is until the transaction ends.

    Whoever publishes the record of a group holds it so (or the rules alone), so that its records come in the
    order of their contents.
    """
    row = await _groups.lock_group(connection, group_id=group_id)
    return None if row is None else await _stored(connection, row)


async def _stored(connection: AnyConnection, row: Record) -> StoredGroup:
    group_id = row["group_id"]
    group = Group(
        **{name: row[name] for name in _FIELDS},
        conditions=tuple(
            [condition_of(each) async for each in _groups.conditions(connection, group_id=group_id)]
        ),
    )
    return StoredGroup(group, row["version"], row["updated_at"], row["updated_by"], row["state"])


async def names(connection: AnyConnection) -> list[str]:
    """The ids of all groups."""
    return [row["group_id"] async for row in _groups.names(connection)]


async def with_same_conditions(connection: AnyConnection, group: Group, *, limit: int) -> list[str]:
    """The ids of other groups whose conditions have the same digest, at most `limit`."""
    rows = _groups.with_digest(
        connection, digest=digest(group.conditions), but=group.group_id, row_limit=limit
    )
    return [row["group_id"] async for row in rows]


async def store(
    connection: AnyConnection, stored: StoredGroup, *, cause: str, reason: str | None = None
) -> None:
    """Write a group whole, and raise the rule set's version. The rules must be held alone."""
    group = stored.group
    values: dict[str, Any] = {name: getattr(group, name) for name in _FIELDS}
    rules_version: int = await _groups.raise_rules_version(connection)
    await _groups.store(
        connection,
        **values,
        conditions_digest=digest(group.conditions),
        version=stored.version,
        updated_at=stored.updated_at,
        updated_by=stored.updated_by,
        rules_version=rules_version,
    )
    await _groups.erase_conditions(connection, group_id=group.group_id)
    await _groups.store_condition(connection, _condition_rows(group.group_id, group.conditions))
    said = Said(stored.updated_at, stored.updated_by, reason, cause)
    await _keep_version(connection, group.group_id, rules_version, said, group)


async def begin_deletion(connection: AnyConnection, group_id: str, said: Said) -> None:
    """From here on the group counts as not there. The rules must be held alone."""
    rules_version: int = await _groups.raise_rules_version(connection)
    await _groups.begin_deletion(
        connection, group_id=group_id, updated_at=said.at, updated_by=said.actor, rules_version=rules_version
    )
    await _keep_version(connection, group_id, rules_version, said, None)


async def _keep_version(
    connection: AnyConnection, group_id: str, rules_version: int, said: Said, group: Group | None
) -> None:
    definition = None if group is None else DEFINITION.dump_python(group, mode="json", exclude_defaults=True)
    await _versions.keep(
        connection, group_id=group_id, rules_version=rules_version, definition=definition, **said._asdict()
    )


async def end_deletion(connection: AnyConnection, group_id: str) -> None:
    """Nobody is in the group any more: its conditions go. Its row stays, and holds its version."""
    await _groups.end_deletion(connection, group_id=group_id)
    await _groups.erase_conditions(connection, group_id=group_id)


async def members_and_pinned(connection: AnyConnection, group_id: str, limit: int) -> list[str]:
    """Some who are in a group or pinned to it, at most `limit`."""
    rows = _groups.members_and_pinned(connection, group_id=group_id, limit=limit)
    return [row["client_id"] async for row in rows]


def _condition_rows(group_id: str, conditions: Sequence[Condition]) -> list[dict[str, Any]]:
    return [
        {
            "group_id": group_id,
            "position": position,
            "condition_group": condition.condition_group,
            "type": condition.type.value,
            "comparison": condition.comparison.value,
            "value": [condition.value]
            if isinstance(condition.value, str)
            else None
            if condition.value is None
            else list(condition.value),
            "parameter": condition.parameter,
            "include_inactive": condition.include_inactive,
        }
        for position, condition in enumerate(conditions)
    ]
