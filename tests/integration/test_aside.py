"""What is done aside: answered once, in turn, whatever fails."""

import asyncio
from datetime import datetime
from typing import Any

import asyncpg
from aiokafka.errors import KafkaConnectionError

from db.log import Outgoing
from events.commands import Snapshot
from events.replays import FIRST_CAUSE, FIRST_TIMESTAMP
from tests.support.asking import RESULTS, Asking
from tests.support.driver import Driver
from workers.aside.jobs import Step
from workers.aside.service import FAILURES, Aside

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


_TRACE_OF_A_STEP = "INSERT INTO kept_records (topic, header_names, header_values) VALUES ('x', '{}', '{}')"


class Counting:
    """A job of some steps, each of which sends a record; may fail where it is told to."""

    def __init__(self, steps: int, *failures: Exception) -> None:
        self.steps = steps
        self.failures = list(failures)
        self.called = 0

    async def __call__(
        self, connection: Any, command: Any, progress: dict[str, Any] | None, now: datetime
    ) -> Step:
        self.called += 1
        done = 1 + (progress or {"done": 0})["done"]
        await connection.execute(
            "INSERT INTO kept_records (topic, header_names, header_values) VALUES ('x', '{}', '{}')"
        )
        if done == 2 and self.failures:
            raise self.failures.pop(0)
        records = [Outgoing("counted", None, b"%d" % done)]
        if done < self.steps:
            return Step(records, progress={"done": done})
        return Step(records, result={"groups": done, "clients": 0})


async def left(work: Driver) -> list[tuple[Any, ...]]:
    return await work.fetch("SELECT progress, failures FROM aside_commands ORDER BY aside_id")


async def counted(work: Driver) -> list[int]:
    rows = await work.fetch("SELECT value FROM outgoing_records WHERE topic = 'counted' ORDER BY seq")
    return [int(value) for (value,) in rows]


async def test_a_command_is_answered_aside_with_what_its_record_brought(work: Driver) -> None:
    asking = Asking(work)
    cause = await asking.put("list-groups", id="q1", nonsense=1, headers=[("traceparent", TRACE.encode())])
    assert await work.sent(RESULTS) == []
    assert await asking.run() == 1
    assert asking.committed.is_set()
    assert await left(work) == []
    (answer,) = await asking.answers(cause)
    assert (answer["command_id"], answer["command"], answer["status"]) == ("q1", "list-groups", "done")
    assert [warning["path"] for warning in answer["warnings"]] == ["nonsense"]
    ((names, values),) = await work.fetch("SELECT header_names, header_values FROM outgoing_records")
    headers = dict(zip(names, values, strict=True))
    assert headers["traceparent"] == TRACE.encode()
    assert headers["ce_id"] == cause.encode()


async def test_a_long_command_goes_on_from_its_progress_and_lets_others_pass(work: Driver) -> None:
    job = Counting(3)
    asking = Asking(work, deeds={Snapshot: job})
    long, short = await asking.put("snapshot"), await asking.put("list-groups")
    await asking.aside.step()
    assert await left(work) == [({"done": 1}, 0), (None, 0)]
    await asking.aside.step()
    assert len(await asking.answers(short)) == 1
    assert await asking.run() == 2
    (answer,) = await asking.answers(long)
    assert answer["result"] == {"groups": 3, "clients": 0}
    assert await counted(work) == [1, 2, 3]


async def test_a_step_that_is_interrupted_leaves_nothing_and_is_done_again(work: Driver) -> None:
    job = Counting(3, asyncpg.DeadlockDetectedError("met another"), KafkaConnectionError(), TimeoutError())
    asking = Asking(work, deeds={Snapshot: job})
    cause = await asking.put("snapshot")
    assert await asking.run() == 6
    assert job.called == 6
    assert len(await asking.answers(cause)) == 1
    assert await counted(work) == [1, 2, 3]
    assert await work.fetch("SELECT count(*) FROM kept_records") == [(3,)]


async def test_a_killed_connection_answers_once(work: Driver) -> None:
    class Killed(Counting):
        async def __call__(
            self, connection: Any, command: Any, progress: dict[str, Any] | None, now: datetime
        ) -> Step:
            step = await super().__call__(connection, command, progress, now)
            if self.called == 2:
                await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            return step

    asking = Asking(work, deeds={Snapshot: Killed(2)})
    cause = await asking.put("snapshot")
    await asking.run()
    assert len(await asking.answers(cause)) == 1
    assert await counted(work) == [1, 2]


async def test_a_job_that_keeps_failing_is_rejected_and_others_pass(work: Driver) -> None:
    asking = Asking(work, deeds={Snapshot: Counting(3, *[LookupError("it is gone")] * FAILURES)})
    broken, sound = await asking.put("snapshot", id="s1"), await asking.put("list-groups")
    await asking.aside.step()
    await asking.aside.step()
    assert len(await asking.answers(sound)) == 1
    await asking.run()
    (answer,) = await asking.answers(broken)
    assert answer["status"] == "rejected"
    assert [error["code"] for error in answer["errors"]] == ["failed"]
    assert "LookupError: it is gone" in answer["errors"][0]["message"]
    assert await left(work) == []
    assert await work.fetch("SELECT * FROM commands") == []


async def test_failures_with_success_between_do_not_count_together(work: Driver) -> None:
    asking = Asking(work, deeds={Snapshot: Counting(3, *[LookupError()] * (FAILURES - 1))})
    cause = await asking.put("snapshot")
    await asking.run()
    (answer,) = await asking.answers(cause)
    assert answer["status"] == "done"


async def test_what_has_effects_is_done_once_for_an_id_and_answered_again(work: Driver) -> None:
    job = Counting(2)
    first, second = Asking(work, deeds={Snapshot: job}), Asking(work, deeds={Snapshot: job})
    await first.put("snapshot", id="s1")
    await first.put("snapshot", id="s1")
    await first.aside.step()
    # The second one of the id waits for the first, also in another worker.
    await second.aside.step()
    assert await second.run() == 1
    await first.put("snapshot", id="s1")
    await first.run()
    assert job.called == 2
    assert [each["result"] for each in await work.sent(RESULTS)] == [{"groups": 2, "clients": 0}] * 3


async def test_a_command_that_was_put_back_keeps_its_first_place_and_is_done_once(work: Driver) -> None:
    job = Counting(1)
    asking = Asking(work, deeds={Snapshot: job})
    first = "group-commands/0/77"
    for _ in range(2):
        await asking.put("snapshot", headers=[(FIRST_CAUSE, first.encode()), (FIRST_TIMESTAMP, b"1")])
    # Also where both are there at once: the second waits for the first.
    await asyncio.gather(*(Asking(work, deeds={Snapshot: job}).run() for _ in range(3)))
    await asking.run()
    assert job.called == 1
    assert [each["cause"] for each in await work.sent(RESULTS)] == [first, first]


async def test_workers_share_the_commands(work: Driver) -> None:
    asked = Asking(work)
    causes = [await asked.put("list-groups") for _ in range(20)]
    workers = [Asking(work) for _ in range(3)]
    steps = await asyncio.gather(*(each.run() for each in workers))
    assert sum(steps) == 20
    assert [len(await asked.answers(cause)) for cause in causes] == [1] * 20


async def test_a_command_that_only_newer_workers_know_waits_for_them(work: Driver) -> None:
    old = Aside(work.pool, readings={}, deeds={}, clock=lambda: work.now, committed=lambda: None)
    asking = Asking(work)
    cause = await asking.put("list-groups")
    assert await old.step()
    assert await left(work) == [(None, 0)]
    await asking.run()
    assert len(await asking.answers(cause)) == 1


async def test_as_a_service_it_is_woken_and_also_looks_by_itself(work: Driver) -> None:
    asking = Asking(work)
    async with asking.aside:
        for woken in (True, False):
            cause = await asking.put("list-groups")
            if woken:
                asking.aside.wake()
            await asyncio.wait_for(asking.committed.wait(), 10)
            asking.committed.clear()
            assert len(await asking.answers(cause)) == 1
