"""JSON that is read with its numbers as they were written: `1.0` and `1e3` are parameters' texts too."""

import json
import sys
from typing import Any, NoReturn


class WrittenInt(int):
    """A whole number and its digits."""

    text: str


class WrittenFloat(float):
    """Any other number and how it was written."""

    text: str


def _int(text: str) -> WrittenInt | WrittenFloat:
    # Python refuses to read an integer of so many digits, it would take quadratic time.
    if len(text) > sys.int_info.default_max_str_digits:
        return _float(text)
    number = WrittenInt(text)
    number.text = text
    return number


def _float(text: str) -> WrittenFloat:
    number = WrittenFloat(text)
    number.text = text
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def loads(text: bytes | str) -> Any:
    """Parse JSON; of repeated names in an object the last counts.

    Raises ValueError (json.JSONDecodeError, UnicodeDecodeError) and RecursionError.
    """
    if isinstance(text, bytes):
        text = text.decode()  # json.loads would guess at UTF-16 and UTF-32
    return json.loads(text, parse_int=_int, parse_float=_float, parse_constant=_no_constant)


def dumps(value: object, *, ascii_only: bool = False) -> str:
    """Compact JSON with the numbers as they were; `ascii_only` keeps even lone surrogates, as escapes."""
    match value:
        case WrittenInt() | WrittenFloat():
            return value.text
        case dict():
            inside = (
                f"{dumps(name, ascii_only=ascii_only)}:{dumps(item, ascii_only=ascii_only)}"
                for name, item in value.items()
            )
            return "{" + ",".join(inside) + "}"
        case list():
            return "[" + ",".join(dumps(item, ascii_only=ascii_only) for item in value) + "]"
        case _:
            return json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))


def as_text(value: object) -> str:
    """A text as it is, anything else as its compact JSON."""
    return value if isinstance(value, str) else dumps(value)
