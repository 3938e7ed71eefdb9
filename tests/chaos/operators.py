"""Commands that operators give while events come in, but for those that follow one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from tests.chaos.groups import BY_HAND, MOVING, moving_group

Command = dict[str, Any]
Pick = Callable[[], str | int]
"""Picks a client."""

TOUCHED: Final = [group["group"] for group in BY_HAND] + MOVING


def put_group(rng: Random, _: Pick) -> Command:
    """New rules."""
    return {"command": "put-group", **moving_group(rng.choice(MOVING), rng)}


def change_group(rng: Random, _: Pick) -> Command:
    """Some fields of a group."""
    group = moving_group(rng.choice(MOVING), rng)
    kept = {name: group[name] for name in ("auto_assignment", "conditions") if rng.random() < 0.6}
    return {"command": "change-group", "group": group["group"], **kept}


def delete_group(rng: Random, _: Pick) -> Command:
    """Until it is put again, nobody is in it."""
    return {"command": "delete-group", "group": rng.choice(MOVING), "force": rng.random() < 0.7}


def pin(rng: Random, pick: Pick) -> Command:
    """Clients held in or out for good, or until it is taken back."""
    said: Command = {"group": rng.choice(TOUCHED), "clients": [pick() for _ in range(rng.randint(1, 5))]}
    if rng.random() < 0.4:
        return {"command": "unpin", **said}
    return {"command": "pin", **said, "hold": rng.choice(["in", "out", "IN"])}


def client_groups(rng: Random, pick: Pick) -> Command:
    """From the client's side."""
    groups = {name: rng.random() < 0.6 for name in rng.sample(TOUCHED, 3)}
    return {"command": "set-client-groups", "client_id": pick(), "groups": groups}


def start_check(rng: Random, _: Pick) -> Command:
    """All clients against a group."""
    return {"command": "start-check", "group": rng.choice([*TOUCHED, *MOVING, "s-mixed", "no-such-group"])}


OPERATORS: Final[Mapping[str, Callable[[Random, Pick], Command]]] = {
    "put_group": put_group,
    "change_group": change_group,
    "delete_group": delete_group,
    "pin": pin,
    "client_groups": client_groups,
    "start_check": start_check,
}
