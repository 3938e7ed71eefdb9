"""Says what became of a groups file: a table for people, one JSON object for scripts."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from workers.cli.apply import Applied, Outcome, Status
from workers.cli.groups_file import Located

_STYLES: Final = {
    Status.CREATED: "green",
    Status.CHANGED: "yellow",
    Status.UNCHANGED: "dim",
    Status.REJECTED: "bold red",
    Status.UNANSWERED: "bold red",
}


def as_json(applied: Applied, name: str) -> str:
    """One JSON object. `name` is the file's."""
    groups = [_group(applied, outcome) for outcome in applied.outcomes]
    return json.dumps(
        {
            "file": name,
            "ok": applied.ok,
            "failure": applied.failure,
            "groups": groups,
            "errors": [asdict(problem) for problem in applied.file.errors],
            "warnings": [asdict(problem) for problem in applied.file.warnings],
        },
        indent=2,
    )


def _group(applied: Applied, outcome: Outcome) -> dict[str, Any]:
    return {
        "group": outcome.entry.group,
        "index": outcome.entry.index,
        "line": applied.file.document.line_of(("groups", outcome.entry.index)),
        "status": outcome.status.value,
        "version": outcome.version,
        "errors": [asdict(problem) for problem in outcome.errors],
        "warnings": [asdict(problem) for problem in outcome.warnings],
    }


def show(applied: Applied, name: str, *, out: Console, err: Console) -> None:
    """Write results to `out`, and what went wrong to `err`, each error with `file:line:` before it."""
    for problem in _all(applied, "warnings"):
        if not any(outcome.status in _STYLES for outcome in applied.outcomes):
            _line(err, f"{name}:{problem.line}: warning: {_where(problem)}{problem.message}")
    errors = [*_all(applied, "errors")]
    for problem in errors:
        _line(err, f"{name}:{problem.line}: {_where(problem)}{problem.message}", style="red")
    if any(outcome.status in _STYLES for outcome in applied.outcomes):
        out.print(_table(applied))
    if applied.failure is not None:
        _line(err, f"Error: {applied.failure}.", style="bold red")
    elif applied.file.errors or applied.count(Status.INVALID):
        _line(err, f"{_number(len(errors), 'error')}: nothing was sent.", style="bold red")
    else:
        _line(out, _summary(applied))


def _all(applied: Applied, kind: str) -> list[Located]:
    own: list[Located] = getattr(applied.file, kind)
    of_groups = (problem for outcome in applied.outcomes for problem in getattr(outcome, kind))
    return sorted([*own, *of_groups], key=lambda problem: problem.line)


def _table(applied: Applied) -> Table:
    table = Table("group", "what", "notes")
    for outcome in applied.outcomes:
        what = outcome.status.value
        if outcome.status in (Status.CHANGED, Status.UNCHANGED) and outcome.version:
            what += f" (version {outcome.version})"
        table.add_row(
            Text(outcome.entry.group or "", overflow="fold"),
            Text(what, style=_STYLES.get(outcome.status, "")),
            Text("\n".join(_notes(outcome.warnings, outcome.errors)), overflow="fold"),
        )
    return table


def _notes(warnings: Iterable[Located], errors: Iterable[Located]) -> Iterable[str]:
    for problem in errors:
        yield f"line {problem.line}: {problem.message}"
    for problem in warnings:
        yield f"warning, line {problem.line}: {problem.message}"


def _summary(applied: Applied) -> str:
    total = len(applied.outcomes)
    if not total:
        return "The file names no groups: nothing to do."
    if applied.count(Status.NOT_SENT) == total:
        return f"{_number(total, 'group')} checked, nothing wrong; nothing was sent."
    if applied.count(Status.UNCHANGED) == total:
        return f"Nothing changed: {_number(total, 'group')} as in the file before."
    counts = [f"{applied.count(status)} {status}" for status in _STYLES if applied.count(status)]
    return f"{_number(total, 'group')}: {', '.join(counts)}."


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _where(problem: Located) -> str:
    return f"{problem.path}: " if problem.path else ""


def _line(console: Console, text: str, style: str = "") -> None:
    # Whole: a line that wraps cannot be clicked, and not searched for in a log.
    console.print(Text(text, style=style), soft_wrap=True)
