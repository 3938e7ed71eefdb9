"""How one kind of field is checked: the building blocks of `events.fields`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema
from pydantic_core.core_schema import UnionSchema


@dataclass(frozen=True, slots=True)
class Kind:
    """The annotation that carries one kind of field: its check and its JSON Schema."""

    schema: Callable[[], CoreSchema]
    json: dict[str, Any]
    """What is accepted."""
    out: dict[str, Any] | None = None
    """What is emitted, where that is something else."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """How pydantic checks it. What it makes of a value is written as it is."""
        return cast("CoreSchema", {**self.schema(), "serialization": core_schema.simple_ser_schema("any")})

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """What the published schema says."""
        return dict(self.out if self.out is not None and handler.mode == "serialization" else self.json)


def one_error(code: str, message: str, *choices: CoreSchema) -> UnionSchema:
    """The first choice that takes the value; if none does, one error and not one for each choice."""
    return core_schema.union_schema(
        list(choices), mode="left_to_right", custom_error_type=code, custom_error_message=message
    )


def from_text(function: Callable[[str], object], **limits: Any) -> CoreSchema:
    """Text within the limits, given to a function that raises ValueError where it is wrong."""
    return core_schema.no_info_after_validator_function(
        function, core_schema.str_schema(strict=True, **limits)
    )


_EMPTY = core_schema.no_info_after_validator_function(lambda _: None, core_schema.literal_schema([""]))


def maybe(schema: UnionSchema) -> CoreSchema:
    """`null` and `""` are none. The empty text is looked for last: it is rare."""
    return core_schema.nullable_schema(UnionSchema({**schema, "choices": [*schema["choices"], _EMPTY]}))


def maybe_json(json: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of what `maybe` accepts."""
    return {"anyOf": [json, {"type": "null"}, {"const": ""}]}


def none_is(default: object) -> BeforeValidator:
    """`null` and `""` say none, that is: the default."""
    return BeforeValidator(lambda value: default if value is None or value == "" else value)
