"""The parameters of a registration request: an object that is taken as a whole, each value as text."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, NoReturn

from pydantic import AfterValidator, ValidationInfo, WithJsonSchema
from pydantic.functional_validators import BeforeValidator
from pydantic_core import PydanticCustomError

TOTAL_MAX = 65_536
"""Characters of all names and values together; web servers take no longer requests by default."""


class RawNumber(str):
    """A JSON number exactly as it was written: `1.0`, `1e3`, twenty digits."""

    __slots__ = ()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def loads_raw(text: bytes | str) -> Any:
    """Parse JSON and keep numbers as written. Of repeated keys the last counts. Raises ValueError, RecursionError."""
    return json.loads(text, parse_int=RawNumber, parse_float=RawNumber, parse_constant=_no_constant)


def dumps_raw(value: object) -> str:
    """Compact JSON of what `loads_raw` gave, numbers as they were."""
    match value:
        case RawNumber():
            return str(value)
        case dict():
            return "{" + ",".join(f"{_quoted(name)}:{dumps_raw(item)}" for name, item in value.items()) + "}"
        case list():
            return "[" + ",".join(map(dumps_raw, value)) + "]"
        case _:
            return _quoted(value)


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def parameter_text(value: object) -> str:
    """A parameter's value as text: text as is, anything else its compact JSON."""
    if isinstance(value, str):
        return str(value)
    return dumps_raw(value)


def _as_text(values: dict[str, Any], info: ValidationInfo) -> dict[str, str]:
    for value in values.values():
        if type(value) is not str:
            values = _written(values, info.context)
            break
    if sum(map(len, values)) + sum(map(len, values.values())) > TOTAL_MAX:
        raise PydanticCustomError("too_long", f"expected at most {TOTAL_MAX} characters in all")
    return values


def _written(values: dict[str, Any], context: Mapping[str, bytes] | None) -> dict[str, str]:
    """Numbers lose their spelling when they are parsed (1.0, 1e3): read the record's text once more."""
    if context is not None:
        values = loads_raw(context["json"])["request_parameters"]
    return {name: parameter_text(value) for name, value in values.items() if value is not None}


def _none_passed(value: object) -> object:
    return {} if value is None or value == "" else value


RequestParameters = Annotated[
    dict[str, Any],
    BeforeValidator(_none_passed),
    AfterValidator(_as_text),
    WithJsonSchema(
        {
            "anyOf": [{"type": "object"}, {"type": "null"}, {"const": ""}],
            "description": "Taken as a whole. Text as it is; numbers and booleans become their JSON text, objects and "
            f"arrays compact JSON, null is not passed. At most {TOTAL_MAX} characters of names and values in all.",
        }
    ),
]
