"""When a pin ends, as an operator says it: a time, or how long from now."""

import re
from datetime import datetime, timedelta
from typing import Final

from events.fields import utc
from events.outputs import time_text
from workers.exits import USAGE, CommandError

_SPAN: Final = re.compile(r"([1-9][0-9]{0,5})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def expires_at(given: str, now: datetime) -> str:
    """An RFC 3339 time from such a time, or from `90m`, `12h`, `30d`, `2w` after `now`.

    Raises CommandError (USAGE).
    """
    try:
        if span := _SPAN.fullmatch(given):
            count, unit = span.groups()
            return time_text(now + timedelta(**{_UNITS[unit]: int(count)}))
        return time_text(utc(given))
    except (ValueError, OverflowError) as error:
        raise CommandError(
            "Error: --expires: expected 90m, 12h, 30d, 2w, or a time with offset, as 2027-01-01T00:00:00Z.",
            USAGE,
        ) from error
