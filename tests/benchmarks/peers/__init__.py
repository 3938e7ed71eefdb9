"""What one would use or write instead: programs that take the same records and write how long they took."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import faust
from mode import loop


def arguments() -> argparse.Namespace:
    """What every peer is told."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True, help="host:port of Kafka")
    parser.add_argument("--group", required=True, help="consumer group, placed at the first record to take")
    parser.add_argument("--topics", nargs="+", required=True)
    parser.add_argument("--events", type=int, required=True, help="end after so many")
    parser.add_argument("--seconds", type=float, required=True, help="or after so long")
    parser.add_argument("--folder", type=Path, required=True, help="for Faust's own files")
    parser.add_argument("--result", type=Path, required=True, help="where to write the result, as JSON")
    parser.add_argument("--database", default="", help="address of a database, for a peer that needs one")
    return parser.parse_args()


def create_app(options: argparse.Namespace) -> faust.App:
    """A Faust app with Faust's own defaults, but for what would only cost it time here."""
    loop.use("uvloop")  # as the worker has it
    return faust.App(
        options.group,
        broker=f"kafka://{options.bootstrap}",
        consumer_auto_offset_reset="earliest",
        datadir=str(options.folder / options.group),
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )


def run(app: faust.App) -> None:
    """Blocks until the process is ended."""
    faust.Worker(app, loglevel="WARN").execute_from_commandline()


class Tally:
    """Counts from the first event on; at the end writes the result.

    The clock starts with the first event in the agent, so that what Faust has fetched by then is a present.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._last = options.events
        self._seconds = options.seconds
        self._result: Path = options.result
        self._taken = 0
        self._began = self._processor = 0.0

    def one(self) -> None:
        """One event was taken and done."""
        taken = self._taken = self._taken + 1
        if taken == 1:
            self._began, self._processor = time.perf_counter(), time.process_time()
        elif taken == self._last or (not taken % 64 and time.perf_counter() - self._began > self._seconds):
            self._write()
            self._last = -1
            self._seconds = float("inf")

    def _write(self) -> None:
        taken = self._taken - 1  # the first one was done when the clock started
        result = {
            "events": taken,
            "seconds": time.perf_counter() - self._began,
            "processor_us": (time.process_time() - self._processor) * 1e6 / taken,
        }
        written = self._result.with_suffix(".new")
        written.write_text(json.dumps(result))
        os.replace(written, self._result)  # noqa: PTH105 - whoever sees the file sees all of it
