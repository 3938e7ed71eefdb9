"""What pydantic and the JSON parser say, as problems with stable codes and sentences for a reader."""

import json
from collections.abc import Mapping, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from events import written
from events.record import FieldProblem, InvalidRecord
from events.suggestions import SHOWN_MAX

_MESSAGES: Mapping[str, tuple[str, str]] = {
    "model_type": ("wrong_type", "expected a JSON object"),
    "dict_type": ("wrong_type", "expected an object"),
    "list_type": ("wrong_type", "expected a list"),
    "string_type": ("wrong_type", "expected text"),
    "bool_type": ("wrong_type", "expected true or false"),
    "int_type": ("wrong_type", "expected a whole number"),
    "float_type": ("wrong_type", "expected a number"),
    "finite_number": ("wrong_type", "expected a number"),
    "string_unicode": ("not_unicode", "expected whole characters, not half a surrogate pair"),
    "string_too_short": ("too_short", "expected at least {min_length} characters"),
    "string_too_long": ("too_long", "expected at most {max_length} characters"),
    "too_short": ("too_short", "expected at least {min_length}, not {actual_length}"),
    "too_long": ("too_long", "expected at most {max_length}, not {actual_length}"),
    "greater_than_equal": ("out_of_range", "expected at least {ge}"),
    "less_than_equal": ("out_of_range", "expected at most {le}"),
}


def path_of(location: Sequence[str | int]) -> str:
    """`("conditions", 1, "value")` as `conditions[1].value`."""
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def problems(error: ValidationError) -> tuple[FieldProblem, ...]:
    """All that a validation found, in the order of the fields."""
    return tuple(map(_problem, error.errors(include_url=False, include_input=False)))


def _problem(found: ErrorDetails) -> FieldProblem:
    code, message = found["type"], found["msg"]
    context = found.get("ctx", {})
    if code == "missing" and message == "Field required":
        message = "is required"
    elif (known := _MESSAGES.get(code)) and "message" not in context and "limit" not in context:
        code, message = known[0], known[1].format(**context)
    return FieldProblem(code, path_of(_steps(found["loc"])), message)


def _steps(location: Sequence[str | int]) -> list[str | int]:
    """Names in an object may be as long as anything; pydantic marks one that is wrong itself by `[key]`."""
    if location and location[-1] == "[key]":
        location = location[:-1]
    return [step[:SHOWN_MAX] if isinstance(step, str) else step for step in location]


def unreadable(value: bytes) -> InvalidRecord:
    """Why a text is not read as JSON."""
    try:
        text = value.decode()
    except UnicodeDecodeError as exc:
        return InvalidRecord("not_utf_8", f"expected UTF-8, byte {exc.start} is not")
    try:
        parsed = written.loads(text)
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
    return InvalidRecord(
        "too_deep", "expected JSON nested less than 200 deep, numbers of at most 4,300 digits"
    )
