"""preview: what a check of all clients would do if a group were so, counted and named (mission B3)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from db import group_reading, groups, log, sweeps
from db.errors import is_transient
from db.log import Outgoing
from events.commands import Preview
from events.outputs import AssignmentRun, RunState
from events.record import FieldProblem
from workers.aside.jobs import Step
from workers.aside.preview_count import PreviewCount
from workers.commands.group_changes import refuse_wrong
from workers.commands.group_records import group_of
from workers.runs.records import told
from workers.transactions import transact

if TYPE_CHECKING:
    import asyncpg

    from db.connections import AnyConnection
    from workers.runs.pace import Pace

TELL_S: Final = 1.0
"""How often progress is told."""


class PreviewJob:
    """Looks at all clients in one step, in one snapshot.

    It is for an `Aside` of its own, whose transactions are REPEATABLE READ: all is as it was at their first
    statement, whatever is committed meanwhile. Nothing is locked but the command itself; who is killed
    leaves it to another worker, which begins anew.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        *,
        clock: Callable[[], datetime],
        committed: Callable[[], None],
        pace: Pace | None = None,
    ) -> None:
        """Progress is told through `pool`; `committed` is called after that, and must not block."""
        self._pool = pool
        self._clock = clock
        self._committed = committed
        self._pace = pace
        self.tell_every_s = TELL_S

    async def __call__(
        self, connection: AnyConnection, command: Preview, progress: dict[str, Any] | None, now: datetime
    ) -> Step:
        """Count and name who would join and leave. Raises Rejected where put-group would be rejected."""
        group = group_of(command.definition)
        before = await groups.find(connection, command.group)
        problems = await refuse_wrong(connection, group, before, command.if_version)
        warnings = [FieldProblem(each.code, each.path, each.message) for each in problems]
        if not group.conditions:
            message = "the group has no conditions: a check changes nothing"
            warnings.append(FieldProblem("no_conditions", "conditions", message))
        count = PreviewCount(group, command.sample, command.command_id)
        telling = _Telling(command, await sweeps.count(connection), now)
        try:
            await self._count(connection, count, telling)
        except Exception as error:
            if not is_transient(error):
                why = f"{type(error).__name__}: {error}"
                await self._tell(telling(count.checked, "failed", self._clock(), why))
            raise
        members = await group_reading.member_count(connection, group.group_id)
        return Step(
            [telling(count.checked, "done", self._clock())],
            result=count.result(as_of=now, members=members),
            warnings=warnings,
        )

    async def _count(self, connection: AnyConnection, count: PreviewCount, telling: _Telling) -> None:
        told_at = monotonic()
        await self._tell(telling(0, "running", self._clock()))
        after = ""
        while True:
            async with self._pace.turn() if self._pace else nullcontext():
                seen = await sweeps.read_next(connection, after, [telling.command.group], count.reads)
                await count.add(seen)
            if not seen:
                return
            after = seen[-1].client_id
            if monotonic() - told_at >= self.tell_every_s:
                told_at = monotonic()
                await self._tell(telling(count.checked, "running", self._clock()))

    async def _tell(self, record: Outgoing) -> None:
        """Say how far it is, at once: not in the transaction that counts, which ends with the answer."""
        await transact(self._pool, lambda connection: log.append(connection, records=[record]))
        self._committed()


@dataclass(frozen=True, slots=True)
class _Telling:
    """What is told of a preview: a run that has the id of its command, so that who asked knows it."""

    command: Preview
    total: int
    started_at: datetime

    def __call__(self, checked: int, state: RunState, now: datetime, why: str | None = None) -> Outgoing:
        run = AssignmentRun(
            run_id=self.command.command_id,
            groups=[self.command.group],
            kind="preview",
            state=state,
            checked=checked,
            total=self.total,
            joined=0,
            left=0,
            to_leave=0,
            started_at=self.started_at,
            finished_at=None if state == "running" else now,
            actor=self.command.actor,
            reason=why or self.command.reason,
        )
        return told(run, now)
