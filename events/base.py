"""What all models share."""

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Input(BaseModel):
    """An input event.

    A field that is missing says nothing (it is not in `model_fields_set`), None in a field that was there
    says none. Unknown fields are ignored.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, use_attribute_docstrings=True)
    time_field: ClassVar[str]

    @property
    def time(self) -> datetime:
        """When it happened, in UTC: its own field, else `ce_time`, else the record's timestamp."""
        value: datetime = getattr(self, self.time_field)
        return value
