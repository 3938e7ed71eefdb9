"""The worker of tests/support/intake.py as a process, to be killed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.intake import running


@asynccontextmanager
async def intake_process(
    bootstrap_servers: str, database_url: str, topic: str, group: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Started, not yet reading; killed in the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        bootstrap_servers,
        database_url,
        topic,
        group,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _main(bootstrap_servers: str, database_url: str, topic: str, group: str) -> None:
    # Small batches: more instants to be killed at.
    async with running(bootstrap_servers, database_url, [topic], group, batch_records=5):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
