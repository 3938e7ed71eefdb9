"""What pydantic and the JSON parser say, as problems with stable codes and sentences for a reader."""

import json
from collections.abc import Sequence

from pydantic import ValidationError

from events.record import FieldProblem, InvalidRecord

_CODES = {
    "missing": ("missing", "is required"),
    "model_type": ("wrong_type", "expected a JSON object"),
    "model_attributes_type": ("wrong_type", "expected a JSON object"),
    "dict_type": ("wrong_type", "expected an object"),
    "list_type": ("wrong_type", "expected a list"),
    "string_type": ("wrong_type", "expected text"),
    "bool_type": ("wrong_type", "expected true or false"),
    "int_type": ("wrong_type", "expected a whole number"),
}


def path_of(location: Sequence[str | int]) -> str:
    """`("conditions", 1, "value")` as `conditions[1].value`."""
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def problems(error: ValidationError) -> tuple[FieldProblem, ...]:
    """All that a validation found, in the order of the fields."""
    return tuple(
        FieldProblem(code, path_of(each["loc"]), message)
        for each in error.errors(include_url=False, include_input=False, include_context=False)
        for code, message in (_CODES.get(each["type"], (each["type"], each["msg"])),)
    )


def unreadable(value: bytes) -> InvalidRecord:
    """Why a text is not read as JSON."""
    try:
        text = value.decode()
    except UnicodeDecodeError as exc:
        return InvalidRecord("not_utf_8", f"expected UTF-8, byte {exc.start} is not")
    try:
        parsed = json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except RecursionError:
        return InvalidRecord("too_deep", "expected JSON that is nested less deeply")
    except json.JSONDecodeError as exc:
        return InvalidRecord("not_json", f"expected JSON, {exc.msg} at line {exc.lineno} column {exc.colno}")
    except ValueError as exc:
        return InvalidRecord("not_json", f"expected JSON, {exc}")
    try:
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return InvalidRecord("not_unicode", "expected text, one half of a surrogate pair stands alone")
    except RecursionError:
        pass
    return InvalidRecord("too_deep", "expected JSON that is nested less deeply, with shorter numbers")


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")
