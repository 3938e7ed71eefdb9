"""Commands as contracts.md has them: from the JSON object to plain fields, or why it is malformed."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from tests.support.model_decode import Event, flat, is_unicode
from tests.support.model_fields import (
    Number,
    Poison,
    as_id,
    identifier,
    none_or_missing,
    one_of,
    parse_time,
    text,
    truth,
    whole,
)
from tests.support.model_groups import read_fields, read_group

CLIENTS_MAX: Final = 10_000


@dataclass(frozen=True)
class Command:
    """A command that is well formed."""

    name: str
    id: str | None
    actor: str
    reason: str | None
    time: datetime
    place: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        """One of its own fields."""
        return self.fields[name]


def read_command(event: Event, now: datetime | None) -> Command:
    """Read one; `now` is the worker's clock, where one is kept. Raises Poison."""
    said = event.said
    if event.fault:
        raise Poison(event.fault)
    if not is_unicode(said) or "\0" in flat(said):
        raise Poison("a text that cannot be kept")
    name = one_of(said.get("command"), frozenset(READERS), "command")
    actor = label(said.get("actor"), "actor") or "console"
    reason = None if none_or_missing(said, "reason") is not False else text(said["reason"], "reason")
    fields = READERS[name](said)
    if name == "pin" and fields["expires_at"] is not None and now is not None and fields["expires_at"] <= now:
        raise Poison("expires_at is past")
    return Command(name, label(said.get("id"), "id"), actor, reason, event.stamp.time, event.place, fields)


def readable_id(said: Mapping[str, Any]) -> str | None:
    """The id of a malformed command, as far as it can be read."""
    try:
        found = label(said.get("id"), "id")
    except Poison:
        return None
    return found if found is not None and is_unicode(found) else None


def label(value: object, name: str) -> str | None:
    """A short text or a whole number; None where there is none."""
    if value is None or value == "":
        return None
    if isinstance(value, Number) and value.text.lstrip("-").isdigit():
        return value.text
    if not isinstance(value, str) or len(value) > 200:
        raise Poison(f"{name} is no label")
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise Poison(f"{name} holds a control character")
    return value


def _version(said: Mapping[str, Any]) -> dict[str, Any]:
    none = none_or_missing(said, "if_version") is not False
    return {"if_version": None if none else whole(said["if_version"], "if_version")}


def _put(said: Mapping[str, Any]) -> dict[str, Any]:
    return {"group": identifier(said, "group"), "definition": read_group(said), **_version(said)}


def _change(said: Mapping[str, Any]) -> dict[str, Any]:
    return {"group": identifier(said, "group"), "change": read_fields(said), **_version(said)}


def _delete(said: Mapping[str, Any]) -> dict[str, Any]:
    return {"group": identifier(said, "group"), "force": truth(said, "force") or False}


def _members(said: Mapping[str, Any]) -> dict[str, Any]:
    clients = said.get("clients")
    if not isinstance(clients, list) or not 1 <= len(clients) <= CLIENTS_MAX:
        raise Poison("clients is no list of ids")
    once = list(dict.fromkeys(as_id(client, "clients") for client in clients))
    return {"group": identifier(said, "group"), "clients": once}


def _pin(said: Mapping[str, Any]) -> dict[str, Any]:
    none = none_or_missing(said, "expires_at") is not False
    return {
        **_members(said),
        "hold": one_of(said.get("hold"), frozenset({"in", "out"}), "hold"),
        "expires_at": None if none else parse_time(said["expires_at"]),
    }


def _client_groups(said: Mapping[str, Any]) -> dict[str, Any]:
    groups = said.get("groups")
    if (
        not isinstance(groups, dict)
        or not groups
        or not all(isinstance(in_, bool) for in_ in groups.values())
    ):
        raise Poison("groups is no object of true and false")
    wanted = {as_id(group, "groups"): is_in for group, is_in in groups.items()}
    return {"client_id": identifier(said, "client_id"), "groups": wanted}


def _check(said: Mapping[str, Any]) -> dict[str, Any]:
    return {"group": identifier(said, "group")}


def _run(said: Mapping[str, Any]) -> dict[str, Any]:
    return {"run_id": identifier(said, "run_id")}


READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "put-group": _put,
    "change-group": _change,
    "delete-group": _delete,
    "add-members": _members,
    "remove-members": _members,
    "set-client-groups": _client_groups,
    "pin": _pin,
    "unpin": _members,
    "start-check": _check,
    "approve-run": _run,
    "cancel-run": _run,
    "undo-run": _run,
}
"""The commands that change something; those that only read are no matter of the model."""
