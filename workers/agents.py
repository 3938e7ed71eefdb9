"""The Faust agents: one for each lane, thin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from faust import StreamT
from faust.types import AppT
from mode import CrashingSupervisor

from workers.intake.batches import Batch, Outcome
from workers.intake.lanes import Handed, Lane
from workers.intake.service import Intake


class Handler(Protocol):
    """Does batches; see workers.handlers.BatchHandler."""

    async def handle(self, batch: Batch) -> Outcome:
        """Do a batch in one transaction with its positions. Retries what passes; raises what does not."""
        ...


def create_agents(app: AppT, intake: Intake, handler: Handler) -> None:
    """Add an agent for each lane of `intake` to `app`.

    An exception that a handler lets out ends the process (its supervisor starts it again at the same
    position): Faust would take the batch for done and go on with the next.
    """
    for lane in intake.lanes:
        app.agent(
            lane.channel,
            name=f"lane-{lane.index}",
            supervisor_strategy=CrashingSupervisor,
        )(_agent(lane, intake, handler))


def _agent(lane: Lane, intake: Intake, handler: Handler) -> Callable[[StreamT[Handed]], Awaitable[None]]:
    async def work(batches: StreamT[Handed]) -> None:
        async for handed in batches:
            if intake.is_stale(handed):
                intake.finished(lane, handed, None)
            else:
                intake.finished(lane, handed, await handler.handle(handed.batch))

    return work
