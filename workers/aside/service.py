"""Does commands aside: those that only read, and long ones. Nobody waits for them.

The transaction that takes such a command only writes it down (`put_aside`). `Aside` does it later, a step in
each transaction: what a step gives goes into the log, and the command's row keeps its progress or is deleted
with the answer, all at once. So each command is answered once, whatever is killed meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from mode import Service
from pydantic import BaseModel

from db import aside, commands
from db.aside import Waiting
from db.errors import is_transient
from db.net import Net, write
from events.base import Command
from events.commands import InvalidCommand, decode_command
from events.outputs import GroupCommandResult
from events.record import FieldProblem, InvalidRecord, Record
from events.replays import restored
from workers import logs
from workers.aside.jobs import LONG, Job, Step
from workers.commands.answers import AnyProblem, Rejected, answer_record, result_of
from workers.transactions import transact

if TYPE_CHECKING:
    import asyncpg

    from db.connections import AnyConnection

LOOK_S: Final = 0.5
"""How often it looks for commands that others have taken; those of its own process wake it."""
FAILURES: Final = 3
"""So often in a row a step may fail for good before its command is answered `rejected`."""
_ERROR_SHOWN: Final = 500
"""Characters."""
_ANY_TIME: Final = timedelta(days=36_500)
"""Whether a command's time is too far ahead was judged when it was taken."""

_REFUSED: Final = (
    AuthenticationFailedError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
"""Of Kafka: it will not do otherwise when asked again."""

_logger = structlog.get_logger(__name__)


async def put_aside(connection: AnyConnection, command: Command, record: Record, now: datetime) -> None:
    """Write a command down, to be done and answered after the caller's transaction."""
    await aside.put(
        connection,
        # One that was put back may be so again: its first place names it as an id does.
        command_id=command.id if record.first is None else command.command_id,
        topic=record.topic,
        partition=record.partition,
        kafka_offset=record.offset,
        timestamp_ms=record.timestamp,
        key=record.key,
        value=record.value or b"",
        headers=list(record.headers),
        taken_at=now,
        long=type(command) in LONG,
    )


_NOTHING: Final = Step()


class _StepError(Exception):
    """A step raised `error`; nothing that it did is kept."""

    def __init__(self, waiting: Waiting, error: Exception) -> None:
        super().__init__()
        self.waiting = waiting
        self.error = error


class _NoJobError(Exception):
    """A newer worker has taken the command, and one that knows it will do it."""


class Aside(Service):
    """Takes steps of commands in turn, as long as there are some.

    Every worker that takes commands has one, and one for long commands; workers share them. After a step its
    command goes to the end of the queue, so that a long one holds up a short one by one step at the most. A
    job may raise Rejected before it writes anything.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        *,
        readings: Mapping[type[Command], Job],
        deeds: Mapping[type[Command], Job],
        clock: Callable[[], datetime],
        committed: Callable[[], None],
        long: bool = False,
        **kwargs: Any,
    ) -> None:
        """`deeds` do something: one whose id was done already is answered again. `readings` only read.

        `long` takes the commands of `workers.aside.jobs.LONG` and no others; without it, all but them.
        `committed` is called after each commit that appended to the log; it must not block.
        """
        super().__init__(**kwargs)
        self._pool = pool
        self._jobs = {**readings, **deeds}
        self._deeds = frozenset(deeds)
        self._clock = clock
        self._committed = committed
        self._long = long
        self._woken = asyncio.Event()

    @property
    def commands(self) -> frozenset[type[Command]]:
        """What is done here."""
        return frozenset(self._jobs)

    def wake(self) -> None:
        """Say that there may be a new command. Does not block."""
        self._woken.set()

    @Service.task
    async def _work_on(self) -> None:
        while not self.should_stop:
            self._woken.clear()
            if not await self.step():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), LOOK_S)

    async def step(self) -> bool:
        """Do a step of the command whose turn it is; answers whether there was one.

        Waits and tries again while the database is away.
        """
        try:
            appended = await transact(self._pool, self._step)
        except _StepError as failed:
            await self._after_failure(failed.waiting, failed.error)
            return True
        if appended:
            self._committed()
        return appended is not None

    async def _step(self, connection: AnyConnection) -> bool | None:
        """None: there was no command. Else whether anything was appended to the log."""
        waiting = await aside.claim(connection, long=self._long)
        if waiting is None:
            return None
        try:
            return await self._do(connection, waiting, self._clock())
        except Exception as error:
            raise _StepError(waiting, error) from error

    async def _do(self, connection: AnyConnection, waiting: Waiting, now: datetime) -> bool:
        command = _command_of(waiting)
        job = self._jobs.get(type(command))
        if job is None:
            raise _NoJobError(f"there is nothing here that does {command.command}")
        done_as = waiting.command_id if type(command) in self._deeds else None
        if done_as is not None and (before := await commands.answer(connection, done_as)) is not None:
            again = GroupCommandResult.model_validate_json(before)
            return await _answer(connection, waiting, command, again, now=now)
        try:
            step = await job(connection, command, waiting.progress, now)
        except Rejected as rejected:
            step = Step(errors=_wire(rejected.errors), warnings=_wire(rejected.warnings))
        if step.result is None and not step.errors:
            await aside.keep(connection, waiting.aside_id, step.progress)
            return await write(connection, Net(snapshots=list(step.snapshots)), records=step.records)
        answer = result_of(
            command,
            "rejected" if step.errors else "done",
            errors=step.errors,
            warnings=step.warnings,
            result=_json(step.result),
        )
        if done_as is not None and not step.errors:
            await commands.store(connection, done_as, answer.model_dump_json().encode())
        return await _answer(connection, waiting, command, answer, now=now, step=step)

    async def _after_failure(self, waiting: Waiting, error: Exception) -> None:
        if _passes(error):
            _logger.warning("command waits", cause=_record(waiting).cause, error=repr(error))
            await transact(self._pool, lambda connection: aside.defer(connection, waiting.aside_id))
            await self.sleep(LOOK_S)
            return
        _logger.error("step of a command failed", cause=_record(waiting).cause, **logs.failure(error))

        async def note(connection: AnyConnection) -> bool:
            if await aside.fail(connection, waiting.aside_id) < FAILURES:
                return False
            reason = f"{type(error).__name__}: {error}"[:_ERROR_SHOWN]
            problem = FieldProblem("failed", "", f"it was tried {FAILURES} times and failed: {reason}")
            command = _command_of(waiting)
            answer = result_of(command, "rejected", errors=[problem])
            return await _answer(connection, waiting, command, answer, now=self._clock())

        if await transact(self._pool, note):
            self._committed()


def _passes(error: Exception) -> bool:
    """Whether the step may succeed when it is tried again later, here or in another worker."""
    if isinstance(error, _NoJobError | InvalidCommand | InvalidRecord):
        return True
    if isinstance(error, KafkaError):
        # Not only where aiokafka says `retriable`: that is off for what it raises when no broker answers.
        return not isinstance(error, _REFUSED)
    return is_transient(error)


def _record(waiting: Waiting) -> Record:
    return restored(Record(*waiting[2:9]))


def _command_of(waiting: Waiting) -> Command:
    return decode_command(_record(waiting), now=waiting.taken_at, max_ahead=_ANY_TIME)


def _json(result: BaseModel | dict[str, Any] | None) -> dict[str, Any] | None:
    return result.model_dump(mode="json") if isinstance(result, BaseModel) else result


def _wire(found: Sequence[AnyProblem]) -> list[FieldProblem]:
    return [FieldProblem(each.code, each.path, each.message) for each in found]


async def _answer(
    connection: AnyConnection,
    waiting: Waiting,
    command: Command,
    answer: GroupCommandResult,
    *,
    now: datetime,
    step: Step = _NOTHING,
) -> bool:
    """Answer a command for good, with what its last step gave."""
    answered = answer_record(answer, _record(waiting), now, getattr(command, "client_id", None))
    await aside.remove(connection, waiting.aside_id)
    return await write(connection, Net(snapshots=list(step.snapshots)), records=[*step.records, answered])
