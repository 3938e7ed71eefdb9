"""Kills workers over and over while a seeded stream comes in, then judges what came out.

    python -m tests.chaos --kills 50 --seed 1

Prints PASS with counts, or the first difference and all that was said of the client, and then ends with 1.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from rich.console import Console

from deploy.local import StackError
from tests.chaos.evidence import Difference
from tests.chaos.fleet import UnexpectedEndError
from tests.chaos.run import NotSettledError, Options, Run


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    for option in fields(Options):
        name = f"--{option.name.replace('_', '-')}"
        parser.add_argument(name, type=int, default=option.default, help=f"default {option.default}")
    parser.add_argument("--keep", type=Path, help="an empty folder for data and logs, which stays")
    arguments = vars(parser.parse_args())
    keep: Path | None = arguments.pop("keep")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it warns of all that is made to fail here
    console = Console(soft_wrap=True, highlight=False)
    # Not 0700 for root only: as root, PostgreSQL runs as another user.
    folder = keep or Path(tempfile.mkdtemp(prefix="client-groups-chaos-"))
    try:
        return asyncio.run(judged(Options(**arguments), folder, console))
    except KeyboardInterrupt:
        console.print("interrupted")
        return 130
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


async def judged(options: Options, folder: Path, console: Console) -> int:
    """Run, and say what came of it."""
    console.print(f"{options}")
    run = Run(options, folder, console)
    code = 1
    try:
        counts = await run.run()
        code = 0
        console.print("PASS", style="bold green")
        for name, count in counts.items():
            console.print(f"  {name}: {count:,}" if isinstance(count, int) else f"  {name}: {count}")
    except* (Difference, NotSettledError, UnexpectedEndError, StackError) as failures:
        for failure in each(failures):
            console.print(f"FAIL {type(failure).__name__}", style="bold red")
            console.print(str(failure), markup=False)
    return code


def each(failures: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The exceptions of a group, however deep."""
    for failure in failures.exceptions:
        if isinstance(failure, BaseExceptionGroup):
            yield from each(failure)
        else:
            yield failure


if __name__ == "__main__":
    sys.exit(main())
