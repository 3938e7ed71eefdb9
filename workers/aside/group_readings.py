"""list-groups, show-group, list-members."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from db import client_reading, group_reading, groups, providers, usage
from db.group_reading import Member
from db.groups import StoredGroup
from events.outputs import Membership
from events.reading_commands import ListGroups, ListMembers, ShowGroup
from events.record import FieldProblem
from events.results import GroupCard, GroupsPage, GroupSummary, MembersPage
from events.suggestions import did_you_mean
from rules.model import ConditionType, GroupRules
from rules.ruleset import RuleSet
from workers.aside.jobs import Step
from workers.aside.pages import after_of, page, place_of
from workers.commands.answers import AnyProblem, Rejected
from workers.commands.group_records import client_group
from workers.commands.group_warnings import warnings_of
from workers.commands.offers import missing_from
from workers.membership.folding import facts_of

if TYPE_CHECKING:
    from db.connections import AnyConnection

CHECKED_MAX: Final = 5_000
"""Clients that show-group checks: at 60 µs each, as their facts are read one by one."""


async def list_groups(
    connection: AnyConnection, command: ListGroups, progress: dict[str, Any] | None, now: datetime
) -> Step:
    """All groups, by id."""
    after = place_of(command.after) or ""
    on_offer = await providers.active(connection)
    found = await group_reading.summaries(connection, after, command.limit + 1, on_offer)
    rows, more = page(
        (GroupSummary(**each._asdict()) for each in found), command.limit, lambda row: row.group
    )
    return Step(result=GroupsPage(groups=rows, after=more))


async def show_group(
    connection: AnyConnection, command: ShowGroup, progress: dict[str, Any] | None, now: datetime
) -> Step:
    """A group's card, and what is not right with its conditions now."""
    stored = await _group(connection, command.group)
    conditions = stored.group.conditions
    warnings: list[AnyProblem] = [
        each.problem for each in missing_from(await providers.active(connection), conditions)
    ]
    warnings += await warnings_of(connection, stored.group)
    unknown, all_checked = await _unknown(connection, stored)
    if not all_checked:
        message = (
            f"`unknown` counts the first {CHECKED_MAX:,} clients whose country by address is not known;"
            " there are more"
        )
        warnings.append(FieldProblem("not_all_counted", "unknown", message))
    references = await usage.of_group(connection, command.group)
    card = GroupCard.showing(
        client_group(stored, references),
        members=await group_reading.member_count(connection, command.group),
        unknown=unknown,
    )
    return Step(result=card, warnings=warnings)


async def list_members(
    connection: AnyConnection, command: ListMembers, progress: dict[str, Any] | None, now: datetime
) -> Step:
    """The clients in a group, by id. At the most 1,000 pairs of ids: they always go into one record."""
    after = place_of(command.after) or ""
    await _group(connection, command.group)
    found = await group_reading.members(connection, command.group, after, command.limit + 1)
    rows = found[: command.limit]
    return Step(
        result=MembersPage(
            clients=[each.client_id for each in rows],
            memberships={each.client_id: _membership(each) for each in rows},
            after=after_of(rows[-1].client_id) if len(found) > len(rows) else None,
        )
    )


def _membership(member: Member) -> Membership:
    return Membership.model_validate({"source": member.source, "since": member.since})


async def _group(connection: AnyConnection, group_id: str) -> StoredGroup:
    stored = await group_reading.find(connection, group_id)
    if stored is None:
        raise Rejected(await unknown_group(connection, group_id))
    return stored


async def unknown_group(connection: AnyConnection, group_id: str) -> FieldProblem:
    """What is said where there is no such group."""
    says = f"the group {did_you_mean(group_id, await groups.names(connection))}"
    return FieldProblem("unknown_group", "group", says)


async def _unknown(connection: AnyConnection, stored: StoredGroup) -> tuple[int, bool]:
    """For how many clients the verdict is unknown, and whether all were checked.

    Nothing but the country by address can be unknown (`membership.folding.facts_of`), so that only clients
    without one are checked, and only where a condition reads it.
    """
    conditions = stored.group.conditions
    if not any(each.type is ConditionType.GEOIP_COUNTRY for each in conditions):
        return 0, True
    rules = RuleSet.compile([GroupRules(stored.group.group_id, conditions)])
    found = await client_reading.not_located(connection, CHECKED_MAX + 1)
    unknown = 0
    for client in found[:CHECKED_MAX]:
        verdicts = rules.evaluate(facts_of(client))
        unknown += verdicts.possibly != verdicts.surely
    return unknown, len(found) <= CHECKED_MAX
