"""Takes in the whole record where a small one was put back in the place of one too large for its topic."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg

from db import replays
from db.log import kept_id_of
from events.replays import own_headers, replay_marks
from events.topics import DEAD_LETTER_SUFFIX
from workers.intake.batches import Batch
from workers.transactions import persist

if TYPE_CHECKING:
    from events.record import Record


async def with_whole_records(pool: asyncpg.Pool[asyncpg.Record], batch: Batch) -> Batch:
    """The batch with whole records in the place of those that stand for one kept in the database.

    Only records that were put back can be such; a batch without them is answered as it is, at once. One whose
    kept record is gone stays as it is. Waits and tries again while the database is away.
    """
    small = [
        (record, kept_id)
        for part in batch.slices
        for record in part.records
        if record.first is not None and (kept_id := kept_id_of(record.headers)) is not None
    ]
    if not small:
        return batch
    whole = await persist(lambda: _whole(pool, small))
    return Batch(
        tuple(
            replace(part, records=[whole.get(id(record), record) for record in part.records])
            for part in batch.slices
        )
    )


async def _whole(pool: asyncpg.Pool[asyncpg.Record], small: list[tuple[Record, int]]) -> dict[int, Record]:
    found = {}
    async with pool.acquire() as connection:
        for record, kept_id in small:
            kept = await replays.kept_record(connection, kept_id)
            # It was too large as a dead letter, or when it was put back.
            if kept is not None and kept.topic.removesuffix(DEAD_LETTER_SUFFIX) == record.topic:
                headers = (*replay_marks(record.headers), *own_headers(kept.headers))
                found[id(record)] = record._replace(key=kept.key, value=kept.value, headers=headers)
    return found
