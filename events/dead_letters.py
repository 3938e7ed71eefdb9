"""Records that could not be used, as they go to their dead letter topic: as they came, reason in headers."""

from typing import NamedTuple

from events.record import InvalidRecord, Record
from events.topics import dead_letter_topic

MESSAGE_MAX = 2_000
"""Characters of the reason."""
TOPIC = "__connect.errors.topic"
PARTITION = "__connect.errors.partition"
OFFSET = "__connect.errors.offset"
CODE = "client-groups.error.code"
FAILED = "failed"
"""The code of a record that could be read, but whose handling fails."""


class DeadLetter(NamedTuple):
    """A record to be sent."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    timestamp: int
    """Milliseconds since the epoch: the record's own."""


def dead_letter(record: Record, error: Exception) -> DeadLetter:
    """The dead letter of a record: key, value, headers and timestamp as they came, then the reason.

    The headers are Kafka Connect's, so that its tools read them, and our stable `code`. Those of an earlier
    death stay before them: the last of a name counts. Partition and offset are those at which it first came.
    """
    kind = type(error)
    partition, offset = record.place
    code = error.code if isinstance(error, InvalidRecord) else FAILED
    reason = {
        TOPIC: record.topic,
        PARTITION: str(partition),
        OFFSET: str(offset),
        "__connect.errors.exception.class.name": f"{kind.__module__}.{kind.__qualname__}",
        "__connect.errors.exception.message": str(error)[:MESSAGE_MAX],
        CODE: code,
    }
    return DeadLetter(
        dead_letter_topic(record.topic),
        record.key,
        record.value,
        [*record.headers, *((name, text.encode(errors="replace")) for name, text in reason.items())],
        record.timestamp,
    )
