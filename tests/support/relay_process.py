"""A relay as a process of its own, to be killed: python -m tests.support.relay_process URL SERVERS NAME."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.relay import relay_settings
from workers.crashpoints import VARIABLE
from workers.relay.service import Relay


@asynccontextmanager
async def relay_process(
    database_url: str, bootstrap_servers: str, namespace: str, *, crash_at: str = ""
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Started, not yet active; killed in the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        database_url,
        bootstrap_servers,
        namespace,
        env={**os.environ, VARIABLE: crash_at},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _main(database_url: str, bootstrap_servers: str, namespace: str) -> None:
    relay = Relay(
        database_url=database_url,
        kafka={"bootstrap_servers": bootstrap_servers},
        # Small transactions: more instants to be killed at.
        settings=relay_settings(namespace, rows=20, standby_s=0.05),
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await relay.start()
    await stop.wait()
    await relay.stop()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
