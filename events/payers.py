"""Payers: on whose behalf a client pays."""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from events.base import Input
from events.fields import NO_TIME, ClientId, EventTime, MaybeFlag, PayerId, maybe_code_of

PAYER_STATUSES = ("legal_entity", "individual", "sole_proprietor")


def _unless_deleted(status: str | None, info: ValidationInfo) -> str | None:
    if status is None and info.data.get("deleted", "wrong") in (None, False):
        raise PydanticCustomError("missing", "is required unless the payer is deleted")
    return status


class PayerChanged(Input):
    """A payer of a client as it is now, or that it is deleted."""

    time_field: ClassVar[str] = "changed_at"

    client_id: ClientId
    payer_id: PayerId
    changed_at: EventTime = NO_TIME
    deleted: MaybeFlag = None
    status: Annotated[
        str | None,
        maybe_code_of(*PAYER_STATUSES),
        AfterValidator(_unless_deleted),
        Field(validate_default=True),
    ] = None
    """None only where `deleted`."""
    active: MaybeFlag = None
    """None or missing: as it was; true for a new payer."""

    @property
    def time(self) -> datetime:
        """When it changed, in UTC."""
        return self.changed_at
