"""explain: why a client is in a group, or is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from db.clients import Client
from db.stamps import CHANGED, Stamp, place_of
from events.commands import Explain
from events.explanations import Check, ExplainedCondition, Explanation, WouldDiffer
from events.topics import (
    CLIENT_CHANGED,
    CLIENT_REGISTERED,
    PAYER_CHANGED,
    VERIFICATION_COMPLETED,
)
from rules.attributes import GEOIP_COUNTRY, PARAMETER_PREFIX, PAYERS, VERIFICATIONS, Attribute, attribute_of
from rules.differences import Different
from rules.explain import Judged, explain
from rules.model import Facts, Payer
from workers.aside.history_readings import changed
from workers.aside.jobs import Step
from workers.commands.group_records import wire_condition
from workers.explaining.decisions import decided_by
from workers.explaining.situations import Situation, situation
from workers.membership.folding import facts_of
from workers.runs.schedules import next_moment

if TYPE_CHECKING:
    from db.connections import AnyConnection

_FIELDS: Final = {
    "country": "country",
    GEOIP_COUNTRY: "ip",
    "provider": "provider_id",
    "authorization_method": "authorization_method",
}
"""Of what field of a client's events the attribute comes."""


async def explain_membership(
    connection: AnyConnection, command: Explain, progress: dict[str, Any] | None, now: datetime
) -> Step:
    """The rules and facts as they are or were, judged anew, and what decided beside them."""
    return Step(result=explanation_of(await situation(connection, command, now)))


def explanation_of(given: Situation) -> Explanation:
    """The explanation of a situation. Pure."""
    client, conditions = given.facts, given.group.conditions
    attributes = {attribute_of(each) for each in conditions}
    not_kept = {each for each in attributes if _is_left_out(each, given)}
    if client is None:
        found = explain(conditions, Facts(), attributes)
    else:
        found = explain(conditions, facts_of(client), not_kept)
    return Explanation(
        client_id=given.client_id,
        group=given.group.group_id,
        member=given.member is not None,
        source=None if given.member is None else given.member.source,
        since=None if given.member is None else given.member.since,
        verdict=found.verdict.value,
        conditions=[_condition(each, client, each.attribute in not_kept) for each in found.conditions],
        would_differ=[_different(each) for each in found.would_differ],
        decided_by=decided_by(given, found.verdict, is_kept=not not_kept),
        checks=list(_checks(given)) if given.is_now else [],
        change=None if given.last is None else changed(given.last),
        version=given.version,
        at=given.at,
        group_version=given.group_version,
    )


def _is_left_out(attribute: Attribute, given: Situation) -> bool:
    """Whether the fact may have been another than what is kept."""
    if not given.parameters_left_out or given.facts is None or not attribute.startswith(PARAMETER_PREFIX):
        return False
    return attribute.removeprefix(PARAMETER_PREFIX) not in (given.facts.request_parameters or {})


def _condition(judged: Judged, client: Client | None, not_kept: bool) -> ExplainedCondition:
    said = None if client is None or not_kept else _said(judged, client)
    build = None if client is None or judged.attribute != GEOIP_COUNTRY else client.geoip_build
    # Not validated: a country that a condition asks for may have been abolished since.
    return ExplainedCondition.model_construct(
        **wire_condition(judged.condition),
        verdict=judged.verdict.value,
        fact=list(judged.fact) if isinstance(judged.fact, tuple) else judged.fact,
        said_at=None if said is None else said[1].at,
        cause=None if said is None else _cause(*said),
        geoip_build=None if build is None else datetime.fromtimestamp(build, UTC),
        not_kept=not_kept,
    )


def _said(judged: Judged, client: Client) -> tuple[str, Stamp] | None:
    """The record that the fact came with: of several payers or methods that count the newest."""
    if judged.attribute == PAYERS:
        counted = (each for each in client.payers.values() if not each.deleted)
        stamps = [each.stamp for each in counted if each.active or judged.condition.include_inactive]
        return (PAYER_CHANGED.name, max(stamps)) if stamps else None
    if judged.attribute == VERIFICATIONS:
        passed = [each.passed for each in client.verifications.values() if each.is_passed and each.passed]
        return (VERIFICATION_COMPLETED.name, max(passed)) if passed else None
    stamp = client.stamps.get(_FIELDS.get(judged.attribute, "request_parameters"))
    if stamp is None:
        return None
    is_change = place_of(stamp.order).rank == CHANGED
    return (CLIENT_CHANGED.name if is_change else CLIENT_REGISTERED.name, stamp)


def _cause(topic: str, stamp: Stamp) -> str:
    place = place_of(stamp.order)
    return f"{topic}/{place.partition}/{place.offset}"


def _different(different: Different) -> WouldDiffer:
    attribute, value = different
    if attribute.startswith(PARAMETER_PREFIX):
        name = attribute.removeprefix(PARAMETER_PREFIX)
        return WouldDiffer(
            fact="request_parameter", parameter=name, value=str(value) if value is not None else None
        )
    if not isinstance(value, frozenset):
        return WouldDiffer(fact=attribute, value=None if value is None else str(value))
    active = sorted(each.status if isinstance(each, Payer) else each for each in value if _counts(each))
    inactive = sorted(each.status for each in value if isinstance(each, Payer) and not each.active)
    return WouldDiffer(fact=attribute, value=active, inactive=inactive or None)


def _counts(each: Payer | str) -> bool:
    return not isinstance(each, Payer) or each.active


def _checks(given: Situation) -> Iterator[Check]:
    """The checks to come that may move the client."""
    group = given.group
    if given.hold is not None and given.hold.expires_at is not None:
        yield Check(moment="pin", at=given.hold.expires_at)
    if not group.conditions:
        return
    if given.facts is None:
        if group.upon_registration:
            yield Check(moment="registration")
        return
    if group.checks_upon_change:
        yield Check(moment="change", facts=sorted({attribute_of(each) for each in group.conditions}))
    if group.periodic and group.schedule is not None:
        yield Check(moment="schedule", at=next_moment(group.schedule, group.timezone, given.at))
