"""Help with misspelt names: operators type commands and groups by hand."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from events.kinds import Kind
from events.record import FieldProblem

SHOWN_MAX = 40
"""Characters of a wrong name that are shown again."""


def nearest(name: str, names: Collection[str]) -> str | None:
    """The name that was probably meant; None where none is alike."""
    from rapidfuzz import fuzz, process  # here, as commands of operators are to start at once

    found = process.extractOne(name[:SHOWN_MAX].lower(), list(names), scorer=fuzz.ratio, score_cutoff=60)
    return found[0] if found else None


def did_you_mean(name: str, names: Collection[str]) -> str:
    """`'contry' is unknown (did you mean country?)`"""
    shown = name if len(name) <= SHOWN_MAX else name[:SHOWN_MAX] + "..."
    guess = nearest(name, names)
    return f"{shown!a} is unknown" + (f" (did you mean {guess}?)" if guess else "")


def choice_of(code: str, *values: str) -> Kind:
    """A closed list of names, in any case; a wrong one is answered with the nearest."""

    def check(text: str) -> str:
        if (found := text.lower()) in values:
            return found
        message = f"{did_you_mean(text, values)}; expected one of {', '.join(values)}"
        raise PydanticCustomError(code, "{message}", {"message": message})

    def schema() -> CoreSchema:
        return core_schema.no_info_after_validator_function(check, core_schema.str_schema(strict=True))

    return Kind(schema, {"type": "string", "enum": list(values)})


def unknown_fields(model: type[BaseModel], value: Mapping[str, Any], path: str = "") -> list[FieldProblem]:
    """A warning for each field that the model (or a model inside it) does not know."""
    names = list(model.model_fields)
    nested: Mapping[str, type[BaseModel]] = getattr(model, "nested", {})
    warnings: list[FieldProblem] = []
    for name, item in value.items():
        here = f"{path}.{name[:SHOWN_MAX]}" if path else name[:SHOWN_MAX]
        if name not in model.model_fields:
            warnings.append(
                FieldProblem("unknown_field", here, f"ignored: the field {did_you_mean(name, names)}")
            )
        elif name in nested:
            warnings += _inside(nested[name], item, here)
    return warnings


def _inside(model: type[BaseModel], item: object, path: str) -> list[FieldProblem]:
    if isinstance(item, Mapping):
        return unknown_fields(model, item, path)
    if isinstance(item, list):
        return [
            warning
            for index, each in enumerate(item)
            if isinstance(each, Mapping)
            for warning in unknown_fields(model, each, f"{path}[{index}]")
        ]
    return []
