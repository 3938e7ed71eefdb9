"""Checks that are owed while addresses cannot be looked up (mission B5)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from db.queries import load

if TYPE_CHECKING:
    from db.connections import AnyConnection

_owed: Final = load("owed")


class Owed(NamedTuple):
    """A check that could not be decided."""

    client_id: str
    group: str
    moment: str
    owed_at: datetime
    cause: str


class Address(NamedTuple):
    """A client's address, and what was found for it."""

    client_id: str
    ip: str
    country: str | None
    looked_up: bool


async def owe(connection: AnyConnection, checks: Sequence[Owed]) -> None:
    """Remember checks. Of two of one client and group the newer counts, but one that only adds never."""
    client_ids, groups, moments, times, causes = map(list, zip(*checks, strict=True))
    await _owed.owe(
        connection, client_ids=client_ids, group_ids=groups, moments=moments, owed_at=times, causes=causes
    )


async def settle(connection: AnyConnection, keys: Collection[tuple[str, str]]) -> None:
    """Forget checks (client, group): they are done, or something newer stands above them."""
    await _owed.settle(connection, client_ids=[key[0] for key in keys], group_ids=[key[1] for key in keys])


async def forget_clients(connection: AnyConnection, client_ids: Collection[str]) -> None:
    """Forget all that is owed to clients."""
    await _owed.forget_clients(connection, client_ids=list(client_ids))


async def forget_group(connection: AnyConnection, group: str) -> None:
    """Forget all that is owed about a group."""
    await _owed.forget_group(connection, group_id=group)


async def of_clients(connection: AnyConnection, client_ids: Collection[str]) -> list[tuple[str, str, str]]:
    """What is owed to clients: client, group, moment."""
    rows = _owed.of_clients(connection, client_ids=list(client_ids))
    return [tuple(row) async for row in rows]


async def groups(connection: AnyConnection) -> list[str]:
    """The groups of which checks are owed."""
    return [row["group_id"] async for row in _owed.groups(connection)]


async def is_any(connection: AnyConnection) -> bool:
    """Whether anything is owed: a check, or to look an address up."""
    return bool(await _owed.is_any(connection))


async def count(connection: AnyConnection) -> int:
    """How many checks are owed."""
    counted: int = await _owed.count(connection)
    return counted


async def addresses(connection: AnyConnection, after_id: str, last_id: str) -> list[Address]:
    """The addresses of a range of clients. Locks nothing."""
    rows = _owed.addresses(connection, after_id=after_id, last_id=last_id)
    return [Address(*row) async for row in rows]
