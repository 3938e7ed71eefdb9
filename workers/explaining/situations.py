"""How it was about a client and a group at a moment, now or past: what an explanation begins with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from db import client_reading, evidence, group_reading, group_versions, history_reading
from db.client_reading import ClientAsItIs
from db.clients import Client
from db.evidence import PastFacts, Version
from db.group_versions import GroupVersion
from db.groups import Group
from db.history_reading import NEWEST, PastChange
from events.record import FieldProblem
from rules.model import Moment
from workers.aside.client_readings import unknown_client
from workers.aside.group_readings import unknown_group
from workers.commands.answers import Rejected

if TYPE_CHECKING:
    from db.connections import AnyConnection
    from events.commands import Explain


@dataclass(frozen=True, slots=True)
class Member:
    """How and since when the client was in the group."""

    source: str
    since: datetime
    actor: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """How a pin held the client."""

    held_in: bool
    expires_at: datetime | None
    actor: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Situation:
    """What counted for a client and a group at a moment."""

    client_id: str
    facts: Client | None
    """Facts, payers and verifications; None: the client was not registered."""
    parameters_left_out: bool
    """There were request parameters that are not kept."""
    group: Group
    group_version: int
    group_changed_at: datetime
    member: Member | None
    hold: Hold | None
    last: PastChange | None
    """The last change of the client in the group."""
    leaves_by: str | None
    """A run that waits to take the client out."""
    version: int
    """Of the client's last change in any group."""
    at: datetime
    is_now: bool


async def situation(connection: AnyConnection, command: Explain, now: datetime) -> Situation:
    """The one that a command asks for.

    Raises Rejected where there was no such client, group or version, or what it takes is not kept any more.
    """
    # First: what ends after this was read is then found among what is past, and is the same.
    found = await client_reading.find(connection, command.client_id)
    if found is None:
        raise Rejected(unknown_client())
    if command.version is None and command.at is None:
        return await _now(connection, command, found, now)
    return await _then(connection, command, found)


async def _now(connection: AnyConnection, command: Explain, found: ClientAsItIs, now: datetime) -> Situation:
    stored = await group_reading.find(connection, command.group)
    if stored is None:
        raise Rejected(await unknown_group(connection, command.group))
    client, membership = found.client, found.memberships.get(command.group)
    pin = found.pins.get(command.group)
    return Situation(
        client.client_id,
        None if client.registered_at is None else client,
        False,
        stored.group,
        stored.version,
        stored.updated_at,
        None
        if membership is None
        else Member(membership.source, membership.since, membership.actor, membership.reason),
        None if pin is None else Hold(pin.held_in, pin.expires_at, pin.actor, pin.reason),
        await _last_change(connection, command, NEWEST),
        await evidence.going_to_leave(connection, client.client_id, command.group),
        client.version,
        now,
        True,
    )


async def _then(connection: AnyConnection, command: Explain, found: ClientAsItIs) -> Situation:
    client, version, at = found.client, await _version(connection, command), command.at
    if at is None:
        at = version.changed_at
        past = await evidence.of_version(connection, client.client_id, version.version)
    else:
        past = await evidence.at_time(connection, client.client_id, at)
    last = await _last_change(connection, command, version.version + 1)
    group = await _definition(connection, command, version, at, last)
    hold = await _hold(connection, command, found, at)
    # Last: what was pruned while this was read is refused.
    oldest = await evidence.oldest(connection)
    if oldest is not None and at < oldest:
        raise Rejected(_not_kept(command, oldest))
    return Situation(
        client.client_id,
        None if _left_by_deletion(last, version) else _facts(command, past, client, at),
        past is not None and past.parameters_left_out,
        group.group or Group(command.group, command.group),
        group.version,
        group.changed_at,
        _member(found, command.group, last, at),
        hold,
        last,
        None,
        version.version,
        at,
        False,
    )


async def _version(connection: AnyConnection, command: Explain) -> Version:
    if command.version is not None:
        version = await evidence.version(connection, command.client_id, command.version)
        if version is None:
            says = f"the client has no change of version {command.version}; history lists them"
            raise Rejected(FieldProblem("unknown_version", "version", says))
        return version
    assert command.at is not None
    return await evidence.version_at(connection, command.client_id, command.at) or Version(
        0, command.at, None
    )


async def _last_change(connection: AnyConnection, command: Explain, before: int) -> PastChange | None:
    found = await history_reading.of_client(connection, command.client_id, command.group, before, 1)
    return found[0] if found else None


async def _definition(
    connection: AnyConnection, command: Explain, version: Version, at: datetime, last: PastChange | None
) -> GroupVersion:
    if command.version is not None and version.rules_version is not None:
        found = await group_versions.at_rules(connection, command.group, version.rules_version)
    else:
        found = await group_versions.at_time(connection, command.group, at)
    if found is None:
        raise Rejected(await unknown_group(connection, command.group))
    left_with_it = last is not None and last.moment == Moment.GROUP_DELETED
    if found.group is None and not left_with_it:
        message = f"the group was deleted then, at {found.changed_at.isoformat()} by {found.actor}"
        raise Rejected(FieldProblem("group_deleted", "group", message))
    return found


async def _hold(
    connection: AnyConnection, command: Explain, found: ClientAsItIs, at: datetime
) -> Hold | None:
    past = await evidence.pin_at(connection, command.client_id, command.group, at)
    if past is not None:
        return Hold(past.held_in, past.expires_at, past.actor, past.reason)
    pin = found.pins.get(command.group)
    if pin is None or pin.said_at > at:
        return None
    return Hold(pin.held_in, pin.expires_at, pin.actor, pin.reason)


def _facts(command: Explain, past: PastFacts | None, now: Client, at: datetime) -> Client | None:
    if past is not None and past.client is None:
        path = "at" if command.version is None else "version"
        message = f"the client was deleted at {past.until.isoformat()}, and with it the facts of before"
        raise Rejected(FieldProblem("erased", path, message))
    client = now if past is None else past.client
    is_registered = client is not None and client.registered_at is not None
    # By a version a check was done, whatever the time of registration says.
    if client is None or not is_registered or (command.version is None and _registered_after(client, at)):
        return None
    return client


def _left_by_deletion(last: PastChange | None, version: Version) -> bool:
    return last is not None and last.version == version.version and last.moment == Moment.CLIENT_DELETED


def _registered_after(client: Client, at: datetime) -> bool:
    return client.registered_at is not None and client.registered_at > at


def _member(found: ClientAsItIs, group: str, last: PastChange | None, at: datetime) -> Member | None:
    if last is None or not last.joined:
        return None
    present = found.memberships.get(group)
    if present is not None and present.since == last.changed_at and present.source_at <= at:
        # It may have come to be by another source since the client joined.
        return Member(present.source, present.since, present.actor, present.reason)
    return Member(last.source, last.changed_at, last.actor, last.reason)


def _not_kept(command: Explain, oldest: datetime) -> FieldProblem:
    path = "at" if command.version is None else "version"
    return FieldProblem(
        "not_kept", path, f"the oldest moment that can be explained is {oldest.isoformat()} (EVIDENCE_DAYS)"
    )
