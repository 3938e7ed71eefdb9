"""What cards are made of: headings, sections, fields, lists."""

from collections.abc import Iterable

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from workers.cli.output import text


def heading(words: str) -> Text:
    """What the card is of."""
    return text(words, "bold")


def section(title: str, content: RenderableType) -> Lines:
    """A part of a card under its own title."""
    return Lines(Text(""), Text(title, style="bold"), content)


def fields(facts: Iterable[tuple[str, str]]) -> Table:
    """Names and values, a line each."""
    made = Table.grid(padding=(0, 2))
    made.add_column(overflow="fold")
    made.add_column(overflow="fold")
    for name, value in facts:
        made.add_row(text(f"  {name}", "dim"), text(value))
    return made


def listed(lines: Iterable[str], style: str = "") -> Lines:
    """Lines of a section."""
    return Lines(*(text(f"  {line}", style) for line in lines))
