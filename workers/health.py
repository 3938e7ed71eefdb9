"""/live, /ready and /metrics over HTTP. It is up before anything else and goes last."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from workers import logs
from workers.exits import ConfigurationError

Check = Callable[[], Awaitable[list[str]]]
"""Why the process is not ready: sentences, none when it is."""


class Health:
    """A small site. /live answers as long as the event loop turns; /ready by checks that are set later."""

    def __init__(self, host: str, port: int) -> None:
        """Port 0 = a free one."""
        self._host = host
        self._port = port
        self._checks: Sequence[Check] | None = None
        self._runner: web.AppRunner | None = None
        self._logger = logs.get(__name__)

    @property
    def port(self) -> int:
        """The port it listens on. Only after start()."""
        assert self._runner is not None
        port: int = self._runner.addresses[0][1]
        return port

    async def start(self) -> None:
        """Listen. Raises ConfigurationError when the port is taken or not allowed."""
        site = web.Application()
        site.router.add_get("/live", self._live)
        site.router.add_get("/ready", self._ready)
        site.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(site, access_log=None, handle_signals=False)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise ConfigurationError(
                [f"HTTP_HOST={self._host} HTTP_PORT={self._port} cannot be listened on: {error.strerror}."]
            ) from error
        self._runner = runner
        self._logger.info("health is served", host=self._host, port=self.port)

    def set_checks(self, checks: Sequence[Check]) -> None:
        """From now on these decide about readiness; before, the process is not ready."""
        self._checks = checks

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            with suppress(OSError):
                await self._runner.cleanup()

    async def problems(self) -> list[str]:
        """Why the process is not ready."""
        if self._checks is None:
            return ["waiting for Kafka and the database"]
        return [problem for check in self._checks for problem in await check()]

    async def _live(self, _: web.Request) -> web.Response:
        return web.Response(text="live\n")

    async def _ready(self, _: web.Request) -> web.Response:
        problems = await self.problems()
        body = orjson.dumps({"ready": not problems, "problems": problems}, option=orjson.OPT_APPEND_NEWLINE)
        return web.Response(
            body=body, status=503 if problems else 200, headers={"Content-Type": "application/json"}
        )

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
