"""group-history: the definitions that a group had, each as what became different by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from db import group_versions, groups
from db.group_versions import GroupVersion
from db.groups import Group
from db.history_reading import NEWEST
from events.commands import GroupHistory
from events.explanations import Difference, GroupVersionsPage
from events.explanations import GroupVersion as WireVersion
from workers.aside.group_readings import unknown_group
from workers.aside.jobs import Step
from workers.aside.pages import number_of, page
from workers.commands.answers import Rejected
from workers.commands.group_records import wire_of

if TYPE_CHECKING:
    from db.connections import AnyConnection


async def group_history(
    connection: AnyConnection, command: GroupHistory, progress: dict[str, Any] | None, now: datetime
) -> Step:
    """Who changed what of a group, the newest first; of a deleted one too."""
    before = number_of(command.after)
    if await groups.find(connection, command.group) is None:
        raise Rejected(await unknown_group(connection, command.group))
    # One more for the page's end, and one more for what the last of them was before.
    found = await group_versions.of_group(
        connection, command.group, NEWEST if before is None else before, command.limit + 2
    )
    rows = {each.rules_version: _changed(each, earlier) for each, earlier in pairwise([*found, None]) if each}
    places = {id(row): str(rules_version) for rules_version, row in rows.items()}
    shown, after = page(list(rows.values())[: command.limit + 1], command.limit, lambda row: places[id(row)])
    return Step(result=GroupVersionsPage(versions=shown, after=after))


def _changed(row: GroupVersion, earlier: GroupVersion | None) -> WireVersion:
    before = None if earlier is None else earlier.group
    after = row.group
    is_new = before is None
    return WireVersion(
        version=row.version,
        change="deleted" if after is None else "created" if is_new else "changed",
        changed_at=row.changed_at,
        actor=row.actor,
        reason=row.reason,
        cause=row.cause,
        differences=[] if after is None else list(differences(before or Group(after.group_id, ""), after)),
    )


def differences(before: Group, after: Group) -> Iterator[Difference]:
    """What became another, field by field; of conditions those that went and those that came."""
    was, now = _flat(wire_of(before)), _flat(wire_of(after))
    for path in dict.fromkeys([*was, *now]):
        left, right = was.get(path), now.get(path)
        if left == right:
            continue
        if path == "conditions":
            went = [each for each in left or () if each not in (right or ())]
            came = [each for each in right or () if each not in (left or ())]
            if not went and not came:  # the same in another order, or one twice
                went, came = left or [], right or []
            left, right = went, came
        yield Difference(path=path, before=left, after=right)


def _flat(fields: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{above}{name}.")
        else:
            found[above + name] = value
    return found
