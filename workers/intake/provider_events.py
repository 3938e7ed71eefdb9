"""provider-changed: keeps providers, newest record first. It checks no client."""

from __future__ import annotations

from db import providers
from db.connections import AnyConnection
from db.stamps import Stamp, order
from events.providers import ProviderChanged
from events.record import Record


async def take_provider(connection: AnyConnection, event: ProviderChanged, record: Record) -> None:
    """Keep what the event says of its provider, unless something newer is known."""
    provider = (await providers.lock(connection, [event.provider_id]))[event.provider_id]
    partition, offset = record.place
    stamp = Stamp(event.time, order(offset, partition))
    if provider.stamp is not None and stamp <= provider.stamp:
        return
    provider.stamp = stamp
    if "name" in event.model_fields_set:
        provider.name = event.name
    if event.active is not None:
        provider.active = event.active
    if "authorization_methods" in event.model_fields_set:
        provider.authorization_methods = event.authorization_methods or []
    await providers.store(connection, provider)
