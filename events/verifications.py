"""Verifications: in which ways a client has proved who it is."""

from datetime import datetime
from typing import Annotated, ClassVar

from events.base import Input
from events.fields import NO_TIME, ClientId, EventTime, code_of

VERIFICATION_METHODS = ("email", "phone", "manual", "payment_method")
VERIFICATION_RESULTS = ("passed", "failed", "revoked")


class VerificationCompleted(Input):
    """A verification ended: passed, failed, or one passed before was revoked."""

    time_field: ClassVar[str] = "completed_at"

    client_id: ClientId
    completed_at: EventTime = NO_TIME
    method: Annotated[str, code_of(*VERIFICATION_METHODS)]
    result: Annotated[str, code_of(*VERIFICATION_RESULTS)]

    @property
    def time(self) -> datetime:
        """When it ended, in UTC."""
        return self.completed_at
