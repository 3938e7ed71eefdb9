"""replay-dead-letters: puts dead letters back on their input, as what they were when they first came.

They go by way of the log, so that each is put back once, whatever is killed meanwhile. Where the topic ended
when the command began is its end, so that a record that dies again does not go round and round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel

from db import replays
from db.log import Outgoing, kept_id_of, stand_in
from db.replays import LetterKey
from events.record import FieldProblem, Record
from events.replays import Letter, letter_of, replay_headers
from events.results import DeadLettersReplayed
from events.topics import dead_letter_topic
from events.upkeep_commands import ReplayDeadLetters
from workers.aside.jobs import Step
from workers.aside.letters import LetterReader
from workers.aside.log_room import has_room

if TYPE_CHECKING:
    from db.connections import AnyConnection


class _Progress(BaseModel):
    """Offsets by partition, and counts of dead letters."""

    next: dict[int, int]
    end: dict[int, int]
    replayed: int = 0
    foreign: int = 0
    """They do not say which record of the input they were."""
    lost: int = 0
    """Too large for the topic, and no longer in the database either."""
    waited: int = 0
    """How often there was no room in the log since the last piece."""


class _Chosen(NamedTuple):
    """A dead letter to be put back."""

    letter: Letter
    record: Record
    """Key, value, headers and timestamp are those of the whole record."""
    kept_id: int | None


class ReplayJob:
    """Puts back the dead letters of a topic, a piece a step."""

    def __init__(self, kafka: Mapping[str, Any], max_backlog: int) -> None:
        """`kafka` is of workers.kafka.client_arguments, `max_backlog` the setting max_relay_backlog."""
        self._kafka = kafka
        self._max_backlog = max_backlog

    async def step(
        self,
        connection: AnyConnection,
        command: ReplayDeadLetters,
        progress: dict[str, Any] | None,
        now: datetime,
    ) -> Step:
        """Put back the next piece. Raises KafkaError or TimeoutError while Kafka is away: try again then."""
        done = None if progress is None else _Progress.model_validate(progress)
        if done is not None and not await has_room(connection, done.waited, self._max_backlog):
            done.waited += 1
            return Step(progress=done.model_dump(mode="json"))
        topic = dead_letter_topic(command.topic)
        async with LetterReader(self._kafka, topic) as reader:
            if done is None:
                bounds = await reader.bounds()
                if bounds is None:
                    return Step(errors=[_no_such_topic(topic)])
                done = _Progress(next=bounds[0], end=bounds[1])
            piece = await reader.read(done.next, done.end)
        records = await self._put_back(connection, command, piece.records, done)
        done.next = piece.next
        done.replayed += len(records)
        done.waited = 0
        if any(position < done.end[number] for number, position in done.next.items()):
            return Step(records, progress=done.model_dump(mode="json"))
        result = DeadLettersReplayed(replayed=done.replayed)
        return Step(records, result=result, warnings=list(_warnings(topic, done)))

    async def _put_back(
        self, connection: AnyConnection, command: ReplayDeadLetters, read: list[Record], done: _Progress
    ) -> list[Outgoing]:
        chosen: dict[LetterKey, _Chosen] = {}
        for record in read:
            one = await _choose(connection, command, record, done)
            if one is not None:
                chosen.setdefault(LetterKey(*one.letter.place, one.record.timestamp), one)
        times = await replays.count(connection, command.topic, chosen, command=command.cause)
        return [_outgoing(one, times[key]) for key, one in chosen.items() if key in times]


async def _choose(
    connection: AnyConnection, command: ReplayDeadLetters, record: Record, done: _Progress
) -> _Chosen | None:
    """The dead letter and its whole record, where it is asked for; counts what cannot be put back."""
    kept_id = kept_id_of(record.headers)
    whole: Record | None = record
    if kept_id is not None:
        whole = await _kept(connection, record, kept_id)
    # The headers of the whole record are all there; of one that is lost there are some, perhaps enough.
    letter = letter_of(whole or record)
    if letter is None:
        done.foreign += 1
        return None
    if not _asked_for(command, letter):
        return None
    if whole is None:
        done.lost += 1
        return None
    return _Chosen(letter, whole, kept_id)


def _asked_for(command: ReplayDeadLetters, letter: Letter) -> bool:
    asked = (command.partition, command.offset, command.code)
    is_ = (*letter.place, letter.code)
    return all(wanted is None or wanted == found for wanted, found in zip(asked, is_, strict=True))


async def _kept(connection: AnyConnection, record: Record, kept_id: int) -> Record | None:
    kept = await replays.kept_record(connection, kept_id)
    if kept is None or kept.topic != record.topic:
        return None
    return record._replace(
        key=kept.key,
        value=kept.value,
        headers=kept.headers,
        timestamp=record.timestamp if kept.timestamp_ms is None else kept.timestamp_ms,
    )


def _outgoing(one: _Chosen, times: int) -> Outgoing:
    letter, record = one.letter, one.record
    key, value = record.key, record.value
    headers = replay_headers(letter, record.timestamp, record.headers, replays=times)
    if one.kept_id is not None:
        # It may be larger than any topic takes: the small one goes, and the intake finds the whole.
        key, value, headers = stand_in(one.kept_id, key, value, headers)
    return Outgoing(letter.topic, key, value, headers)


def _no_such_topic(topic: str) -> FieldProblem:
    return FieldProblem(
        "no_such_topic", "topic", f"Kafka has no topic {topic}; client-groups topics creates those missing"
    )


def _warnings(topic: str, done: _Progress) -> Iterator[FieldProblem]:
    if done.foreign:
        yield FieldProblem(
            "not_dead_letters",
            "topic",
            f"{done.foreign} records of {topic} were left, as they do not say which record of the input they"
            " were",
        )
    if done.lost:
        yield FieldProblem(
            "kept_records_lost",
            "topic",
            f"{done.lost} dead letters of {topic} were left, as they stand for larger records, which the"
            " database no longer has",
        )
