"""Commands that define groups: put, change, delete."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from events.base import Command
from events.conditions import Condition
from events.fields import GroupId
from events.groups import (
    AutoAssignment,
    Conditions,
    Description,
    Group,
    HoldLeavesOver,
    Name,
    Rates,
    Schedule,
    Switch,
)
from events.kinds import none_is
from events.problems import problems
from events.record import FieldProblem

IfVersion = Annotated[Annotated[int, Field(ge=0)] | None, none_is(None)]


class InvalidChange(Exception):  # noqa: N818 - named as InvalidCommand is
    """A change that is right by itself and would make a group that is wrong; `errors` has all that is."""

    def __init__(self, errors: tuple[FieldProblem, ...]) -> None:
        super().__init__("; ".join(f"{error.path}: {error.message}" for error in errors))
        self.errors = errors


class PutGroup(Command, Group):
    """Creates a group or replaces all of it. Is a `Group` itself."""

    nested: ClassVar[Mapping[str, type[BaseModel]]] = Group.nested

    if_version: IfVersion = None
    """Refuse unless the group has this version; 0: unless there is none."""

    @property
    def definition(self) -> Group:
        """The group alone."""
        return Group.model_construct(
            self.model_fields_set & Group.model_fields.keys(),
            **{name: getattr(self, name) for name in Group.model_fields},
        )


def _as_it_was(schema: dict[str, Any]) -> None:
    """In a change, a field that is missing has no default to be told of."""
    for name, field in schema["properties"].items():
        if name not in Command.model_fields:
            field.pop("default", None)


class HoldLeavesOverChange(HoldLeavesOver):
    """What is missing stays as it was; 10 percent and 100 where runs were never held."""

    model_config = ConfigDict(json_schema_extra=_as_it_was)


class AutoAssignmentChange(AutoAssignment):
    """What is missing stays as it was."""

    model_config = ConfigDict(json_schema_extra=_as_it_was)
    nested: ClassVar[Mapping[str, type[BaseModel]]] = {"hold_leaves_over": HoldLeavesOverChange}

    schedule: Schedule = None
    """Cron, five fields. Whether there must be one is seen when it is applied."""
    hold_leaves_over: Annotated[HoldLeavesOverChange | None, none_is(None)] = None
    """None: a run is never held."""

    def applied_to(self, before: AutoAssignment) -> AutoAssignment:
        """`before` with the fields that are given here. Raises ValidationError where the whole is wrong."""
        # A list of names and not model_dump: the parts are checked already, and kept as they are.
        fields = {name: getattr(before, name) for name in AutoAssignment.model_fields} | _given(self)
        if self.hold_leaves_over is not None:
            held = before.hold_leaves_over or HoldLeavesOver()
            fields["hold_leaves_over"] = held.model_copy(update=_given(self.hold_leaves_over))
        return AutoAssignment.model_validate(fields)


class ChangeGroup(Command):
    """Changes some fields of a group; what is missing stays as it was, `null` and `""` give the default.

    `auto_assignment` is changed field by field, `currency_rates` and `conditions` are replaced as a whole.
    """

    model_config = ConfigDict(json_schema_extra=_as_it_was)
    nested: ClassVar[Mapping[str, type[BaseModel]]] = {
        "auto_assignment": AutoAssignmentChange,
        "conditions": Condition,
    }

    group: GroupId
    name: Name = ""
    description: Description = ""
    currency_rates: Rates = Field(default_factory=dict)
    """Exact decimals as text, by pair of ISO 4217 currencies."""
    allow_service_suspension: Switch = False
    allow_service_deletion: Switch = False
    ignore_service_limit: Switch = False
    auto_assignment: Annotated[AutoAssignmentChange | None, none_is(None)] = None
    """None: all of it as by default, that is off."""
    conditions: Conditions = Field(default_factory=list)
    if_version: IfVersion = None
    """Refuse unless the group has this version."""

    def applied_to(self, group: Group) -> Group:
        """The group as it shall be; equal to `group` where nothing changes.

        `group` is the one of the same id as it was put, with `upon_change` None where nobody set it. Raises
        InvalidChange where the result would be wrong as a whole (a schedule is missing).
        """
        fields = {name: getattr(group, name) for name in Group.model_fields}
        given = {name: value for name, value in _given(self).items() if name in Group.model_fields}
        if "auto_assignment" in given:
            given["auto_assignment"] = self._automatic(group)
        # The fields left alone are not checked again: a time zone may have been abolished since.
        return Group.model_construct(**fields | given)

    def _automatic(self, group: Group) -> AutoAssignment:
        if self.auto_assignment is None:
            return AutoAssignment()
        try:
            return self.auto_assignment.applied_to(group.auto_assignment)
        except ValidationError as exc:
            raise InvalidChange(
                tuple(
                    FieldProblem(found.code, f"auto_assignment.{found.path}", found.message)
                    for found in problems(exc)
                )
            ) from exc


def _given(model: BaseModel) -> dict[str, Any]:
    return {name: getattr(model, name) for name in model.model_fields_set}


class DeleteGroup(Command):
    """Deletes a group: its members leave, its conditions and pins go."""

    group: GroupId
    force: Switch = False
    """Also while something refers to it."""
