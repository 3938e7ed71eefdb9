"""Every definition that a group had (written by db.groups, under the lock of the rules)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from db.groups import DEFINITION, Group
from db.queries import load

if TYPE_CHECKING:
    from asyncpg import Record

    from db.connections import AnyConnection

_versions: Final = load("group_versions")


class GroupVersion(NamedTuple):
    """How a group was defined from a moment on."""

    version: int
    changed_at: datetime
    actor: str
    reason: str | None
    cause: str
    group: Group | None
    """None: it was deleted."""
    rules_version: int
    """Of the rule set; grows from one definition to the next."""


async def at_rules(connection: AnyConnection, group_id: str, rules_version: int) -> GroupVersion | None:
    """The definition under a version of the rule set; None: there was none yet."""
    return _version(await _versions.at_rules(connection, group_id=group_id, rules_version=rules_version))


async def at_time(connection: AnyConnection, group_id: str, at: datetime) -> GroupVersion | None:
    """The definition at a time; None: there was none yet."""
    return _version(await _versions.at_time(connection, group_id=group_id, at=at))


async def of_group(connection: AnyConnection, group_id: str, before: int, limit: int) -> list[GroupVersion]:
    """The definitions from below a version of the rule set, the newest first, at most `limit`."""
    rows = _versions.of_group(connection, group_id=group_id, before=before, row_limit=limit)
    return [_of_row(row) async for row in rows]


def _version(row: Record | None) -> GroupVersion | None:
    return None if row is None else _of_row(row)


def _of_row(row: Record) -> GroupVersion:
    version, changed_at, actor, reason, cause, definition, rules_version = row
    group = None if definition is None else DEFINITION.validate_python(definition)
    return GroupVersion(version, changed_at, actor, reason, cause, group, rules_version)
