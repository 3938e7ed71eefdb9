"""The parameters of a registration request: an object that is taken as a whole, each value as text."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from events import written

TOTAL_MAX = 65_536
"""Characters of all names and values together: more than web servers take in a form's address or header."""


def _as_text(values: dict[str, Any], info: ValidationInfo) -> dict[str, str]:
    for value in values.values():
        if type(value) is not str:
            values = _written(values, info.context)
            break
    if sum(map(len, values)) + sum(map(len, values.values())) > TOTAL_MAX:
        raise PydanticCustomError(
            "too_long", "expected at most {limit} characters in all", {"limit": TOTAL_MAX}
        )
    return values


def _written(values: dict[str, Any], context: Mapping[str, bytes] | None) -> dict[str, str]:
    """Numbers lose their spelling when they are parsed (1.0, 1e3): read the record's text once more."""
    if context is not None:
        values = written.loads(context["json"])["request_parameters"]
    return {name: written.as_text(value) for name, value in values.items() if value is not None}


def _none_passed(value: object) -> object:
    return {} if value is None or value == "" else value


RequestParameters = Annotated[
    dict[str, Any],
    BeforeValidator(_none_passed),
    AfterValidator(_as_text),
    WithJsonSchema(
        {
            "anyOf": [{"type": "object"}, {"type": "null"}, {"const": ""}],
            "description": "Taken as a whole. Text as it is; numbers and booleans become their JSON text, "
            "objects and arrays compact JSON, null is not passed. "
            f"At most {TOTAL_MAX} characters of names and values in all.",
        }
    ),
]
"""Always a `dict[str, str]` after validation."""
