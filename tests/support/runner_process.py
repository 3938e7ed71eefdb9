"""A runner as a process of its own, to be killed: python -m tests.support.runner_process URL."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime

from db import pool as pools
from workers.crashpoints import VARIABLE
from workers.membership.rulesets import RuleSets
from workers.runs.runner import Runner


async def run_until_killed(database_url: str, crash_at: str) -> int:
    """Let it do chunks until it is killed at this point, or there are none left; answers its exit code."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        database_url,
        env={**os.environ, VARIABLE: crash_at},
        stdout=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


async def _main(database_url: str) -> None:
    pool = await pools.create(database_url)
    runner = Runner(
        pool,
        RuleSets(),
        lambda _: (None, None),
        can_look_up=lambda: False,
        clock=lambda: datetime.now(UTC),
        committed=_nobody_waits,
    )
    while await runner.step():
        pass
    await pool.close()


def _nobody_waits() -> None:
    """For the log, here."""


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
