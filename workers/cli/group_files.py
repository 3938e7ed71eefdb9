"""One group as a file: read for `put`, written by `group --yaml`."""

from dataclasses import dataclass
from typing import Any, Final

import yaml

from events.groups import Group
from events.outputs import Problem
from events.problems import path_of
from events.results import GroupCard
from workers.cli.groups_file import steps_of
from workers.cli.output import moment, sentence
from workers.cli.yaml_lines import Document, NotYamlError, read
from workers.exits import REFUSED, CommandError

_OF_THE_CARD: Final = GroupCard.model_fields.keys() - Group.model_fields.keys()
"""What `group` tells beyond the definition, and `put` does not take."""


@dataclass(frozen=True, slots=True)
class GroupFile:
    """A file with one group."""

    name: str
    document: Document
    base: tuple[str | int, ...]
    """Where in the document the group is."""
    fields: dict[str, Any]

    def locate(self, problem: Problem) -> str:
        """What an answer says of the group, with the line of the file before it."""
        line = self.document.line_of((*self.base, *steps_of(problem.path)))
        return f"{self.name}:{line}: {sentence(problem)}"


def read_group(content: bytes, name: str) -> GroupFile:
    """Read YAML or JSON: a group, a `put-group` command, or the answer that `group --json` printed.

    Only its form is checked: of the group itself the worker judges. Raises CommandError (REFUSED).
    """
    return _one(_document(content, name), name)


def read_some(content: bytes, name: str) -> list[GroupFile]:
    """As `read_group`, or a list of groups as `apply` reads it."""
    document = _document(content, name)
    groups = document.value.get("groups") if isinstance(document.value, dict) else None
    if not isinstance(groups, list):
        return [_one(document, name)]
    found = []
    for place, fields in enumerate(groups):
        base = ("groups", place)
        if not isinstance(fields, dict):
            line = document.line_of(base)
            raise CommandError(f"{name}:{line}: {path_of(base)}: expected a group's fields", REFUSED)
        found.append(GroupFile(name, document, base, fields))
    return found


def _document(content: bytes, name: str) -> Document:
    try:
        document = read(content)
    except NotYamlError as error:
        raise CommandError(f"{name}:{error.line}: {error.message}", REFUSED) from error
    if document.problems:
        lines = [f"{name}:{each.line}: {path_of(each.path)}: {each.message}" for each in document.problems]
        raise CommandError("\n".join(lines), REFUSED)
    return document


def _one(document: Document, name: str) -> GroupFile:
    value = document.value
    base: tuple[str, ...] = ()
    wrong: str | None = None
    if not isinstance(value, dict):
        wrong = "expected one group, an object"
    elif isinstance(value.get("groups"), list):
        wrong = "expected one group; `client-groups apply` takes a list of them"
    elif value.get("command") == "show-group" and isinstance(value.get("result"), dict):
        value, base = value["result"], ("result",)
    elif value.get("command", "put-group") != "put-group":
        wrong = "expected a group or a put-group command, not another command"
    if wrong is not None:
        raise CommandError(f"{name}:{document.line_of(())}: {wrong}", REFUSED)
    fields = {field: given for field, given in value.items() if field not in _OF_THE_CARD}
    return GroupFile(name, document, base, fields)


def as_written(card: GroupCard) -> str:
    """The definition of a group as YAML that `put` takes; its version stands in a comment."""
    fields = card.model_dump(mode="json", include=set(Group.model_fields))
    body = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=110)
    return f"# version {card.version} of {moment(card.updated_at)}\n{body}"
