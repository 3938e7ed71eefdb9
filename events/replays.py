"""Dead letters that are put back: how one is read, and what the record says that goes in again.

A record that is put back carries the place and the time at which it first came, in headers. It is
handled as if it were that first one: named by it, ordered by it, of its time. Kafka's own timestamp of
it is that of the sending, since a topic may delete or refuse a record for an old one.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from events import dead_letters
from events.record import Place, Record
from events.topics import DEAD_LETTER_SUFFIX

FIRST_CAUSE = "client-groups.first.cause"
"""`topic/partition/offset` at which the record first came. It is the first header of all: so a reader sees at
once whether there is one, and what shortens a list of headers leaves it."""
FIRST_TIMESTAMP = "client-groups.first.timestamp"
"""Kafka's timestamp of the record when it first came, in milliseconds."""
REPLAYS = "client-groups.replays"
"""How often it was put back."""

_OURS = frozenset({FIRST_CAUSE, FIRST_TIMESTAMP, REPLAYS})
_REASONS = ("__connect.errors.", "client-groups.error.")
_CAUSE = re.compile(rb"([^/]+)/(\d{1,10})/(\d{1,19})")
_NUMBER = re.compile(rb"-?\d{1,19}")
_INT32, _INT64 = 2**31, 2**63

Headers = Sequence[tuple[str, bytes | None]]


class Letter(NamedTuple):
    """What a dead letter says of itself."""

    topic: str
    """The input that the record came on."""
    place: Place
    """Where it first stood there."""
    code: str
    """What it died of, the last time."""


def letter_of(record: Record) -> Letter | None:
    """Read a record of a dead letter topic; None where it does not say which record of the input it was."""
    said = dict(record.headers)  # the last of a name counts
    topic = record.topic.removesuffix(DEAD_LETTER_SUFFIX)
    partition = _number(said.get(dead_letters.PARTITION), _INT32)
    offset = _number(said.get(dead_letters.OFFSET), _INT64)
    if said.get(dead_letters.TOPIC) != topic.encode() or partition is None or offset is None:
        return None
    code = said.get(dead_letters.CODE) or b""
    return Letter(topic, Place(partition, offset), code.decode(errors="replace"))


def replay_headers(letter: Letter, timestamp: int, headers: Headers, *, replays: int) -> Headers:
    """The headers with which a dead letter is put back: first place and time, then the record's own.

    `timestamp` and `headers` are the dead letter's; `replays` says how often it was put back, this time too.
    """
    place = letter.place
    return (
        (FIRST_CAUSE, f"{letter.topic}/{place.partition}/{place.offset}".encode()),
        (FIRST_TIMESTAMP, b"%d" % timestamp),
        (REPLAYS, b"%d" % replays),
        *own_headers(headers),
    )


def own_headers(headers: Headers) -> Headers:
    """Of a dead letter's headers those that its record had at first."""
    return [(name, value) for name, value in headers if name not in _OURS and not name.startswith(_REASONS)]


def replay_marks(headers: Headers) -> Headers:
    """Of the headers of a record that was put back those that say so."""
    return [(name, value) for name, value in headers if name in _OURS]


def restored(record: Record) -> Record:
    """A record of an input with its first place and time, where it was put back; any other as it is.

    A first place that cannot be read, or is one of another topic, is ignored; and so is such a time.
    """
    headers = record.headers
    if not headers or headers[0][0] != FIRST_CAUSE:
        return record
    cause = _CAUSE.fullmatch(headers[0][1] or b"")
    if cause is None or cause[1] != record.topic.encode():
        return record
    partition, offset = _number(cause[2], _INT32), _number(cause[3], _INT64)
    if partition is None or offset is None:
        return record
    timestamp = _number(record.header(FIRST_TIMESTAMP), _INT64, negative=True)
    return record._replace(
        timestamp=record.timestamp if timestamp is None else timestamp, first=Place(partition, offset)
    )


def _number(text: bytes | None, limit: int, *, negative: bool = False) -> int | None:
    if text is None or not _NUMBER.fullmatch(text):
        return None
    number = int(text)
    return number if (-limit if negative else 0) <= number < limit else None
