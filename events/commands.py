"""Commands of operators: one class for each, and how a record becomes one.

A command that is malformed is answered, with every error in it at once; only what is no JSON object at all is
a dead letter. A new command is one more class in `COMMANDS`.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, TypeAdapter, ValidationError

from events import written
from events.conditions import Condition
from events.decode import MAX_AHEAD
from events.fields import GroupId, Id, MaybeText, maybe_label
from events.groups import Group
from events.problems import path_of, problems, unreadable
from events.record import FieldProblem, InvalidRecord, Record
from events.suggestions import SHOWN_MAX, did_you_mean, unknown_fields
from events.wire import read_time, unwrap

CLIENTS_MAX = 10_000
"""Clients in one command; the command line splits longer lists."""
COMMAND_ID_MAX = 200
CONSOLE = "console"
"""The actor of a command that names none."""


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


class Command(BaseModel):
    """What all commands have, and where this one came from."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, use_attribute_docstrings=True)
    nested: ClassVar[Mapping[str, type[BaseModel]]] = {}

    command: str
    id: Annotated[str | None, maybe_label(COMMAND_ID_MAX)] = None
    """One that was done already is answered again and does nothing."""
    actor: Annotated[str, maybe_label(COMMAND_ID_MAX), AfterValidator(lambda value: value or CONSOLE)] = (
        CONSOLE
    )
    reason: MaybeText = None

    _cause: str = PrivateAttr(default="")
    _time: datetime = PrivateAttr(default=datetime.min.replace(tzinfo=UTC))
    _warnings: tuple[FieldProblem, ...] = PrivateAttr(default=())

    @property
    def command_id(self) -> str:
        """Its `id`, else `topic/partition/offset`."""
        return self.id or self._cause

    @property
    def cause(self) -> str:
        """`topic/partition/offset` of its record."""
        return self._cause

    @property
    def time(self) -> datetime:
        """When it was given, in UTC: `ce_time`, else the record's timestamp."""
        return self._time

    @property
    def warnings(self) -> tuple[FieldProblem, ...]:
        """What is ignored in it: fields that are not known."""
        return self._warnings


class PutGroup(Command, Group):
    """Creates a group or replaces all of it. Is a `Group` itself."""

    nested: ClassVar[Mapping[str, type[BaseModel]]] = Group.nested

    if_version: Annotated[int, Field(ge=0)] | None = None
    """Refuse unless the group has this version; 0: unless there is none."""

    @property
    def definition(self) -> Group:
        """The group alone."""
        return Group.model_construct(
            self.model_fields_set & Group.model_fields.keys(),
            **{name: getattr(self, name) for name in Group.model_fields},
        )


def _folded(clients: list[str]) -> list[str]:
    return list(dict.fromkeys(clients))


class _Members(Command):
    group: GroupId
    clients: Annotated[list[Id], Field(min_length=1, max_length=CLIENTS_MAX), AfterValidator(_folded)]
    """Each once, in the order given."""


class AddMembers(_Members):
    """Puts clients into a group by hand."""


class RemoveMembers(_Members):
    """Takes clients out of a group by hand."""


COMMANDS: Mapping[str, type[Command]] = {
    "put-group": PutGroup,
    "add-members": AddMembers,
    "remove-members": RemoveMembers,
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
    name = given.get("command")
    model = COMMANDS.get(name.lower()) if isinstance(name, str) else None
    command: Command | None = None
    if model is None:
        errors.append(_unknown_command(name))
    else:
        try:
            command = model.model_validate(given | {"command": str(name).lower()})
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
            warnings=tuple(warning for warning in warnings if _clean(warning.path)),
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


def _unstorable_text(text: str, path: tuple[str | int, ...]) -> FieldProblem:
    if "\0" in text:
        return FieldProblem("nul_in_text", path_of(path), "expected text without NUL characters")
    return FieldProblem("not_unicode", path_of(path), "expected whole characters, not half a surrogate pair")
