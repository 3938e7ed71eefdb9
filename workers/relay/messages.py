"""From rows of the log to messages. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from typing import NamedTuple, cast

from db.log import KEPT_HEADER, stand_in
from db.relay import Change, ClientState, LogRow, Outgoing
from events.encode import encode_client_memberships, encode_membership_changed, headers
from events.outputs import Moment, Source
from events.topics import CLIENT_MEMBERSHIPS, MEMBERSHIP_CHANGED

_LONG_TEXT = 200
"""Characters of actor and reason that are left in a change which is too large for its topic."""


class Message(NamedTuple):
    """One message to send."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp_ms: int | None
    """None = the time of sending: a reader who comes late finds his place in membership-changed by it."""
    origin: Change | Outgoing | ClientState
    """What it was made of."""


def last_rows(rows: Iterable[LogRow]) -> dict[str, int]:
    """The clients whose snapshot the rows ask for, each with the seq of its last row."""
    return {row.client_id: row.seq for row in rows if not isinstance(row, Outgoing)}


def changes_and_records(rows: Iterable[LogRow], cut: Set[int]) -> list[Message]:
    """The messages of the rows themselves, in order; changes whose seq is in `cut` without long texts."""
    messages = []
    for row in rows:
        if isinstance(row, Change):
            messages.append(_change(row) if row.seq not in cut else _cut_change(row))
        elif isinstance(row, Outgoing):
            messages.append(Message(row.topic, row.key, row.value, row.headers, row.timestamp_ms, row))
    return messages


def snapshot(state: ClientState, seq: int, now: datetime) -> Message:
    """The client-memberships record of a client, or its tombstone; `seq` is the last row asking for it."""
    topic = CLIENT_MEMBERSHIPS.name
    value = None
    if state.groups or not state.deleted:
        value = encode_client_memberships(
            client_id=state.client_id,
            version=state.version,
            groups={
                group: (cast("Source", source), since)
                for group, source, since in zip(state.groups, state.sources, state.since, strict=True)
            },
        )
    # The version alone does not name it: where only a source changes it stays the same.
    ce_id = f"{state.client_id}:{state.version}:{seq}"
    return Message(
        topic,
        state.client_id.encode(),
        value,
        headers(topic, ce_id, now, state.client_id),
        None,
        state,
    )


def kept_snapshot(message: Message, kept_id: int) -> Message:
    """The record in the place of a snapshot that its topic refuses."""
    key, value, headers = stand_in(kept_id, message.key, message.value, message.headers)
    return message._replace(key=key, value=value, headers=headers)


def _change(row: Change) -> Message:
    topic = MEMBERSHIP_CHANGED.name
    return Message(
        topic,
        row.client_id.encode(),
        encode_membership_changed(
            client_id=row.client_id,
            group=row.group_id,
            change="joined" if row.joined else "left",
            version=row.version,
            source=cast("Source", row.source),
            moment=cast("Moment", row.moment),
            changed_at=row.changed_at,
            cause=row.cause,
            actor=row.actor,
            reason=row.reason,
            run_id=row.run_id,
        ),
        headers(topic, f"{row.client_id}:{row.version}", row.changed_at, row.client_id, row.traceparent),
        None,
        row,
    )


def _cut_change(row: Change) -> Message:
    """The change without its long texts; the whole of it stands in the history."""
    message = _change(
        row._replace(
            actor=row.actor and row.actor[:_LONG_TEXT],
            reason=row.reason and row.reason[:_LONG_TEXT],
            traceparent=None,
        )
    )
    kept = (KEPT_HEADER, f"membership_history/{row.seq}".encode())
    return message._replace(headers=[*message.headers, kept])
