"""From a record to an input event.

This runs for every event, so the usual record (plain JSON, or binary-mode CloudEvents) is parsed and checked
in one call of pydantic's core. Only what is unusual is looked at in Python.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from events.base import Input
from events.clients import ClientChanged, ClientDeleted, ClientRegistered
from events.fields import NO_TIME
from events.payers import PayerChanged
from events.problems import problems, unreadable
from events.providers import ProviderChanged
from events.record import InvalidRecord, Record, invalid_fields
from events.topics import INPUTS
from events.usage import GroupUsageChanged
from events.verifications import VerificationCompleted
from events.wire import look_closely, read_time, unwrap

InputEvent = (
    ClientRegistered
    | ClientChanged
    | ClientDeleted
    | PayerChanged
    | VerificationCompleted
    | ProviderChanged
    | GroupUsageChanged
)
MAX_AHEAD = timedelta(minutes=5)

_READERS: dict[str, Callable[..., Any]] = {
    topic.name: topic.model.__pydantic_validator__.validate_json
    for topic in INPUTS
    if topic.model is not None and issubclass(topic.model, Input)
}
_BRACE = ord("{")


def decode(record: Record, *, now: datetime, max_ahead: timedelta = MAX_AHEAD) -> InputEvent:
    """Read one record of an input topic (group-commands: `events.commands`).

    `now` is the worker's clock, with an offset. Of repeated names in an object the last counts. Raises
    InvalidRecord for whatever cannot be used, and nothing else.
    """
    read = _READERS.get(record.topic)
    if read is None:
        raise InvalidRecord("unknown_topic", f"no input event is read from the topic {record.topic}")
    value, envelope_time = record.value, None
    if not value or record.headers or value[0] != _BRACE:
        value, envelope_time = unwrap(record)
    if b"\\u0000" in value or b"NaN" in value or b"Infinity" in value:
        look_closely(value)
    try:
        event: InputEvent = read(value, context={"json": value})
    except ValidationError as exc:
        if exc.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid":
            raise unreadable(value) from exc
        raise invalid_fields(problems(exc)) from exc
    time = event.time
    if time is NO_TIME:
        time = read_time(record, envelope_time)
        event = event.model_copy(update={event.time_field: time})
    if time > now + max_ahead:
        raise InvalidRecord(
            "in_the_future",
            f"{event.time_field}: {time.isoformat()} is more than {max_ahead.total_seconds():g} s ahead of "
            f"{now.astimezone(UTC).isoformat()}, the worker's clock",
        )
    return event
