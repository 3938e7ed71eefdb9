"""group-usage-changed: keeps what refers to a group, newest record first, and publishes the group anew."""

from __future__ import annotations

from datetime import datetime

from db import groups, usage
from db.connections import AnyConnection
from db.log import Outgoing
from db.stamps import Stamp, order
from db.usage import Reference
from events.record import Record
from events.usage import GroupUsageChanged
from workers.commands.group_records import group_record


async def take_usage(
    connection: AnyConnection, event: GroupUsageChanged, record: Record, now: datetime
) -> list[Outgoing]:
    """Keep the reference; answers the group's record where the group exists. The rules must be held."""
    # Before the reference is written: of two that come at once, the second sees the first one's.
    stored = await groups.lock(connection, event.group)
    partition, offset = record.place
    written = await usage.store(
        connection,
        event.group,
        Reference(event.kind, event.ref_id, event.title),
        used=event.used,
        stamp=Stamp(event.time, order(offset, partition)),
    )
    if stored is None or stored.state == "deleted" or not written:
        return []
    return [await group_record(connection, stored, ce_id=record.cause, now=now)]
