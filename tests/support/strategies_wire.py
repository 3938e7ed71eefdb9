"""Hypothesis strategies for what comes in over Kafka: few clients, groups and times, so that they meet.

A record is (topic, body), made from one number: so an example can be long, all of it is equally likely, and
what made a test fail is made shorter record by record. Times are minutes from now, below zero for the
past; `on_the_wire` puts times in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from hypothesis import strategies as st

Said = tuple[str, dict[str, Any]]
Make = Callable[[Random], Said]

AHEAD: Final = 6
"""Minutes: later than the clock allows, such records are dead letters or rejected."""
TIMES: Final = frozenset({"registered_at", "changed_at", "deleted_at", "completed_at", "expires_at"})
MINUTES: Final = (0, 0, 0, 0, 0, 0, 0, 1, 1, 2, -1, -1, -2, -4, AHEAD)
CLIENTS: Final = ("c1", "c2")
GROUPS: Final = ("g1", "g2")
PROVIDERS: Final = ("p1", "p2")
COUNTRIES: Final = ("DE", "FR", "us")
AUTHORIZATION_METHODS: Final = ("google", "Phone")
PAYER_STATUSES: Final = ("legal_entity", "individual")
VERIFICATION_METHODS: Final = ("email", "phone")
COMMAND_IDS: Final = ("once", "twice")
PARAMETERS: Final[tuple[Any, ...]] = ({}, {"fromsite": True}, {"fromsite": "10", "plan": 2}, None)
RATES: Final[tuple[dict[str, Any], ...]] = ({}, {"eur/usd": "1.08"}, {"EUR/USD": "1.08"}, {"EUR/GBP": 0.85})
VALUES: Final = {
    "country": COUNTRIES,
    "geoip_country": ("DE", "FR"),
    "payer_status": PAYER_STATUSES,
    "provider": PROVIDERS,
    "authorization_method": AUTHORIZATION_METHODS,
    "verification_status": ("passed", "failed"),
    "verification_method": VERIFICATION_METHODS,
}
OF_A_PARAMETER: Final = (
    ("is_set", None),
    ("is_not_set", None),
    ("equals", True),
    ("greater_than", 9),
    ("matches", "^t"),
)


def on_the_wire(body: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The body with times in place of minutes; equal ones often, as they are counted from a whole minute."""
    return {
        name: (from_now(value, now).isoformat() if name in TIMES and value is not None else value)
        for name, value in body.items()
    }


def from_now(minutes: int, now: datetime) -> datetime:
    """The time so many minutes from the minute that it is."""
    return now.replace(second=0, microsecond=0) + timedelta(minutes=minutes)


def some(rng: Random, likely: float, **makers: Callable[[], Any]) -> dict[str, Any]:
    """Some of these fields."""
    return {name: make() for name, make in makers.items() if rng.random() < likely}


# ---- events
def _fields(rng: Random) -> dict[str, Any]:
    return some(
        rng,
        0.3,
        ip=lambda: rng.choice(("192.0.2.1", "198.51.100.1", "10.0.0.1", None)),
        provider_id=lambda: rng.choice((*PROVIDERS, "")),
        authorization_method=lambda: rng.choice((*AUTHORIZATION_METHODS, None)),
    ) | some(rng, 0.8, country=lambda: rng.choice((*COUNTRIES, *COUNTRIES, None)))


def registered(rng: Random) -> Said:
    """client-registered."""
    said = {"client_id": rng.choice(CLIENTS), "registered_at": rng.choice(MINUTES), **_fields(rng)}
    return "client-registered", said | some(rng, 0.5, request_parameters=lambda: rng.choice(PARAMETERS))


def changed(rng: Random) -> Said:
    """client-changed."""
    said = {"client_id": rng.choice(CLIENTS), "changed_at": rng.choice(MINUTES)}
    return "client-changed", said | _fields(rng)


def deleted(rng: Random) -> Said:
    """client-deleted."""
    return "client-deleted", {
        "client_id": rng.choice(CLIENTS),
        "deleted_at": rng.choice((-4, -2, -1, -1, 0, 1)),
    }


def payer(rng: Random) -> Said:
    """payer-changed."""
    said = {"client_id": rng.choice(CLIENTS), "payer_id": rng.choice(("1", 2))}
    said |= {"changed_at": rng.choice(MINUTES), "status": rng.choice(PAYER_STATUSES)}
    flags = some(rng, 0.4, active=lambda: rng.random() < 0.5, deleted=lambda: rng.random() < 0.5)
    return "payer-changed", said | flags


def verification(rng: Random) -> Said:
    """verification-completed."""
    said = {"client_id": rng.choice(CLIENTS), "completed_at": rng.choice(MINUTES)}
    said |= {"method": rng.choice(VERIFICATION_METHODS)}
    return "verification-completed", {**said, "result": rng.choice(("passed", "passed", "failed", "revoked"))}


def provider(rng: Random) -> Said:
    """provider-changed."""
    methods = rng.sample(AUTHORIZATION_METHODS, rng.choice((1, 2, 2)))
    said = {"provider_id": rng.choice(PROVIDERS), "changed_at": rng.choice(MINUTES), "name": "A provider"}
    return "provider-changed", {**said, "active": rng.random() < 0.7, "authorization_methods": methods}


def usage(rng: Random) -> Said:
    """group-usage-changed."""
    said = {"group": rng.choice(GROUPS), "changed_at": rng.choice(MINUTES)}
    said |= {"kind": rng.choice(("tariff", "promotion")), "ref_id": rng.choice(("1", 2))}
    more = some(rng, 0.5, title=lambda: rng.choice(("A tariff", None)))
    return "group-usage-changed", {**said, **more, "used": rng.random() < 0.4}


# ---- groups
def condition(rng: Random) -> dict[str, Any]:
    """One condition; mostly on the country, so that a change of country often decides."""
    kind = rng.choice((*["country"] * 8, "request_parameter", *VALUES))
    made: dict[str, Any] = {"condition_group": rng.choice((1, 1, 2)), "type": kind}
    if kind == "request_parameter":
        comparison, value = rng.choice(OF_A_PARAMETER)
        return made | {"parameter": "fromsite", "comparison": comparison, "value": value}
    made["comparison"] = rng.choice(("equals", "equals", "not_equals", "one_of", "none_of"))
    values = VALUES[kind]
    listed = made["comparison"].endswith("_of")
    made["value"] = rng.sample(values, rng.choice((1, 2))) if listed else rng.choice(values)
    if kind == "payer_status" and rng.random() < 0.5:
        made["include_inactive"] = True
    return made


def _conditions(rng: Random) -> list[dict[str, Any]]:
    return [condition(rng) for _ in range(rng.choice((0, 1, 1, 1, 1, 2)))]


def _hold(rng: Random) -> dict[str, Any] | None:
    if rng.random() < 0.3:
        return None
    return some(rng, 0.5, percent=lambda: rng.choice((0, 2.5, 100)), count=lambda: rng.choice((0, 7, None)))


def _auto(rng: Random, likely: float) -> dict[str, Any]:
    often = some(
        rng,
        likely,
        upon_registration=lambda: rng.random() < 0.8,
        upon_change=lambda: rng.choice((True, True, True, False, None)),
        exclude=lambda: rng.random() < 0.7,
    )
    return often | some(
        rng,
        0.2,
        periodic=lambda: rng.random() < 0.4,
        schedule=lambda: rng.choice(("0 3 * * *", "*/5  * * * 1", None)),
        timezone=lambda: rng.choice(("Europe/Berlin", None)),
        keep_manual=lambda: rng.random() < 0.5,
        hold_leaves_over=lambda: _hold(rng),
    )


def _plain(rng: Random) -> dict[str, Any]:
    return some(
        rng,
        0.2,
        description=lambda: rng.choice(("", "Some", None)),
        currency_rates=lambda: rng.choice(RATES),
        allow_service_suspension=lambda: rng.random() < 0.5,
        if_version=lambda: rng.choice((0, 1, 2)),
    )


# ---- commands
def _command(rng: Random, command: str, **fields: Any) -> Said:
    more = some(
        rng, 0.3, actor=lambda: rng.choice(("olga", "", None)), reason=lambda: rng.choice(("asked for", None))
    )
    by_id = some(rng, 0.08, id=lambda: rng.choice(COMMAND_IDS))
    return "group-commands", {"command": command, **fields, **more, **by_id}


def put_group(rng: Random, group: str | None = None) -> Said:
    """One group, or the one that is named."""
    auto, name = _auto(rng, 0.95), rng.choice(("A group", "Another"))
    fields = {"name": name, "auto_assignment": auto, "conditions": _conditions(rng), **_plain(rng)}
    return _command(rng, "put-group", group=group or rng.choice(GROUPS), **fields)


def change_group(rng: Random) -> Said:
    """Some of its fields."""
    fields = some(
        rng,
        0.5,
        name=lambda: rng.choice(("A group", "Another")),
        auto_assignment=lambda: rng.choice((None, *[_auto(rng, 0.4)] * 5)),
        conditions=lambda: _conditions(rng),
    )
    return _command(rng, "change-group", group=rng.choice(GROUPS), **fields, **_plain(rng))


def delete_group(rng: Random) -> Said:
    """It may be used."""
    return _command(rng, "delete-group", group=rng.choice(GROUPS), force=rng.random() < 0.7)


def _members(rng: Random) -> dict[str, Any]:
    clients = [rng.choice(CLIENTS) for _ in range(rng.choice((1, 1, 2)))]
    return {"group": "nobody" if rng.random() < 0.03 else rng.choice(GROUPS), "clients": clients}


def by_hand(rng: Random) -> Said:
    """From either side."""
    if rng.random() < 0.3:
        groups = {group: rng.random() < 0.6 for group in rng.sample(GROUPS, rng.choice((1, 2)))}
        return _command(rng, "set-client-groups", client_id=rng.choice(CLIENTS), groups=groups)
    return _command(rng, rng.choice(("add-members", "add-members", "remove-members")), **_members(rng))


def pin(rng: Random) -> Said:
    """For good, or for some minutes; now and then it would be past."""
    expiry = some(rng, 0.5, expires_at=lambda: rng.choice((0, 1, 1, 2, 3, 5, None)))
    return _command(rng, "pin", **_members(rng), hold=rng.choice(("in", "out")), **expiry)


def unpin(rng: Random) -> Said:
    """Whether there is a pin or not."""
    return _command(rng, "unpin", **_members(rng))


def check(rng: Random) -> Said:
    """Of all clients, against one group."""
    return _command(rng, "start-check", group=rng.choice(GROUPS))


EVENTS: Final[Mapping[Make, int]] = {
    registered: 6,
    changed: 20,
    payer: 4,
    verification: 4,
    deleted: 4,
    provider: 1,
    usage: 1,
}
COMMANDS: Final[Mapping[Make, int]] = {
    by_hand: 10,
    pin: 9,
    unpin: 6,
    put_group: 4,
    change_group: 3,
    delete_group: 3,
}


def _from(makers: Mapping[Make, int]) -> st.SearchStrategy[Said]:
    def made(number: int) -> Said:
        rng = Random(number)
        return rng.choices(list(makers), list(makers.values()))[0](rng)

    return st.integers(0, 2**64).map(made)


events: Final = _from(EVENTS)
records: Final = _from({**EVENTS, **COMMANDS})
minutes: Final = st.sampled_from(MINUTES)
all_groups: Final = st.integers(0, 2**64).map(
    lambda number: [put_group(Random(f"{number} {group}"), group) for group in GROUPS]
)
"""A `put-group` for each."""
start_check: Final = _from({check: 1})
RUN_COMMANDS: Final = ("approve-run", "approve-run", "cancel-run", "undo-run", "undo-run")
about_runs: Final = st.tuples(st.sampled_from(RUN_COMMANDS), st.integers(0, 3))
"""A command, and about which run: so many from the newest."""
