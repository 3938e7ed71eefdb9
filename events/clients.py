"""A client's own life: registered, changed, deleted."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from events.base import Input
from events.fields import NO_TIME, ClientId, EventTime, MaybeCountry, MaybeId, MaybeIp, MaybeOpenCode
from events.request_parameters import RequestParameters


class ClientRegistered(Input):
    """A client signed up. For one that is registered already its fields are a change."""

    time_field: ClassVar[str] = "registered_at"

    client_id: ClientId
    registered_at: EventTime = NO_TIME
    country: MaybeCountry = None
    ip: MaybeIp = None
    provider_id: MaybeId = None
    authorization_method: MaybeOpenCode = None
    request_parameters: RequestParameters = Field(default_factory=dict)

    @property
    def time(self) -> datetime:
        """When it signed up, in UTC."""
        return self.registered_at


class ClientChanged(Input):
    """Some of a client's fields are different now."""

    time_field: ClassVar[str] = "changed_at"

    client_id: ClientId
    changed_at: EventTime = NO_TIME
    country: MaybeCountry = None
    ip: MaybeIp = None
    provider_id: MaybeId = None
    authorization_method: MaybeOpenCode = None

    @property
    def time(self) -> datetime:
        """When it changed, in UTC."""
        return self.changed_at


class ClientDeleted(Input):
    """All that is not newer than `deleted_at` is erased."""

    time_field: ClassVar[str] = "deleted_at"

    client_id: ClientId
    deleted_at: EventTime = NO_TIME

    @property
    def time(self) -> datetime:
        """When it was deleted, in UTC."""
        return self.deleted_at
