"""What the relay reads of the log, and the little it writes: its mirrored position, kept records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import asyncpg

from db import locks
from db.log import stand_in
from db.pool import BY_KEY
from db.queries import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asyncpg import Connection, Record

    from db.connections import AnyConnection

    RelayConnection = Connection[Record]

_relay: Final = load("relay")

CHANNEL: Final = "membership_log"
"""Writers NOTIFY it after their commit; see `notify`."""
CONNECT_TIMEOUT_S: Final = 10
CLOSE_TIMEOUT_S: Final = 2
COMMAND_TIMEOUT_S: Final = 30
"""Each statement here takes milliseconds: a server that is silent for this long is gone."""


class Change(NamedTuple):
    """A row of membership_history."""

    seq: int
    client_id: str
    version: int
    group_id: str
    joined: bool
    source: str
    moment: str
    changed_at: datetime
    cause: str
    actor: str | None
    reason: str | None
    run_id: str | None
    traceparent: str | None


class Outgoing(NamedTuple):
    """A record of outgoing_records that goes out as it is."""

    seq: int
    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    timestamp_ms: int | None
    """None = the time of sending."""


class SnapshotDue(NamedTuple):
    """A row of outgoing_records: the memberships of a client are to be published, whatever they are."""

    seq: int
    client_id: str


LogRow = Change | Outgoing | SnapshotDue


class ClientState(NamedTuple):
    """Version and memberships of a client at one moment."""

    client_id: str
    version: int
    deleted: bool
    """Deleted and not registered anew."""
    groups: list[str]
    """In the order of their ids; `sources` and `since` are beside it."""
    sources: list[str]
    since: list[datetime]


@asynccontextmanager
async def connect(database_url: str) -> AsyncIterator[RelayConnection]:
    """The relay's one connection; the session lock, LISTEN and the reads all die with it.

    Raises OSError (TimeoutError too) or asyncpg.PostgresError when the database cannot be reached.
    """
    connection = await asyncpg.connect(
        database_url,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        server_settings={
            "application_name": "client-groups relay",
            "timezone": "UTC",
            **BY_KEY,
            # The mirror may be behind, so nothing waits for the disk at the end of each round.
            "synchronous_commit": "off",
            # A host that vanishes without a word holds the lock until the server notices: after
            # 10 + 3 * 5 s here, after two hours by default.
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
        },
    )
    try:
        yield connection
    finally:
        # In order, so that the lock is free at once; a server that is silent gets no more time than this.
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await connection.close(timeout=CLOSE_TIMEOUT_S)


async def try_lock(connection: RelayConnection) -> bool:
    """Become the one relay for as long as the session lasts; answers at once whether it worked."""
    locked: bool = await _relay.try_lock(connection, namespace=locks.NAMESPACE, lock=locks.RELAY_LOCK)
    return locked


async def listen(connection: RelayConnection, wake: Callable[[], None]) -> None:
    """Call `wake` at each notification; it runs on the event loop and must not block."""
    await connection.add_listener(CHANNEL, lambda *_: wake())


async def notify(connection: AnyConnection) -> None:
    """Wake the relay, in whichever process it runs.

    Call it after the commit that appended to the log, on its own, and once for several such
    commits where they come fast: NOTIFY inside a transaction makes commits wait for each other.
    A lost one costs the relay's poll interval, nothing else.
    """
    await _relay.notify(connection)


async def read(
    connection: RelayConnection, position: int, *, row_limit: int, byte_limit: int
) -> list[LogRow]:
    """The log from `position` (the seq of the next row) on, in order.

    At most `row_limit` rows, and no row more once their values are over `byte_limit` bytes.
    """
    records = await _rows(
        _relay.read_log(connection, position=position, row_limit=row_limit, byte_limit=byte_limit)
    )
    return [_log_row(record) for record in records]


def _log_row(record: Record) -> LogRow:
    if record[1] is not None:
        return Change(*record[:13])
    seq, topic, key, value, names, values, timestamp_ms = (record[0], *record[13:])
    if topic is None:
        return SnapshotDue(seq, key.decode())
    return Outgoing(seq, topic, key, value, list(zip(names, values, strict=True)), timestamp_ms)


async def client_states(connection: RelayConnection, client_ids: Sequence[str]) -> list[ClientState]:
    """The clients as they are now: at least as new as every row that `read` answered before."""
    records = await _rows(_relay.client_states(connection, client_ids=client_ids))
    return [
        ClientState(client_id, version, deleted, groups or [], sources or [], since or [])
        for client_id, version, deleted, groups, sources, since in records
    ]


async def mirror(connection: AnyConnection) -> int:
    """The seq from which on rows may not have been sent yet: perhaps behind Kafka's, never ahead."""
    next_seq: int = await _relay.mirror(connection)
    return next_seq


async def move_mirror(connection: AnyConnection, next_seq: int) -> None:
    """Say that all below `next_seq` is committed in Kafka."""
    await _relay.move_mirror(connection, next_seq=next_seq)


async def last_seq(connection: AnyConnection) -> int:
    """The last seq given out, 0 for none: an upper bound, as rows that failed leave holes."""
    seq: int = await _relay.last_seq(connection)
    return seq


async def prune(connection: AnyConnection, row_limit: int) -> int:
    """Delete at most `row_limit` outgoing records below the mirror; answers how many."""
    status: str = await _relay.prune(connection, row_limit=row_limit)
    return int(status.rsplit(maxsplit=1)[-1])


async def keep_row(connection: RelayConnection, row: Outgoing) -> int | None:
    """Keep a record that its topic refuses, and put a small one in its place in the log.

    One transaction, on disk when it returns. The log itself changes, so whoever reads this row from
    now on, however often, sends the small record. Answers the id in kept_records, None when the row
    is gone.
    """
    async with connection.transaction():
        await _relay.wait_for_disk(connection)
        kept_id: int | None = await _relay.keep_row(connection, seq=row.seq)
        if kept_id is not None:
            key, value, headers = stand_in(kept_id, row.key, row.value, row.headers)
            await _relay.replace_row(
                connection,
                seq=row.seq,
                key=key,
                value=value,
                header_names=[name for name, _ in headers],
                header_values=[content for _, content in headers],
            )
    return kept_id


async def keep_message(
    connection: RelayConnection,
    topic: str,
    key: bytes,
    value: bytes,
    headers: Sequence[tuple[str, bytes | None]],
) -> int:
    """Keep a message that is not a row of the log, in the place of an older one with its key."""
    async with connection.transaction():
        await _relay.wait_for_disk(connection)
        kept_id: int = await _relay.keep_message(
            connection,
            topic=topic,
            key=key,
            value=value,
            header_names=[name for name, _ in headers],
            header_values=[content for _, content in headers],
        )
    return kept_id


async def _rows(selected: AsyncIterator[Record]) -> list[Record]:
    return [record async for record in selected]
