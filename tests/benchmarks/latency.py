"""From the produce of one event until its change can be read with read_committed, beside the floor for that.

The floor is a bare transaction of one record from produce until it is read, with the relay's settings and the
same subscriber. Both are measured in turns at rest, and at the same time under load.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaProducer
from confluent_kafka import Message

from tests.benchmarks import kafka
from tests.benchmarks.job import CHANGES
from tests.benchmarks.stand import ONE_PROCESS, TWO_PROCESSES, Stand, StandError
from tests.benchmarks.stream import BUSY, Input, Stream
from workers.relay.settings import RelaySettings

FLOOR_TOPIC: Final = "bench-floor"
WARM_UP: Final = 20
ONE_TIMEOUT: Final = 10.0  # seconds for one event
SETTLE_SECONDS: Final = 1.0
TICK_SECONDS: Final = 0.001


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    singles: int = 200
    rate: int = 1_000
    """Events a second under load."""
    seconds: float = 20.0
    population: int = 10_000
    """Clients who are there before."""
    setups: tuple[str, ...] = (ONE_PROCESS, TWO_PROCESSES)


class Arrivals:
    """When a record of each name was first read: the subscribers' threads write, the event loop waits."""

    def __init__(self, name_of: Callable[[Message], str]) -> None:
        self.at: dict[str, float] = {}
        self._name_of = name_of
        self._loop = asyncio.get_running_loop()
        self._waits: dict[str, asyncio.Future[None]] = {}

    def seen(self, at: float, message: Message) -> None:
        name = self._name_of(message)
        if name not in self.at:
            self.at[name] = at
            self._loop.call_soon_threadsafe(self._wake, name)

    def _wake(self, name: str) -> None:
        wait = self._waits.pop(name, None)
        if wait is not None and not wait.done():
            wait.set_result(None)

    async def wait(self, name: str) -> float:
        """When it was read; waits for it."""
        if name not in self.at:
            wait = self._waits[name] = self._loop.create_future()
            # Once more: it may have come between the look and the entry.
            if name not in self.at:
                try:
                    await asyncio.wait_for(wait, ONE_TIMEOUT)
                except TimeoutError:
                    raise StandError(f"{name} did not arrive within {ONE_TIMEOUT:g} s") from None
        return self.at[name]


def _key(message: Message) -> str:
    key = message.key()
    assert isinstance(key, bytes)
    return key.decode()


def cause_of(message: Message) -> str:
    return str(orjson.loads(message.value() or b"{}")["cause"])


class _Floor:
    """A transactional producer of single records."""

    def __init__(self, producer: AIOKafkaProducer, arrivals: Arrivals) -> None:
        self._producer = producer
        self._arrivals = arrivals
        self._made = 0

    async def once(self) -> float:
        """Milliseconds of one round trip."""
        self._made += 1
        name = f"floor-{self._made}"
        began = time.perf_counter()
        await self._producer.begin_transaction()
        await self._producer.send(FLOOR_TOPIC, b"x" * 200, key=name.encode())
        await self._producer.commit_transaction()
        return (await self._arrivals.wait(name) - began) * 1e3


async def run(stand: Stand, size: Size, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure; answers results by setup."""
    await asyncio.to_thread(kafka.create_topic, stand.bootstrap_servers, FLOOR_TOPIC, 8)
    # The subscribers' threads wait for this one to let go of the interpreter: by default up to 5 ms.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        return {setup: await _setup(stand, size, setup, say) for setup in size.setups}
    finally:
        sys.setswitchinterval(interval)


async def _setup(stand: Stand, size: Size, setup: str, say: Callable[[str], None]) -> dict[str, Any]:
    stream = Stream(BUSY, seed=2, prefix=f"latency-{setup.replace(' ', '')}")
    await stand.clear()
    await stand.work_off(stream.population(size.population))
    changes, floors = Arrivals(cause_of), Arrivals(_key)
    subscribers = [
        await asyncio.to_thread(kafka.Subscriber, stand.bootstrap_servers, topic, arrivals.seen)
        for topic, arrivals in ((CHANGES, changes), (FLOOR_TOPIC, floors))
    ]
    settings = RelaySettings()
    producer = AIOKafkaProducer(bootstrap_servers=stand.bootstrap_servers, acks="all")
    transactional = AIOKafkaProducer(
        bootstrap_servers=stand.bootstrap_servers,
        acks="all",
        transactional_id="bench-floor",
        transaction_timeout_ms=settings.transaction_timeout_ms,
        retry_backoff_ms=settings.retry_backoff_ms,
        compression_type=settings.compression_type,
        max_batch_size=settings.batch_bytes,
    )
    for subscriber in subscribers:
        subscriber.start()
    try:
        async with stand.workers(setup), producer, transactional:
            floor = _Floor(transactional, floors)
            say(f"latency, {setup}: {size.singles} single events")
            at_rest = await _at_rest(size.singles, stream, producer, changes, floor)
            say(f"latency, {setup}: {size.rate:,} events a second for {size.seconds:g} s")
            under_load = await _under_load(size, stream, producer, changes, floor)
    finally:
        for subscriber in subscribers:
            await asyncio.to_thread(subscriber.stop)
    return {"at_rest": at_rest, "under_load": under_load}


async def _at_rest(
    singles: int, stream: Stream, producer: AIOKafkaProducer, changes: Arrivals, floor: _Floor
) -> dict[str, Any]:
    """One event, one bare transaction, one event ...: each waited for."""
    ours, bare = [], []
    chance = random.Random(3)
    for number in range(WARM_UP + singles):
        event = stream.registration()
        began = time.perf_counter()
        sent = await producer.send_and_wait(event.topic, event.value, key=event.key)
        arrived = await changes.wait(f"{sent.topic}/{sent.partition}/{sent.offset}")
        # Pauses of any length, so that nothing keeps step with the timers of broker or worker.
        await asyncio.sleep(chance.uniform(0.005, 0.03))
        round_trip = await floor.once()
        await asyncio.sleep(chance.uniform(0.005, 0.03))
        if number >= WARM_UP:
            ours.append((arrived - began) * 1e3)
            bare.append(round_trip)
    return _compared(ours, bare)


async def _under_load(
    size: Size, stream: Stream, producer: AIOKafkaProducer, changes: Arrivals, floor: _Floor
) -> dict[str, Any]:
    """A steady stream, and bare transactions at the same time. Each event that led to a change counts."""
    stopping = asyncio.Event()
    bare: list[float] = []

    async def measure_floor() -> None:
        chance = random.Random(4)
        while not stopping.is_set():
            bare.append(await floor.once())
            await asyncio.sleep(chance.uniform(0.005, 0.03))

    records = stream.take(int(size.rate * size.seconds))
    probing = asyncio.create_task(measure_floor())
    sent, seconds = await _pace(producer, records, size.rate)
    stopping.set()
    await probing
    await asyncio.sleep(SETTLE_SECONDS)
    ours = [(changes.at[cause] - began) * 1e3 for cause, began in sent.items() if cause in changes.at]
    return {**_compared(ours, bare), "events_per_second": round(len(records) / seconds)}


async def _pace(
    producer: AIOKafkaProducer, records: list[Input], rate: int
) -> tuple[dict[str, float], float]:
    """Send so many a second; answers by cause when each was sent, and how long it took."""
    sent: list[tuple[float, asyncio.Future[Any]]] = []
    began = time.perf_counter()
    while len(sent) < len(records):
        due = min(len(records), int((time.perf_counter() - began) * rate) + 1)
        for record in records[len(sent) : due]:
            at = time.perf_counter()
            sent.append((at, await producer.send(record.topic, record.value, key=record.key)))
        await asyncio.sleep(TICK_SECONDS)
    seconds = time.perf_counter() - began
    found = [(at, await future) for at, future in sent]
    return {f"{where.topic}/{where.partition}/{where.offset}": at for at, where in found}, seconds


def _compared(ours: list[float], bare: list[float]) -> dict[str, Any]:
    if not ours or not bare:
        raise StandError(f"nothing was measured: {len(ours)} events, {len(bare)} bare transactions")
    found, floor = percentiles(ours), percentiles(bare)
    return {"event_ms": found, "floor_ms": floor, "p99_ratio": found["p99"] / floor["p99"]}


def percentiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        **{f"p{share}": ordered[min(len(ordered) - 1, len(ordered) * share // 100)] for share in (50, 99)},
        "count": len(ordered),
    }
