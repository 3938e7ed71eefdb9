"""Providers: newest record wins, as a whole."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from db.queries import load
from db.stamps import Stamp

if TYPE_CHECKING:
    from asyncpg import Record

    from db.connections import AnyConnection

_providers: Final = load("providers")


@dataclass(slots=True)
class Provider:
    """One provider; no stamp = not seen yet."""

    provider_id: str
    name: str | None = None
    active: bool = True
    authorization_methods: list[str] = field(default_factory=list)
    stamp: Stamp | None = None


async def lock(connection: AnyConnection, provider_ids: Collection[str]) -> dict[str, Provider]:
    """Lock and read providers; those not seen yet come empty."""
    providers = {provider_id: Provider(provider_id) for provider_id in sorted(provider_ids)}
    async for row in _providers.lock(connection, provider_ids=list(providers)):
        providers[row["provider_id"]] = _provider(row)
    return providers


async def active(connection: AnyConnection) -> list[Provider]:
    """The providers that are active."""
    return [_provider(row) async for row in _providers.active(connection)]


def _provider(row: Record) -> Provider:
    stamp = Stamp(row["changed_at"], row["change_order"])
    return Provider(row["provider_id"], row["name"], row["active"], row["authorization_methods"], stamp)


async def store(connection: AnyConnection, provider: Provider) -> None:
    """Write one provider.

    provider-changed has one partition, so that its records come one after another and a provider
    not seen before cannot be written by two transactions at once.
    """
    if provider.stamp is None:
        raise ValueError("a provider is written with the stamp of the record that said so")
    await _providers.store(
        connection,
        provider_id=provider.provider_id,
        name=provider.name,
        active=provider.active,
        authorization_methods=provider.authorization_methods,
        changed_at=provider.stamp.at,
        change_order=provider.stamp.order,
    )
