"""What all inputs share, and what all commands share."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, PrivateAttr

from events.fields import MaybeText, maybe_label
from events.record import FieldProblem

COMMAND_ID_MAX = 200
CONSOLE = "console"
"""The actor of a command that names none."""


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


class Command(BaseModel):
    """What all commands have, and where this one came from."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, use_attribute_docstrings=True)
    nested: ClassVar[Mapping[str, type[BaseModel]]] = {}

    command: str
    id: Annotated[str | None, maybe_label(COMMAND_ID_MAX)] = None
    """One that was done already is answered again and does nothing."""
    actor: Annotated[str, maybe_label(COMMAND_ID_MAX), AfterValidator(lambda value: value or CONSOLE)] = (
        CONSOLE
    )
    reason: MaybeText = None

    _cause: str = PrivateAttr(default="")
    _time: datetime = PrivateAttr(default=datetime.min.replace(tzinfo=UTC))
    _warnings: tuple[FieldProblem, ...] = PrivateAttr(default=())

    @property
    def command_id(self) -> str:
        """Its `id`, else `topic/partition/offset`."""
        return self.id or self._cause

    @property
    def cause(self) -> str:
        """`topic/partition/offset` of its record."""
        return self._cause

    @property
    def time(self) -> datetime:
        """When it was given, in UTC: `ce_time`, else the record's timestamp."""
        return self._time

    @property
    def warnings(self) -> tuple[FieldProblem, ...]:
        """What is ignored in it: fields that are not known."""
        return self._warnings
