"""The one place that builds the running parts and joins them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

import asyncpg
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from mode import Service
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from db import pool as pools
from db.errors import is_transient
from events.commands import Preview, ReplayDeadLetters, Snapshot
from events.topics import INPUTS
from workers import kafka, logs, readiness
from workers.agents import create_agents
from workers.app import Application, create_app
from workers.aside.preview_job import PreviewJob
from workers.aside.readings import READINGS
from workers.aside.replay_job import ReplayJob
from workers.aside.service import Aside
from workers.aside.snapshot_job import SnapshotJob
from workers.commands.handler import CommandHandler
from workers.explaining import upkeep as evidence_upkeep
from workers.geoip import GeoIP
from workers.handlers import BatchHandler, HandlerSettings, utc_now
from workers.health import Check
from workers.intake.backpressure import Backpressure
from workers.intake.lanes import Lane
from workers.intake.reader import Reader
from workers.intake.service import Intake
from workers.membership.rulesets import RuleSets
from workers.relay.announcer import Announcer
from workers.relay.service import Relay
from workers.runs.geoip_watch import LOOK_S, GeoIPWatch
from workers.runs.pace import Pace
from workers.runs.pin_expiry import PinExpiry
from workers.runs.runner import Runner
from workers.runs.scheduler import TICK_S, Scheduler
from workers.settings import Settings
from workers.watchdog import Watchdog

LONGEST_WAIT_S: Final = 5.0

_logger = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """A worker, built but not started."""

    app: Application
    intake: Intake | None
    relay: Relay | None
    checks: list[Check]


class _PoolService(Service):
    """Closes the pool after all that uses it."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._pool = pool

    async def on_stop(self) -> None:
        try:
            async with asyncio.timeout(LONGEST_WAIT_S):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


async def build(settings: Settings) -> Parts:
    """Wait for the database and the brokers, as long as it takes, and build a worker of the roles set.

    Call it on the event loop that runs the worker. Raises what does not pass: a schema that is not
    there, wrong credentials, a certificate that cannot be read.
    """
    app = create_app(settings)
    pool: asyncpg.Pool[asyncpg.Record] = await _retrying("the database")(
        pools.create, settings.database_url.get_secret_value(), size=settings.database_pool_size
    )
    app.own_services.append(_PoolService(pool))
    await _retrying("Kafka")(_reach_brokers, settings)
    checks: list[Check] = [readiness.database_answers(pool)]
    relay = None
    if "relay" in settings.roles:
        relay = Relay(
            database_url=settings.database_url.get_secret_value(),
            kafka=kafka.client_arguments(settings),
        )
        app.own_services.append(relay)
        checks.append(readiness.relay_sends(relay))
    intake = None
    if "intake" in settings.roles:
        # A preview keeps its connection for many seconds: those of the pool are for what is short.
        snapshots: asyncpg.Pool[asyncpg.Record] = await _retrying("the database")(
            pools.create,
            settings.database_url.get_secret_value(),
            size=1,
            application_name="client-groups previews",
            isolation="repeatable read",
        )
        app.own_services.append(_PoolService(snapshots))
        intake = _intake(app, pool, snapshots, relay, settings)
        checks.append(readiness.intake_reads(intake))
    else:
        # Faust's own consumer is there to elect a leader among the workers that take events.
        app.boot_strategy.enable_kafka = False
    return Parts(app, intake, relay, checks)


def _intake(
    app: Application,
    pool: asyncpg.Pool[asyncpg.Record],
    snapshots: asyncpg.Pool[asyncpg.Record],
    relay: Relay | None,
    settings: Settings,
) -> Intake:
    geoip = GeoIP(settings.geoip_database)
    rulesets = RuleSets()
    max_ahead = timedelta(seconds=settings.max_ahead_seconds)
    announcer = Announcer(pool, relay)
    backlog = settings.max_relay_backlog
    aside = Aside(
        pool,
        readings=READINGS,
        deeds={
            ReplayDeadLetters: ReplayJob(kafka.client_arguments(settings), backlog).step,
            Snapshot: SnapshotJob(backlog).step,
        },
        clock=utc_now,
        committed=announcer.appended,
    )
    lanes = [Lane(app, index) for index in range(settings.lanes)]
    pace = Pace(lanes, settings.run_pace)
    previews = Aside(
        snapshots,
        readings={Preview: PreviewJob(pool, clock=utc_now, committed=announcer.appended, pace=pace)},
        deeds={},
        long=True,
        clock=utc_now,
        committed=announcer.appended,
    )

    def wake_asides() -> None:
        aside.wake()
        previews.wake()

    handler = BatchHandler(
        pool,
        rulesets,
        CommandHandler(rulesets, max_ahead=max_ahead, aside=aside.commands | previews.commands),
        geoip.lookup,
        settings=HandlerSettings(max_ahead=max_ahead, trace_inputs=settings.trace_inputs),
        committed=announcer.appended,
        commanded=wake_asides,
    )
    intake = Intake(
        make_reader=partial(
            Reader,
            topics=[topic.name for topic in INPUTS],
            arguments=kafka.client_arguments(settings),
            group=settings.intake_group,
            session_timeout=settings.session_timeout,
        ),
        pool=pool,
        lanes=lanes,
        backpressure=Backpressure(pool, settings.max_relay_backlog),
        batch_records=settings.batch_records,
        revoke_seconds=settings.session_timeout / 2,
        shutdown_seconds=settings.shutdown_seconds,
    )
    create_agents(app, intake, handler)

    def can_look_up() -> bool:
        return geoip.build is not None

    runner = Runner(
        pool,
        rulesets,
        geoip.lookup,
        can_look_up=can_look_up,
        clock=utc_now,
        committed=announcer.appended,
        pace=pace,
    )
    expiry = PinExpiry(pool, rulesets, clock=utc_now, committed=announcer.appended)
    scheduler = Scheduler(
        pool,
        clock=utc_now,
        committed=announcer.appended,
        held_for=timedelta(days=settings.held_run_days),
    )
    app.timer(TICK_S, on_leader=True, name="scheduler")(scheduler.tick)
    evidence = evidence_upkeep.EvidenceUpkeep(
        pool, clock=utc_now, kept_for=timedelta(days=settings.evidence_days)
    )
    app.timer(evidence_upkeep.TICK_S, on_leader=True, name="evidence")(evidence.tick)
    watch = GeoIPWatch(pool, can_look_up, clock=utc_now, committed=announcer.appended)
    app.timer(LOOK_S, on_leader=True, name="geoip-watch")(watch.look)
    watchdog = Watchdog(
        intake,
        pool,
        stuck_seconds=settings.stuck_seconds,
        batch_stuck_seconds=settings.batch_stuck_seconds,
    )
    app.own_services.extend((announcer, aside, previews, runner, expiry, intake, watchdog))
    app.stops_first = intake
    return intake


async def _reach_brokers(settings: Settings) -> None:
    client = AIOKafkaClient(**kafka.client_arguments(settings))
    try:
        await client.bootstrap()
    finally:
        with suppress(KafkaError):
            await client.close()


def _retrying(what: str) -> AsyncRetrying:
    def say(state: RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        _logger.warning(f"waiting for {what}", error=str(error) or repr(error))

    return AsyncRetrying(
        wait=wait_random_exponential(multiplier=0.1, max=LONGEST_WAIT_S),
        retry=retry_if_exception(lambda error: isinstance(error, KafkaError) or is_transient(error)),
        before_sleep=say,
    )
