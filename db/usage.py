"""References that other services hold to groups (mission R1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from db.queries import load
from db.stamps import Stamp

if TYPE_CHECKING:
    from db.connections import AnyConnection

_usage: Final = load("usage")


@dataclass(frozen=True, slots=True)
class Reference:
    """Something that refers to a group."""

    kind: str
    ref_id: str
    title: str | None


async def store(
    connection: AnyConnection, group_id: str, reference: Reference, *, used: bool, stamp: Stamp
) -> bool:
    """Write whether the reference stands; answers False where something newer is known of it."""
    written = await _usage.store(
        connection,
        group_id=group_id,
        kind=reference.kind,
        ref_id=reference.ref_id,
        title=reference.title,
        used=used,
        changed_at=stamp.at,
        change_order=stamp.order,
    )
    return bool(written)


async def of_group(connection: AnyConnection, group_id: str) -> list[Reference]:
    """What refers to a group, by kind and id."""
    return [
        Reference(row["kind"], row["ref_id"], row["title"])
        async for row in _usage.of_group(connection, group_id=group_id)
    ]
