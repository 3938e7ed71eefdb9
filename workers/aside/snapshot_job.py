"""snapshot: publishes client-groups and client-memberships anew, beside the changes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from db import groups, log, snapshots
from db.log import Outgoing
from events.results import SnapshotPublished
from events.upkeep_commands import Snapshot
from workers.aside.jobs import Step
from workers.aside.log_room import has_room
from workers.commands.group_records import group_record, group_tombstone

if TYPE_CHECKING:
    from db.connections import AnyConnection

_GROUPS: Final = 20
"""A step. They are read while the log is held, at about a millisecond each."""
_CLIENTS: Final = 1_000
"""A step, those that were never published too. The log is held for their insert only."""


class _Progress(BaseModel):
    after_group: str = ""
    all_groups: bool = False
    after_client: str = ""
    groups: int = 0
    clients: int = 0
    waited: int = 0
    """How often there was no room in the log since the last piece."""


class SnapshotJob:
    """Publishes all groups, then all clients, a piece a step."""

    def __init__(self, max_backlog: int) -> None:
        """`max_backlog` is the setting max_relay_backlog."""
        self._max_backlog = max_backlog

    async def step(
        self, connection: AnyConnection, command: Snapshot, progress: dict[str, Any] | None, now: datetime
    ) -> Step:
        """Publish the next piece. Commit at once: a piece of groups holds the log."""
        done = _Progress.model_validate(progress or {})
        if not await has_room(connection, done.waited, self._max_backlog):
            done.waited += 1
            return Step(progress=done.model_dump())
        done.waited = 0
        if done.all_groups:
            return await _clients(connection, done)
        return await _groups(connection, command, done, now)


async def _groups(connection: AnyConnection, command: Snapshot, done: _Progress, now: datetime) -> Step:
    group_ids = await snapshots.group_ids(connection, done.after_group, _GROUPS)
    if not group_ids:
        done.all_groups = True
        return Step(progress=done.model_dump())
    # Who holds the log need hold neither groups nor rules: what is not committed yet, and so not read here,
    # comes to stand behind this. Nothing is locked after the log, so nobody waits for another in a circle.
    await log.hold(connection)
    records = [await _group(connection, group_id, command, now) for group_id in group_ids]
    done.after_group = group_ids[-1]
    done.groups += sum(record.value is not None for record in records)
    return Step(records, progress=done.model_dump())


async def _group(connection: AnyConnection, group_id: str, command: Snapshot, now: datetime) -> Outgoing:
    ce_id = f"{command.cause}/{group_id}"
    stored = await groups.find(connection, group_id)
    if stored is None or stored.state == "deleted":
        return group_tombstone(group_id, ce_id=ce_id, now=now)
    return await group_record(connection, stored, ce_id=ce_id, now=now)


async def _clients(connection: AnyConnection, done: _Progress) -> Step:
    seen = await snapshots.clients(connection, done.after_client, _CLIENTS)
    if not seen:
        return Step(result=SnapshotPublished(groups=done.groups, clients=done.clients))
    due = [client.client_id for client in seen if client.published]
    done.after_client = seen[-1].client_id
    done.clients += len(due)
    # The relay reads their memberships when it sends them, so they are not behind anything.
    return Step(snapshots=due, progress=done.model_dump())
