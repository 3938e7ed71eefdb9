"""What the model's state looks like to who reads it: client-memberships, client-groups, reading commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.support.model import Model
from tests.support.model_conditions import verdict_of_group
from tests.support.model_groups import in_force
from tests.support.model_net import Expected, net


class Ledger:
    """The versions of clients, counted transaction by transaction."""

    def __init__(self, model: Model) -> None:
        """From the model's first move on."""
        self._model = model
        self.versions: Counter[str] = Counter()
        """Client -> how many joins and leaves it has had."""

    def close(self) -> tuple[list[Expected], set[str]]:
        """End a transaction: its net changes, and the clients of whom client-memberships comes again.

        These are also clients of whom only a source changed.
        """
        moves = self._model.close()
        changes = list(net(moves))
        self.versions.update(change.client for change in changes)
        first: dict[tuple[str, str], str | None] = {}
        last: dict[tuple[str, str], str | None] = {}
        for move in moves:
            first.setdefault((move.client, move.group), move.was)
            last[move.client, move.group] = None if move.what == "left" else move.source
        return changes, {client for (client, group), was in first.items() if last[client, group] != was}


def client_memberships(model: Model, versions: Mapping[str, int]) -> dict[str, tuple[int, dict[str, str]]]:
    """By client the version and the source in each group, of those that are in any.

    Of another a record without groups says as much as none, but for `deleted`.
    """
    return {
        name: (versions[name], groups)
        for name, client in sorted(model.clients.items())
        if (groups := client.in_force())
    }


def deleted(model: Model) -> set[str]:
    """The clients of whom a tombstone stands: deleted, not registered anew, and in no group."""
    return {
        name
        for name, client in model.clients.items()
        if client.registered_at is None and client.deleted_at is not None and not client.in_force()
    }


def client_groups(model: Model) -> dict[str, dict[str, Any]]:
    """By group what client-groups says of it, but for `updated_at`."""
    return {name: client_group(model, name) for name in sorted(model.groups)}


def client_group(model: Model, name: str) -> dict[str, Any]:
    """One of them."""
    group = model.groups[name]
    shown = in_force(group.definition)
    held = shown["auto_assignment"]["hold_leaves_over"]
    if held is not None:
        held = {"percent": float(held["percent"]), "count": held["count"]}
    references = [
        {"kind": kind, "ref_id": ref_id, **({} if title is None else {"title": title})}
        for kind, ref_id, title in model.used_by(name)
    ]
    return {
        **shown,
        "auto_assignment": {**shown["auto_assignment"], "hold_leaves_over": held},
        "version": group.version,
        "updated_by": group.updated_by,
        "used_by": references,
    }


def members(model: Model, group: str) -> list[str]:
    """What list-members gives, and how many show-group counts."""
    return [name for name, client in sorted(model.clients.items()) if client.source(group) is not None]


def unknown(model: Model, group: str) -> int:
    """For how many registered clients show-group cannot say whether they match."""
    conditions = model.groups[group].conditions
    return sum(
        client.registered_at is not None and verdict_of_group(conditions, model.facts(client)) is None
        for client in model.clients.values()
    )
