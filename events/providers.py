"""Providers: the companies that clients belong to, and what each offers."""

from datetime import datetime
from typing import ClassVar

from events.base import Input
from events.fields import NO_TIME, EventTime, MaybeFlag, MaybeText, OpenCode, ProviderId


class ProviderChanged(Input):
    """A provider as it is now. What is missing stays as it was."""

    time_field: ClassVar[str] = "changed_at"

    provider_id: ProviderId
    changed_at: EventTime = NO_TIME
    name: MaybeText = None
    active: MaybeFlag = None
    authorization_methods: list[OpenCode] | None = None

    @property
    def time(self) -> datetime:
        """When it changed, in UTC."""
        return self.changed_at
