"""How the commands of operators write: people get tables and sentences, scripts one JSON object."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import BinaryIO, Final

import typer
from pydantic import BaseModel
from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text
from tabulate import tabulate

from events.outputs import Problem

LOG_WIDTH: Final = 140
"""Characters of a line where no terminal says how wide it is."""

ROWS_DRAWN: Final = 100
"""A table of more rows is written plainly: rich takes 0.8 s of processor time for 1,000 rows."""


def consoles() -> tuple[Console, Console]:
    """Standard output and standard error."""
    out, err = Console(), Console(stderr=True)
    for console in (out, err):
        if not console.is_terminal:
            console.width = max(console.width, LOG_WIDTH)
    return out, err


def file_name(file: BinaryIO) -> str:
    """How a file that was given is named in sentences."""
    name = file.name if isinstance(file.name, str) else "-"
    return "<stdin>" if name in ("-", "<stdin>") else name


def print_json(value: BaseModel) -> None:
    """Write one JSON object to standard output."""
    typer.echo(value.model_dump_json(indent=2))


def print_warnings(err: Console, warnings: Iterable[Problem]) -> None:
    """Write warnings to standard error, a line each and each once."""
    for line in dict.fromkeys(sentence(problem) for problem in warnings):
        err.print(text(f"Warning: {line}", "yellow"), soft_wrap=True)


def sentence(problem: Problem) -> str:
    """A problem with the place that it names, on one line."""
    return plain(f"{problem.path}: {problem.message}" if problem.path else problem.message)


def plain(value: object) -> str:
    """A value on one line, with nothing in it that steers the terminal.

    Names, reasons and request parameters were typed by strangers.
    """
    said = str(value)
    if said.isprintable():
        return said
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in said
    )


def text(value: object, style: str = "") -> Text:
    """A value as it is shown in tables: plain, and nothing in it is markup."""
    return Text(plain(value), style=style, overflow="fold")


def moment(time: datetime | None) -> str:
    """A time in UTC, to the second."""
    return "" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def number(count: int, noun: str = "") -> str:
    """A count with its noun, in the plural where it needs one."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}" if noun else f"{count:,}"


def table(*columns: str, numbers: Collection[str] = (), times: Collection[str] = ()) -> Table:
    """An empty table; columns named in `numbers` stand at the right, those in `times` are not folded."""
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        justify: JustifyMethod = "right" if column in numbers else "left"
        made.add_column(column, justify=justify, overflow="fold", no_wrap=column in times)
    return made


def print_table(out: Console, made: Table) -> None:
    """Write a table: fitted to the terminal and coloured, a long one as it is and at once."""
    if made.row_count <= ROWS_DRAWN:
        out.print(made)
        return
    columns = [[str(cell) for cell in column.cells] for column in made.columns]
    lines = tabulate(
        zip(*columns, strict=True),
        headers=[str(column.header) for column in made.columns] if made.show_header else (),
        tablefmt="simple" if made.show_header else "plain",
        colalign=[column.justify for column in made.columns],
        disable_numparse=True,
        preserve_whitespace=True,
    )
    out.file.write(f"{lines}\n")
    out.file.flush()
