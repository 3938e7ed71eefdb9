"""What commands do: contracts.md, *Membership, exactly* and *Commands*."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from tests.support.model_commands import Command
from tests.support.model_condition_fields import named
from tests.support.model_fields import Poison
from tests.support.model_groups import Definition, changed
from tests.support.model_state import Client, Group, Membership, Pin

if TYPE_CHECKING:
    from tests.support.model import Model

Result = tuple[dict[str, Any] | None, int]
"""What is answered (None where a run goes on), and how much of what was named is passed over as pinned."""


AT_ONCE: Final = 1_000
"""Clients; what touches more goes on as a run."""


def carry_out(model: Model, command: Command) -> Result:
    """Do it. Raises Poison where it is rejected; nothing is changed then."""
    return ORDERS[command.name](model, command)


# --- groups ----------------------------------------------------------------------------------


def _put_group(model: Model, command: Command) -> Result:
    return _store(model, command, command["definition"])


def _change_group(model: Model, command: Command) -> Result:
    known = _group(model, command["group"])
    return _store(model, command, changed(known.definition, command["change"]))


def _store(model: Model, command: Command, definition: Definition) -> Result:
    name = command["group"]
    known = model.groups.get(name)
    version = 0 if known is None else known.version
    if name in model.deleting:
        raise Poison(f"{name} is being deleted")
    if command["if_version"] not in {None, version}:
        raise Poison(f"the version is {version}")
    _refuse_what_nobody_offers(model, definition["conditions"], [] if known is None else known.conditions)
    if known is not None and known.is_as(definition):
        return {"version": version, "changed": False}, 0
    version = (model.deleted_groups.pop(name, 0) if known is None else version) + 1
    model.groups[name] = Group(definition, version, command.actor)
    if known is not None and _checked_as(known.definition) != _checked_as(definition):
        model.runs.drop(name, checks_only=True)
    return {"version": version, "changed": True}, 0


def _checked_as(definition: Definition) -> tuple[object, ...]:
    """What a check goes by."""
    auto = definition["auto_assignment"]
    return definition["conditions"], auto["exclude"], auto["keep_manual"]


def _refuse_what_nobody_offers(
    model: Model, conditions: list[dict[str, Any]], before: list[dict[str, Any]]
) -> None:
    """C5, C6: only active providers, only what one of them offers; what was there before may stay."""
    active = {name: said for name, (_, said) in model.providers.items() if said["active"]}
    offered = {method for said in active.values() for method in said["authorization_methods"]}
    for kind, there_are in (("provider", set(active)), ("authorization_method", offered)):
        if missing := named(conditions, kind) - there_are - named(before, kind):
            raise Poison(f"{kind}: {missing}")


def _delete_group(model: Model, command: Command) -> Result:
    name = command["group"]
    group = _group(model, name)
    if not command["force"] and model.used_by(name):
        raise Poison(f"{name} is used")
    model.runs.drop(name, checks_only=False)
    tied = [client for client in model.clients.values() if client.is_tied_to(name)]
    if len(tied) > AT_ONCE:
        model.runs.begin(command.place, "delete", [name])
        model.deleting[name] = model.groups.pop(name)
        return None, 0
    left = 0
    for _, client in sorted(model.clients.items()):
        left += client.source(name) is not None
        with model.account.of(client, name, "group_deleted", command.place):
            client.pins.pop(name, None)
            client.groups.pop(name, None)
    del model.groups[name]
    model.deleted_groups[name] = group.version
    return {"left": left}, 0


def _group(model: Model, name: str) -> Group:
    if name not in model.groups:
        raise Poison(f"no group {name}")
    return model.groups[name]


# --- members ---------------------------------------------------------------------------------


def _by_hand(model: Model, command: Command) -> Result:
    """add-members, remove-members, set-client-groups."""
    if command.name == "set-client-groups":
        named_so = [(command["client_id"], group, is_in) for group, is_in in command["groups"].items()]
    else:
        is_in = command.name == "add-members"
        named_so = [(client, command["group"], is_in) for client in command["clients"]]
    for _, group, _ in named_so:
        _group(model, group)
    wanted = [(model.client(client), group, is_in) for client, group, is_in in named_so]
    free = [(client, group, is_in) for client, group, is_in in wanted if group not in client.pins]
    if not free:
        raise Poison("all that is named is pinned")
    moved = 0
    for client, group, is_in in free:
        if not client.was_deleted_after(command.time):
            before = client.source(group)
            with model.account.of(client, group, "manual", command.place):
                (_add if is_in else _remove)(client, group, command)
            moved += client.source(group) != before
    return {"changed": moved}, len(wanted) - len(free)


def _add(client: Client, group: str, command: Command) -> None:
    known = client.groups.get(group)
    if known is None or known.by_hand_at is None or command.time > known.by_hand_at:
        client.groups[group] = Membership("manual", command.time)


def _remove(client: Client, group: str, command: Command) -> None:
    client.groups.pop(group, None)


# --- pins ------------------------------------------------------------------------------------


def _pin(model: Model, command: Command) -> Result:
    pin = Pin(
        command["hold"],
        command.time,
        command["expires_at"],
        command.place,
        command.actor,
        command.reason,
    )

    def lay_over(client: Client, group: str) -> None:
        client.pins[group] = pin

    return _each(model, command, lay_over)


def _unpin(model: Model, command: Command) -> Result:
    return _each(model, command, model.take_pin_away)


def _each(model: Model, command: Command, do: Callable[[Client, str], None]) -> Result:
    group = command["group"]
    _group(model, group)
    moved = 0
    for client in map(model.client, command["clients"]):
        if not client.was_deleted_after(command.time):
            before = client.source(group)
            with model.account.of(client, group, "pin", command.place):
                do(client, group)
            moved += client.source(group) != before
    return {"changed": moved}, 0


# --- runs ------------------------------------------------------------------------------------


def _start_check(model: Model, command: Command) -> Result:
    group = command["group"]
    _group(model, group)
    if model.runs.is_going(group):
        raise Poison(f"a run of {group} is going")
    model.runs.begin(command.place, "forced", [group])
    return None, 0


def _approve(model: Model, command: Command) -> Result:
    model.runs.approve(command["run_id"])
    return None, 0


def _cancel(model: Model, command: Command) -> Result:
    model.runs.cancel(command["run_id"])
    return {"run_id": command["run_id"], "state": "cancelled"}, 0


def _undo(model: Model, command: Command) -> Result:
    model.runs.undo(command["run_id"], command.place)
    return None, 0


ORDERS: Final[Mapping[str, Callable[[Model, Command], Result]]] = {
    "put-group": _put_group,
    "change-group": _change_group,
    "delete-group": _delete_group,
    "add-members": _by_hand,
    "remove-members": _by_hand,
    "set-client-groups": _by_hand,
    "pin": _pin,
    "unpin": _unpin,
    "start-check": _start_check,
    "approve-run": _approve,
    "cancel-run": _cancel,
    "undo-run": _undo,
}
