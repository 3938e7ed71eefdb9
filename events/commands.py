"""Commands of operators: the list of them, and how a record becomes one.

A command that is malformed is answered, with every error in it at once; only what is no JSON object at all is
a dead letter. A new command is one more class in `COMMANDS`.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from events import written
from events.base import COMMAND_ID_MAX, CONSOLE, Command
from events.conditions import Condition
from events.decode import MAX_AHEAD
from events.fields import GroupId, maybe_label
from events.group_commands import ChangeGroup, DeleteGroup, InvalidChange, PutGroup
from events.membership_commands import AddMembers, Pin, RemoveMembers, SetClientGroups, Unpin
from events.problems import path_of, problems, unreadable
from events.reading_commands import (
    Explain,
    GroupHistory,
    History,
    ListGroups,
    ListMembers,
    ListRuns,
    Paged,
    ShowClient,
    ShowGroup,
    ShowRun,
)
from events.record import FieldProblem, InvalidRecord, Record
from events.run_commands import ApproveRun, CancelRun, Preview, RefreshGeoip, StartCheck, UndoRun
from events.suggestions import SHOWN_MAX, did_you_mean, unknown_fields
from events.upkeep_commands import ReplayDeadLetters, Snapshot
from events.wire import read_time, unwrap

__all__ = [
    "COMMANDS",
    "AddMembers",
    "ApproveRun",
    "CancelRun",
    "ChangeGroup",
    "Command",
    "DeleteGroup",
    "Explain",
    "GroupHistory",
    "History",
    "InvalidChange",
    "InvalidCommand",
    "ListGroups",
    "ListMembers",
    "ListRuns",
    "Paged",
    "Pin",
    "Preview",
    "PutGroup",
    "RefreshGeoip",
    "RemoveMembers",
    "ReplayDeadLetters",
    "SetClientGroups",
    "ShowClient",
    "ShowGroup",
    "ShowRun",
    "Snapshot",
    "StartCheck",
    "UndoRun",
    "Unpin",
    "decode_command",
]


class InvalidCommand(Exception):  # noqa: N818 - named as InvalidRecord is
    """A command to be answered `rejected`. What could be read of it is given, the rest is None."""

    def __init__(
        self,
        errors: tuple[FieldProblem, ...],
        *,
        cause: str,
        time: datetime,
        command: str | None = None,
        id: str | None = None,  # noqa: A002 - the field's name on the wire
        group: str | None = None,
        actor: str = CONSOLE,
        warnings: tuple[FieldProblem, ...] = (),
        conditions: tuple[tuple[int, Condition], ...] = (),
    ) -> None:
        super().__init__("; ".join(f"{error.path or 'command'}: {error.message}" for error in errors))
        self.errors = errors
        self.cause = cause
        self.time = time
        self.command = command
        self.id = id
        self.group = group
        self.actor = actor
        self.warnings = warnings
        self.conditions = conditions
        """The conditions that can be read, with their places: the rules may find more errors in them."""

    @property
    def command_id(self) -> str:
        """Its `id`, else `topic/partition/offset`."""
        return self.id or self.cause


COMMANDS: Mapping[str, type[Command]] = {
    "put-group": PutGroup,
    "change-group": ChangeGroup,
    "delete-group": DeleteGroup,
    "add-members": AddMembers,
    "remove-members": RemoveMembers,
    "set-client-groups": SetClientGroups,
    "pin": Pin,
    "unpin": Unpin,
    "start-check": StartCheck,
    "approve-run": ApproveRun,
    "cancel-run": CancelRun,
    "undo-run": UndoRun,
    "refresh-geoip": RefreshGeoip,
    "preview": Preview,
    "list-groups": ListGroups,
    "show-group": ShowGroup,
    "list-members": ListMembers,
    "show-client": ShowClient,
    "history": History,
    "explain": Explain,
    "group-history": GroupHistory,
    "list-runs": ListRuns,
    "show-run": ShowRun,
    "replay-dead-letters": ReplayDeadLetters,
    "snapshot": Snapshot,
}
_LABEL = TypeAdapter[str | None](Annotated[str | None, maybe_label(COMMAND_ID_MAX)])
_GROUP = TypeAdapter[str](GroupId)


def decode_command(record: Record, *, now: datetime, max_ahead: timedelta = MAX_AHEAD) -> Command:
    """Read one record of group-commands.

    Raises InvalidRecord where the value is no JSON object (a dead letter), InvalidCommand for a command to be
    answered `rejected`.
    """
    value, envelope_time = unwrap(record)
    try:
        given = written.loads(value)
    except (ValueError, RecursionError) as exc:
        raise unreadable(value) from exc
    if not isinstance(given, dict):
        raise InvalidRecord("wrong_type", "expected a JSON object")

    errors = _unstorable(given)
    if errors:
        given = _without_unstorable_names(given)
    name = given.get("command")
    model = COMMANDS.get(name.lower()) if isinstance(name, str) else None
    command: Command | None = None
    if model is None:
        errors.append(_unknown_command(name))
    else:
        try:
            command = model.model_validate(given | {"command": str(name).lower()}, context={"now": now})
        except ValidationError as exc:
            said = {error.path for error in errors}
            errors += (problem for problem in problems(exc) if problem.path not in said)
    time, late = _time(record, envelope_time, now + max_ahead)
    errors += late
    warnings = tuple(unknown_fields(model, given)) if model else ()
    if errors or command is None:
        raise InvalidCommand(
            tuple(errors),
            cause=record.cause,
            time=time,
            command=str(name)[:SHOWN_MAX] if isinstance(name, str) and _clean(name) else None,
            id=_readable(_LABEL, given.get("id")),
            group=_readable(_GROUP, given.get("group")),
            actor=_readable(_LABEL, given.get("actor")) or CONSOLE,
            warnings=warnings,
            conditions=tuple(_readable_conditions(given.get("conditions"))),
        )
    command._cause, command._time, command._warnings = record.cause, time, warnings  # noqa: SLF001
    return command


def _unknown_command(name: object) -> FieldProblem:
    known = ", ".join(COMMANDS)
    if name is None:
        return FieldProblem("missing", "command", f"is required; expected one of {known}")
    if not isinstance(name, str):
        return FieldProblem("wrong_type", "command", f"expected one of {known}")
    return FieldProblem(
        "unknown_command", "command", f"the command {did_you_mean(name, COMMANDS)}; expected one of {known}"
    )


def _time(record: Record, envelope_time: object, latest: datetime) -> tuple[datetime, list[FieldProblem]]:
    try:
        time = read_time(record, envelope_time)
    except InvalidRecord as exc:
        return latest, [FieldProblem(exc.code, "ce_time", exc.message.removeprefix("ce_time: "))]
    if time > latest:
        return latest, [FieldProblem("in_the_future", "ce_time", "is too far ahead of the worker's clock")]
    return time, []


def _readable(kind: TypeAdapter[Any], value: object) -> str | None:
    """A field of a malformed command as far as it can be stored and shown again."""
    try:
        text: str | None = kind.validate_python(value)
    except ValidationError:
        return None
    return text if text is not None and _clean(text) else None


def _readable_conditions(given: object) -> Iterator[tuple[int, Condition]]:
    for place, each in enumerate(given if isinstance(given, list) else ()):
        with suppress(ValidationError):
            yield place, Condition.model_validate(each)


def _clean(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _unstorable(value: object, path: tuple[str | int, ...] = ()) -> list[FieldProblem]:
    """Texts that PostgreSQL cannot hold: NUL, and half of a surrogate pair."""
    if isinstance(value, str):
        return [] if _clean(value) else [_unstorable_text(value, path)]
    found: list[FieldProblem] = []
    if isinstance(value, dict):
        for name, item in value.items():
            if _clean(name):
                found += _unstorable(item, (*path, name[:SHOWN_MAX]))
            else:
                found.append(_unstorable_text(name, path))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += _unstorable(item, (*path, index))
    return found


def _without_unstorable_names(value: Any) -> Any:
    """They are said to be wrong, and must not come up again in the path of a problem or a warning."""
    if isinstance(value, dict):
        return {name: _without_unstorable_names(item) for name, item in value.items() if _clean(name)}
    return list(map(_without_unstorable_names, value)) if isinstance(value, list) else value


def _unstorable_text(text: str, path: tuple[str | int, ...]) -> FieldProblem:
    if "\0" in text:
        return FieldProblem("nul_in_text", path_of(path), "expected text without NUL characters")
    return FieldProblem("not_unicode", path_of(path), "expected whole characters, not half a surrogate pair")
