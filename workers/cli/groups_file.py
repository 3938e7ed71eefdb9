"""A file of groups as operators write it: `groups:` and a list of what `put-group` takes.

All of it is checked here as the worker would check it, so that a file with a mistake is refused as a whole
and nothing is half done. Format: docs/groups.md.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from events import written
from events.commands import InvalidCommand, PutGroup, decode_command
from events.groups import Group
from events.problems import path_of
from events.record import Record
from events.suggestions import SHOWN_MAX, did_you_mean
from events.topics import GROUP_COMMANDS
from rules.problems import problems_of
from workers.cli.yaml_lines import Document, NotYamlError, read
from workers.commands.group_records import group_of
from workers.commands.group_warnings import lint_of
from workers.console import COMMAND_BYTES_MAX

GROUPS: Final = "groups"
_FREE: Final = "x-"
"""Names at the top that begin so are the writer's own, for anchors that the groups refer to."""
_ELSEWHERE: Final = PutGroup.model_fields.keys() - Group.model_fields.keys()
"""Fields of a command that are no part of a group."""
_STEP: Final = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


class AnyProblem(Protocol):
    """A problem of events, of rules or of an answer."""

    @property
    def code(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def message(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Located:
    """An error or a warning and where in the file it is."""

    code: str
    path: str
    """As `groups[3].conditions[1].value`; empty for the file as a whole."""
    line: int
    """From 1."""
    message: str


@dataclass(slots=True)
class Entry:
    """One group of the file."""

    index: int
    group: str | None
    """Its id, where it has one that can be read."""
    definition: dict[str, Any] | None = None
    """The fields of `put-group` as they are sent; None where there are errors."""
    errors: list[Located] = field(default_factory=list)
    warnings: list[Located] = field(default_factory=list)


@dataclass(slots=True)
class GroupsFile:
    """What a file says. It may be applied where `ok`."""

    document: Document
    entries: list[Entry] = field(default_factory=list)
    errors: list[Located] = field(default_factory=list)
    """Of the file as a whole; those of a group are with its entry."""
    warnings: list[Located] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there is no error anywhere."""
        return not self.errors and not any(entry.errors for entry in self.entries)

    def locate(self, entry: Entry, problem: AnyProblem) -> Located:
        """Where in the file a problem of one group is; `path` of the problem is relative to the group."""
        path = f"{GROUPS}[{entry.index}]" + (f".{problem.path}" if problem.path else "")
        return Located(problem.code, path, self.document.line_of(steps_of(path)), problem.message)


def read_groups(content: bytes) -> GroupsFile:
    """Read and check a file. Never raises for what is in it: all that is wrong is in the result."""
    try:
        document = read(content)
    except NotYamlError as exc:
        return GroupsFile(Document(None), errors=[Located("not_yaml", "", exc.line, exc.message)])
    file = GroupsFile(document)
    items = _groups(file)
    file.entries = [_entry(file, index, item) for index, item in enumerate(items)]
    for problem in document.problems:
        found = Located("yaml", path_of(problem.path), problem.line, problem.message)
        _owner(file, problem.path).append(found)
    _refuse_twice(file)
    return file


def steps_of(path: str) -> list[str | int]:
    """The way to what a path names: `conditions[1].value` as `["conditions", 1, "value"]`."""
    return [int(index) if index else name for index, name in _STEP.findall(path)]


def _owner(file: GroupsFile, path: tuple[str | int, ...]) -> list[Located]:
    match path:
        case ("groups", int(index), *_) if index < len(file.entries):
            return file.entries[index].errors
        case _:
            return file.errors


def _groups(file: GroupsFile) -> list[Any]:
    value, line_of = file.document.value, file.document.line_of
    if not isinstance(value, dict):
        message = "expected `groups:` and a list of groups below it"
        file.errors.append(Located("wrong_type", "", line_of(()), message))
        return []
    for name in value:
        if name != GROUPS and not name.startswith(_FREE):
            message = f"ignored: the field {did_you_mean(name, [GROUPS])}"
            file.warnings.append(Located("unknown_field", name[:SHOWN_MAX], line_of((name,)), message))
    items = value.get(GROUPS)
    if isinstance(items, list):
        return items
    code, message = ("wrong_type", "expected a list") if GROUPS in value else ("missing", "is required")
    file.errors.append(Located(code, GROUPS, line_of((GROUPS,)), message))
    return []


@dataclass(frozen=True, slots=True)
class _Problem:
    code: str
    path: str
    message: str


def _entry(file: GroupsFile, index: int, item: Any) -> Entry:
    entry = Entry(index, None)
    if not isinstance(item, dict):
        entry.errors.append(file.locate(entry, _Problem("wrong_type", "", "expected a group's fields")))
        return entry
    entry.warnings += (file.locate(entry, problem) for problem in _not_of_a_group(item))
    definition = {name: value for name, value in item.items() if name not in _ELSEWHERE}
    errors, warnings, entry.group = _check(definition)
    entry.errors += (file.locate(entry, problem) for problem in errors)
    entry.warnings += (file.locate(entry, problem) for problem in warnings)
    if not entry.errors:
        entry.definition = {name: value for name, value in definition.items() if name in Group.model_fields}
    return entry


def _not_of_a_group(item: Mapping[str, Any]) -> Iterable[_Problem]:
    for name in item:
        if name in _ELSEWHERE:
            hint = f" (use --{name})" if name in ("actor", "reason") else ""
            yield _Problem("unknown_field", name, f"ignored: {name} is no field of a group{hint}")


def _check(
    definition: Mapping[str, Any],
) -> tuple[Collection[AnyProblem], Collection[AnyProblem], str | None]:
    """Errors, warnings and the id of a group, as the worker finds them in the command."""
    # Escapes keep what UTF-8 cannot hold (half a surrogate pair) until it is named as an error.
    value = written.dumps({**definition, "command": "put-group"}, ascii_only=True).encode()
    now = datetime.now(UTC)
    record = Record(GROUP_COMMANDS.name, 0, 0, int(now.timestamp() * 1000), None, value)
    try:
        command = decode_command(record, now=now)
    except InvalidCommand as invalid:
        return invalid.errors, invalid.warnings, invalid.group
    assert isinstance(command, PutGroup)
    if len(value) > COMMAND_BYTES_MAX:
        message = f"is larger than one command may be ({COMMAND_BYTES_MAX:,} bytes)"
        return [_Problem("too_large", "", message)], command.warnings, command.group
    group = group_of(command.definition)
    errors = problems_of(group.conditions)
    return errors, [*command.warnings, *([] if errors else lint_of(group))], command.group


def _refuse_twice(file: GroupsFile) -> None:
    first: dict[str, Entry] = {}
    for entry in file.entries:
        if entry.group is None:
            continue
        if (before := first.setdefault(entry.group, entry)) is not entry:
            line = file.document.line_of((GROUPS, before.index, "group"))
            message = f"{entry.group!a} is given twice, first as groups[{before.index}] in line {line}"
            entry.errors.append(file.locate(entry, _Problem("given_twice", "group", message)))
            entry.definition = None
