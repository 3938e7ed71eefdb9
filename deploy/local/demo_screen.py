"""What the demo shows: steps, changes as they arrive, the summary; plain lines where no terminal is."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.local.demo_check import Folded, percentile
from deploy.local.demo_traffic import Seen, Sent
from deploy.local.demo_world import Event

LOG_WIDTH: Final = 120  # characters of a line where no terminal says how wide it is


class Screen:
    """Writes to stdout."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = max(self.console.width, LOG_WIDTH)
        self._began = time.monotonic()

    def step(self, text: str) -> None:
        """Say what is done next."""
        seconds = time.monotonic() - self._began
        self._line(Text.assemble((f"[{seconds:5.1f} s] ", "dim"), (text, "bold")))

    def event(self, event: Event) -> None:
        """Show an event that is published."""
        self._line(Text.assemble((f"{_clock()}  ", "dim"), (f"{event.topic:<23}", "cyan"), event.says))

    def change(self, seen: Seen, name: str, cause: Sent | None) -> None:
        """Show a change that arrived, and how long after its cause."""
        change = seen.change
        joined = change["change"] == "joined"
        says = f"{'+' if joined else '-'} {name} {'joins' if joined else 'leaves'} {change['group']}"
        took = "" if cause is None else f"  {(seen.at - cause.at) * 1000:.0f} ms"
        style = "green" if joined else "yellow"
        self._line(
            Text.assemble(
                (f"{_clock()}  ", "dim"),
                (f"{'membership-changed':<23}", "magenta"),
                (says, style),
                (took, "dim"),
            )
        )

    def progress(self, text: str) -> None:
        """Show how far the burst is."""
        self._line(Text(f"{_clock()}  {text}", style="dim"))

    def counts(self, by_topic: Counter[str], folded: Folded, names: Mapping[str, str]) -> None:
        """Show what went in and what came out."""
        table = Table("events in", title_justify="left")
        table.add_column("", justify="right")
        for topic, count in sorted(by_topic.items()):
            table.add_row(topic, f"{count:,}")
        table.add_section()
        table.add_row("all", f"{by_topic.total():,}")
        self.console.print(table)
        table = Table("changes out", "")
        for title in ("joined", "left", "members now"):
            table.add_column(title, justify="right")
        members = folded.members
        for group in names:
            numbers = (folded.joined[group], folded.left[group], members[group])
            table.add_row(group, names[group], *(f"{number:,}" for number in numbers))
        table.add_section()
        totals = (folded.joined.total(), folded.left.total(), members.total())
        table.add_row("all", "", *(f"{number:,}" for number in totals))
        self.console.print(table)

    def latency(self, phases: Mapping[str, Sequence[float]]) -> None:
        """Show how long changes took, for each phase."""
        table = Table("from produce to read committed")
        for title in ("changes", "median", "p99", "longest"):
            table.add_column(title, justify="right")
        for phase, ordered in phases.items():
            if ordered:
                shown = (percentile(ordered, 0.5), percentile(ordered, 0.99), ordered[-1])
                table.add_row(phase, f"{len(ordered):,}", *(f"{seconds * 1000:,.0f} ms" for seconds in shown))
        self.console.print(table)

    def _line(self, text: Text) -> None:
        self.console.print(text, soft_wrap=True)


def _clock() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
