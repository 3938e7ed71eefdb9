"""Applies a groups file: a `put-group` for each group, in the order of the file, and what came of it."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from events.outputs import GroupCommandResult
from workers.cli.groups_file import Entry, GroupsFile, Located
from workers.console import Console, ConsoleError


class Status(StrEnum):
    """What became of a group of the file."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"
    """By the worker."""
    UNANSWERED = "unanswered"
    """Sent; whether it was carried out is not known."""
    INVALID = "invalid"
    """By its text alone: nothing of the file was sent."""
    NOT_SENT = "not_sent"
    """There is nothing wrong with it, but the file was not sent."""


@dataclass(slots=True)
class Outcome:
    """One group of the file and what became of it."""

    entry: Entry
    status: Status
    version: int | None = None
    """The group's version now, where an answer says so."""
    errors: list[Located] = field(default_factory=list)
    warnings: list[Located] = field(default_factory=list)


@dataclass(slots=True)
class Applied:
    """What became of a file."""

    file: GroupsFile
    outcomes: list[Outcome]
    failure: str | None = None
    """One sentence where Kafka or a worker did not do its part."""

    def count(self, status: Status) -> int:
        """How many groups it became of."""
        return sum(outcome.status is status for outcome in self.outcomes)

    @property
    def ok(self) -> bool:
        """Whether every group is now as the file says, or, where it was only checked, could be."""
        bad = (Status.INVALID, Status.REJECTED, Status.UNANSWERED)
        return self.failure is None and not self.file.errors and not any(map(self.count, bad))


def checked(file: GroupsFile, failure: str | None = None) -> Applied:
    """A file that was read and not sent."""
    outcomes = [
        Outcome(
            entry, Status.INVALID if entry.errors else Status.NOT_SENT, None, entry.errors, entry.warnings
        )
        for entry in file.entries
    ]
    return Applied(file, outcomes, failure)


async def apply(
    file: GroupsFile,
    arguments: Mapping[str, Any],
    *,
    timeout: float,  # noqa: ASYNC109 - seconds without any answer, not for the whole
    actor: str | None = None,
    reason: str | None = None,
) -> Applied:
    """Send a file that is `ok` and wait for the answers. `arguments` are those of workers.kafka.

    Never raises for Kafka or a worker that is away: that is the result's `failure`.
    """
    said = {name: text for name, text in (("actor", actor), ("reason", reason)) if text}
    commands = [
        {"command": "put-group", "id": f"apply-{uuid.uuid4().hex}", **said, **(entry.definition or {})}
        for entry in file.entries
    ]
    try:
        async with Console(arguments) as console:
            answers = await console.ask_all(commands, timeout)
    except ConsoleError as error:
        return checked(file, str(error))
    outcomes = [outcome_of(file, entry, answer) for entry, answer in zip(file.entries, answers, strict=True)]
    unanswered = [outcome.entry.group for outcome in outcomes if outcome.status is Status.UNANSWERED]
    return Applied(file, outcomes, _no_answer(unanswered, len(outcomes), timeout) if unanswered else None)


def _no_answer(groups: Sequence[str | None], asked: int, timeout: float) -> str:
    named = ", ".join(str(group) for group in groups[:5]) + (", ..." if len(groups) > 5 else "")
    return (
        f"no answer within {timeout:g} s to {len(groups)} of {asked} commands (put-group {named}):"
        " is a worker running? They may still be carried out; applying the same file again does no harm"
    )


def outcome_of(file: GroupsFile, entry: Entry, answer: GroupCommandResult | None) -> Outcome:
    """What one answer (None: none came) says of a group of the file."""
    if answer is None:
        return Outcome(entry, Status.UNANSWERED, warnings=entry.warnings)
    errors = [file.locate(entry, problem) for problem in answer.errors]
    warnings = _once([*entry.warnings, *(file.locate(entry, problem) for problem in answer.warnings)])
    if answer.status == "rejected":
        return Outcome(entry, Status.REJECTED, None, errors, warnings)
    result = answer.result or {}
    version = result.get("version")
    status = Status.UNCHANGED
    if result.get("changed"):
        status = Status.CREATED if version == 1 else Status.CHANGED
    return Outcome(entry, status, version, errors, warnings)


def _once(found: Iterable[Located]) -> list[Located]:
    """Both sides warn of the same unknown fields."""
    return list(dict.fromkeys(found))
