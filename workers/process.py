"""Runs a worker as a process: signals, exit codes, a bound on its end."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from contextlib import suppress
from typing import Final

import faust
import uvloop

from workers import exits, logs
from workers.app import Application
from workers.bootstrap import Parts, build
from workers.exits import ConfigurationError
from workers.health import Health
from workers.settings import Settings

ENDING_S: Final = 15.0
"""How much longer than SHUTDOWN_SECONDS a process may take to end before it is ended."""


class _Worker(faust.Worker):
    """Faust's worker without its own logging and words on stdout, and with a bound on how long it ends."""

    def __init__(self, app: Application, *, loop: asyncio.AbstractEventLoop, ending_seconds: float) -> None:
        super().__init__(app, loop=loop, quiet=True, override_logging=False, redirect_stdouts=False)
        self.spinner = None
        self._ending = threading.Timer(ending_seconds, os._exit, (exits.CRASH,))
        self._ending.daemon = True

    def _schedule_shutdown(self, signal: signal.Signals) -> None:
        self._bound_ending()
        super()._schedule_shutdown(signal)

    def _crash(self, reason: BaseException) -> None:
        self._bound_ending()
        super()._crash(reason)

    def _bound_ending(self) -> None:
        if not self._ending.is_alive():
            with suppress(RuntimeError):  # started before
                self._ending.start()

    async def _sentinel_task(self) -> None:
        """Faust's waits for a second here."""


def run(settings: Settings) -> int:
    """Run a worker until SIGTERM or SIGINT, or until it crashes; returns the exit code.

    Blocks the thread, which must be the main one. Raises ConfigurationError.
    """
    logger = logs.get(__name__)
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    health = Health(settings.http_host, settings.http_port)
    try:
        parts = loop.run_until_complete(_prepare(settings, health))
    except ConfigurationError:
        raise
    except Exception:  # whatever it is, the process ends, and says why in its log
        logger.critical("worker cannot start", exc_info=True)
        return exits.CRASH
    if parts is None:
        return exits.OK
    _calm_garbage_collection()
    logger.info("worker starts", roles=sorted(settings.roles), pid=os.getpid())
    worker = _Worker(parts.app, loop=loop, ending_seconds=settings.shutdown_seconds + ENDING_S)
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        crashed = bool(end.code) or worker.crash_reason is not None
    reason = worker.crash_reason
    if crashed:
        logger.critical("worker crashed", reason=f"{type(reason).__name__}: {reason}")
        return exits.CRASH
    logger.info("worker stopped")
    return exits.OK


def _calm_garbage_collection() -> None:
    """Look for cycles rarely: it took a fifth of the worker's time.

    A batch makes tens of thousands of objects that go by reference count, and hardly a cycle.
    """
    gc.collect()
    gc.freeze()  # what start-up made stays for good
    gc.set_threshold(100_000, 50, 50)


async def _prepare(settings: Settings, health: Health) -> Parts | None:
    """Build the worker, or return None if a signal came first."""
    loop = asyncio.get_running_loop()
    building = asyncio.ensure_future(_build(settings, health))
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, building.cancel)
    try:
        return await building
    except asyncio.CancelledError:
        await health.stop()
        return None
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def _build(settings: Settings, health: Health) -> Parts:
    await health.start()
    parts = await build(settings)
    health.set_checks(parts.checks)
    return parts
