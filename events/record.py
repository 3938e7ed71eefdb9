"""One Kafka record as it came, and what is said of one that cannot be read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Place(NamedTuple):
    """Where a record stands in its topic."""

    partition: int
    offset: int


class Record(NamedTuple):
    """A consumed record, byte for byte."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds since the epoch, as Kafka keeps it; where it was put back, that of its first time."""
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    first: Place | None = None
    """Where a record that was put back (events.replays) stood when it first came; None for any other."""

    @property
    def place(self) -> tuple[int, int]:
        """Partition and offset where it first came: what it is named and ordered by. Positions do not."""
        return self.first or (self.partition, self.offset)

    @property
    def cause(self) -> str:
        """`topic/partition/offset` of its place: how changes, answers and dead letters name this record."""
        partition, offset = self.place
        return f"{self.topic}/{partition}/{offset}"

    @property
    def here(self) -> str:
        """`topic/partition/offset` of where it stands now: another one each time it is put back."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    def header(self, name: str) -> bytes | None:
        """The first header of this name (in any case); None where there is none."""
        for key, value in self.headers:
            if key == name or key.lower() == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing that is wrong with one field."""

    code: str
    """Stable and for programs: `missing`, `wrong_type`, `country` ..."""
    path: str
    """Where: `conditions[1].value`; empty for the value as a whole."""
    message: str
    """One sentence for a reader; holds no client's data."""


class InvalidRecord(Exception):  # noqa: N818 - about a record
    """A record that cannot be decoded: a dead letter, never retried.

    `code` is stable: `empty_value`, `not_utf_8`, `not_json`, `not_unicode`, `too_deep`, `wrong_type`,
    `nul_in_text`, `in_the_future`, `unknown_topic`, `unsupported_format`, `no_data`, or the code of the first
    field that is wrong (`missing`, `id`, `timestamp`, `country`, `code`, `ip` ...).
    """

    def __init__(self, code: str, message: str, errors: tuple[FieldProblem, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.errors = errors or (FieldProblem(code, "", message),)


def invalid_fields(errors: tuple[FieldProblem, ...]) -> InvalidRecord:
    """Join what is wrong with several fields into one exception; the first gives the code."""
    sentence = "; ".join(f"{problem.path or 'value'}: {problem.message}" for problem in errors)
    return InvalidRecord(errors[0].code, sentence, errors)
