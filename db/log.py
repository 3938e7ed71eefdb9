"""The log: what the relay sends on, appended as the last step of a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from db import locks
from db.queries import load

if TYPE_CHECKING:
    from db.connections import AnyConnection

_log: Final = load("log")

KEPT_HEADER: Final = "client-groups.kept"
"""Header of a record that stands for a larger one; its value is the kept_id of that one."""
_SMALL: Final = 1_000
"""Bytes of a key or header that a record standing for a larger one may carry on."""
_LONGEST_ID: Final = 18
"""Digits, so that it is a bigint."""
LARGEST_RECORD: Final = 900_000
"""Bytes of key, value and headers together. Topics take 4 MiB and producers send 1 MiB by default,
so that what is smaller goes through everywhere with room for the record's own framing."""


class HistoryRow(NamedTuple):
    """A client joined or left a group: PostgreSQL's type history_input."""

    client_id: str
    version: int
    group_id: str
    joined: bool
    source: str
    moment: str
    changed_at: datetime
    cause: str
    actor: str | None = None
    reason: str | None = None
    run_id: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record that goes out as it is."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    timestamp_ms: int | None = None
    """None = the time of sending."""

    @property
    def size(self) -> int:
        """Bytes of key, value and headers together."""
        return (
            len(self.key or b"")
            + len(self.value or b"")
            + sum(len(name) + len(value or b"") for name, value in self.headers)
        )


async def hold(connection: AnyConnection) -> None:
    """Take the log until the transaction ends, after all other locks; waits for others that are at it.

    What is read after it and appended in this transaction is never behind what others append.
    """
    await _log.lock(connection, namespace=locks.NAMESPACE, lock=locks.LOG)


def kept_id_of(headers: Sequence[tuple[str, bytes | None]]) -> int | None:
    """The kept_id of the record that this one stands for; None where these are not of such a one."""
    # The last of all, as `stand_in` writes it: what a record brings itself does not count.
    name, value = headers[-1] if headers else ("", None)
    if name != KEPT_HEADER or value is None or not value.isdigit() or len(value) > _LONGEST_ID:
        return None
    return int(value)


async def append(
    connection: AnyConnection,
    *,
    records: Sequence[Outgoing] = (),
    trace: Sequence[tuple[str, int, int]] = (),
) -> bool:
    """Append to the log; answers whether there was anything to append.

    Waits for other transactions that are at this step, and holds the log until the transaction
    ends: commit at once. `trace` is (topic, partition, offset) of the records taken. Membership
    changes are appended by db.net.
    """
    if not (records or trace):
        return False
    records = [await _fitting(connection, record) for record in records]
    await hold(connection)
    if records:
        await _log.append_record(connection, [_columns(record) for record in records])
    if trace:
        topics, partitions, offsets = map(list, zip(*trace, strict=True))
        await _log.append_trace(connection, topic=topics, partition=partitions, kafka_offset=offsets)
    return True


def _columns(record: Outgoing) -> dict[str, object]:
    return {
        "topic": record.topic,
        "key": record.key,
        "value": record.value,
        "header_names": [name for name, _ in record.headers],
        "header_values": [value for _, value in record.headers],
        "timestamp_ms": record.timestamp_ms,
    }


async def _fitting(connection: AnyConnection, record: Outgoing) -> Outgoing:
    """The record itself, or a small one in its place where it is larger than its topic takes."""
    if record.size <= LARGEST_RECORD:
        return record
    kept_id: int = await _log.keep_record(connection, **_columns(record))
    key, value, headers = stand_in(kept_id, record.key, record.value, record.headers)
    return Outgoing(record.topic, key, value, headers, record.timestamp_ms)


def stand_in(
    kept_id: int, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]
) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]:
    """Key, value and headers of the small record that says where a larger one is kept.

    Its value is null only where the larger one's is: on a compacted topic null would delete.
    """
    small = [(name, content) for name, content in headers if len(name) + len(content or b"") <= _SMALL]
    return (
        key if len(key or b"") <= _SMALL else None,
        None if value is None else b'{"kept":"%d"}' % kept_id,
        [*small[:20], (KEPT_HEADER, b"%d" % kept_id)],
    )
