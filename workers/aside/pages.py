"""Pages of lists: where one ends, so that the next begins behind it, and how large one may become."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from pydantic import BaseModel

from db.log import LARGEST_RECORD
from events.fields import ID_PATTERN
from events.record import FieldProblem
from workers.commands.answers import Rejected

Row = TypeVar("Row", bound=BaseModel)

_ROOM: Final = LARGEST_RECORD - 100_000
"""Bytes of a page's rows as JSON: what stands beside them in the answer fits in the rest."""


def after_of(place: str) -> str:
    """The `after` of a page whose last row stands at `place`. Opaque, so that nobody makes one up."""
    return base64.urlsafe_b64encode(place.encode()).rstrip(b"=").decode()


def place_of(after: str | None, *, pattern: str = ID_PATTERN) -> str | None:
    """Where the page before ended; None: at the start. Raises Rejected for what no answer gave."""
    if after is None:
        return None
    try:
        padded = after.encode() + b"=" * (-len(after) % 4)
        place = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        place = ""
    if not re.fullmatch(pattern, place) or after_of(place) != after:
        raise Rejected(wrong_after())
    return place


def wrong_after() -> FieldProblem:
    """What is said of an `after` that no answer gave."""
    message = "expected the `after` of the answer before, as it was; without it the list begins at its start"
    return FieldProblem("after", "after", message)


def number_of(after: str | None) -> int | None:
    """The same where places are numbers."""
    place = place_of(after, pattern=r"^[0-9]{1,18}$")
    return None if place is None else int(place)


def page(found: Iterable[Row], limit: int, place: Callable[[Row], str]) -> tuple[list[Row], str | None]:
    """The rows of a page, and its `after` where there is more: of `found` one more than `limit` is asked for.

    A page has fewer rows where they would not go into one record.
    """
    rows: list[Row] = []
    size = 0
    for row in found:
        size += len(row.model_dump_json().encode()) + 1
        if len(rows) == limit or (rows and size > _ROOM):
            return rows, after_of(place(rows[-1]))
        rows.append(row)
    return rows, None
