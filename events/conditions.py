"""A condition of automatic assignment as operators write it.

Shapes and closed lists are checked here, and values brought into their one spelling. Whether a comparison
suits a type, a pattern is a regular expression, a bound is a number, is the rules' business.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from events import written
from events.fields import Id, MaybeText, OpenCode, PastOrPresentCountry
from events.payers import PAYER_STATUSES
from events.problems import problems
from events.request_parameters import TOTAL_MAX
from events.suggestions import choice_of
from events.verifications import VERIFICATION_METHODS

CONDITION_GROUP_MAX = 9_999
VALUES_MAX = 10_000
"""Values in a list."""

CONDITION_TYPES = (
    "country",
    "geoip_country",
    "request_parameter",
    "payer_status",
    "provider",
    "authorization_method",
    "verification_status",
    "verification_method",
)
COMPARISONS = (
    "equals",
    "not_equals",
    "one_of",
    "none_of",
    "contains",
    "not_contains",
    "starts_with",
    "ends_with",
    "matches",
    "is_set",
    "is_not_set",
    "greater_than",
    "less_than",
)
VERIFICATION_STATUSES = ("passed", "failed")
"""`failed`: has not passed."""


def _parameter_value(value: object) -> str:
    if isinstance(value, dict | list) or value is None:
        raise PydanticCustomError("wrong_type", "expected text, a number, true or false")
    text = written.as_text(value)
    if len(text) > TOTAL_MAX:
        raise PydanticCustomError("too_long", "expected at most {limit} characters", {"limit": TOTAL_MAX})
    return text


def _checked(kind: Any) -> Callable[[object], str]:
    return TypeAdapter[str](kind).validate_python


_VALUE_OF: Mapping[str, Callable[[object], str]] = {
    "country": _checked(PastOrPresentCountry),
    "geoip_country": _checked(PastOrPresentCountry),
    "request_parameter": _parameter_value,
    "payer_status": _checked(Annotated[str, choice_of("code", *PAYER_STATUSES)]),
    "provider": _checked(Id),
    "authorization_method": _checked(OpenCode),
    "verification_status": _checked(Annotated[str, choice_of("code", *VERIFICATION_STATUSES)]),
    "verification_method": _checked(Annotated[str, choice_of("code", *VERIFICATION_METHODS)]),
}


_Scalar = str | int | float | bool


def _is_none(value: object) -> bool:
    return value is None


class Condition(BaseModel):
    """Compares one fact of a client. OR inside a condition group, AND between them."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, use_attribute_docstrings=True)

    condition_group: int = Field(ge=1, le=CONDITION_GROUP_MAX)
    type: Annotated[str, choice_of("unknown_type", *CONDITION_TYPES)]
    comparison: Annotated[str, choice_of("unknown_comparison", *COMPARISONS)]
    value: str | list[str] | None = Field(default=None, exclude_if=_is_none)
    """A text; a list for `one_of` and `none_of`; none for `is_set` and `is_not_set`."""
    parameter: MaybeText = Field(default=None, exclude_if=_is_none)
    """The name of the request parameter."""
    include_inactive: bool = Field(default=False, exclude_if=lambda value: not value)
    """Inactive payers count too."""

    @field_validator("value", mode="plain", json_schema_input_type=_Scalar | list[_Scalar] | None)
    @classmethod
    def _normalised(cls, value: object, info: ValidationInfo) -> str | list[str] | None:
        read = _VALUE_OF.get(info.data.get("type", ""))
        if read is None:  # the type is wrong and said to be; of the value nothing can be said
            return None
        if value is None or (value == "" and info.data["type"] != "request_parameter"):
            return None
        if not isinstance(value, list):
            return _one(read, value, "")
        if len(value) > VALUES_MAX:
            raise PydanticCustomError("too_long", "expected at most {limit} values", {"limit": VALUES_MAX})
        return list(dict.fromkeys(_one(read, each, f"value {at}: ") for at, each in enumerate(value, 1)))

    @field_validator("include_inactive", mode="before")
    @classmethod
    def _off(cls, value: object) -> object:
        return False if value is None or value == "" else value


def _one(read: Callable[[object], str], value: object, where: str) -> str:
    """Check one value; say which of a list is wrong, the path names the list."""
    try:
        return read(value)
    except ValidationError as exc:
        first = problems(exc)[0]
        code, message = first.code, first.message
    except PydanticCustomError as exc:
        code, message = exc.type, exc.message()
    raise PydanticCustomError(code, "{message}", {"message": where + message})
