"""Payers: on whose behalf a client pays."""

from datetime import datetime
from typing import Annotated, ClassVar, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from events.base import Input
from events.fields import NO_TIME, ClientId, EventTime, PayerId, maybe_code_of

PAYER_STATUSES = ("legal_entity", "individual", "sole_proprietor")


class PayerChanged(Input):
    """A payer of a client as it is now, or that it is deleted."""

    time_field: ClassVar[str] = "changed_at"

    client_id: ClientId
    payer_id: PayerId
    changed_at: EventTime = NO_TIME
    status: Annotated[str | None, maybe_code_of(*PAYER_STATUSES)] = None
    """None only where `deleted`."""
    active: bool | None = None
    """None or missing: as it was; true for a new payer."""
    deleted: bool | None = None

    @property
    def time(self) -> datetime:
        """When it changed, in UTC."""
        return self.changed_at

    @model_validator(mode="after")
    def _status_unless_deleted(self) -> Self:
        if self.status is None and not self.deleted:
            raise PydanticCustomError("missing", "status is required unless the payer is deleted")
        return self
