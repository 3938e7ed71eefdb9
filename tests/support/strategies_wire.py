"""Hypothesis strategies for what comes in over Kafka: few clients, groups and times, so that they meet.

A record is (topic, body). Its times are minutes from now, below zero for the past; `on_the_wire` puts
times in their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from hypothesis import strategies as st

Said = tuple[str, dict[str, Any]]

AHEAD: Final = 6
"""Minutes: later than the clock allows, such records are dead letters or rejected."""
TIMES: Final = frozenset({"registered_at", "changed_at", "deleted_at", "completed_at", "expires_at"})
CLIENTS: Final = ("c1", "c2", "c3")
GROUPS: Final = ("g1", "g2", "g3")
PROVIDERS: Final = ("p1", "p2")
COUNTRIES: Final = ("DE", "FR", "us")
ADDRESSES: Final = ("192.0.2.1", "198.51.100.1", "10.0.0.1", None)
AUTHORIZATION_METHODS: Final = ("google", "Phone")
PAYER_STATUSES: Final = ("legal_entity", "individual")
VERIFICATION_METHODS: Final = ("email", "phone")
COMMAND_IDS: Final = ("once", "twice")

clients: Final = st.sampled_from(CLIENTS)
groups: Final = st.sampled_from(GROUPS)
_no_group: Final = st.sampled_from((*GROUPS * 6, "nobody"))
_some_clients: Final = st.lists(clients, min_size=1, max_size=3)


minutes: Final = st.sampled_from((0, 0, 0, 0, 0, 1, 1, 2, -1, -1, -2, -4, AHEAD))


def on_the_wire(body: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The body with times in place of minutes; equal ones often, as they are counted from a whole minute."""
    return {
        name: (from_now(value, now).isoformat() if name in TIMES and value is not None else value)
        for name, value in body.items()
    }


def from_now(minutes: int, now: datetime) -> datetime:
    """The time so many minutes from the minute that it is."""
    return now.replace(second=0, microsecond=0) + timedelta(minutes=minutes)


def _body(required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> Any:
    return st.fixed_dictionaries(required, optional=optional)


# ---- events
_country: Final = st.sampled_from((*COUNTRIES, *COUNTRIES, None))
_FIELDS: Final[dict[str, Any]] = {
    "ip": st.sampled_from(ADDRESSES),
    "provider_id": st.sampled_from((*PROVIDERS, "")),
    "authorization_method": st.sampled_from((*AUTHORIZATION_METHODS, None)),
}
_registered: Final = _body(
    {"client_id": clients, "registered_at": minutes, "country": _country},
    **_FIELDS,
    request_parameters=st.sampled_from(({}, {"fromsite": True}, {"fromsite": "10", "plan": 2}, None)),
)
_changed: Final = _body({"client_id": clients, "changed_at": minutes, "country": _country}, **_FIELDS)
_changed_beside: Final = _body({"client_id": clients, "changed_at": minutes}, **_FIELDS)
_deleted: Final = _body({"client_id": clients, "deleted_at": minutes})
_payer: Final = _body(
    {
        "client_id": clients,
        "payer_id": st.sampled_from(("1", 2)),
        "changed_at": minutes,
        "status": st.sampled_from(PAYER_STATUSES),
    },
    active=st.booleans(),
    deleted=st.booleans(),
)
_verification: Final = _body(
    {
        "client_id": clients,
        "completed_at": minutes,
        "method": st.sampled_from(VERIFICATION_METHODS),
        "result": st.sampled_from(("passed", "passed", "failed", "revoked")),
    }
)
_provider: Final = _body(
    {
        "provider_id": st.sampled_from(PROVIDERS),
        "changed_at": minutes,
        "name": st.just("A provider"),
        "active": st.sampled_from((True, True, False)),
        "authorization_methods": st.lists(st.sampled_from(AUTHORIZATION_METHODS), max_size=2, unique=True),
    }
)
_usage: Final = _body(
    {
        "group": groups,
        "changed_at": minutes,
        "kind": st.sampled_from(("tariff", "promotion")),
        "ref_id": st.sampled_from(("1", "2")),
    },
    title=st.sampled_from(("A tariff", None)),
    used=st.sampled_from((True, False, False)),
)


def _on(topic: str, bodies: Any) -> st.SearchStrategy[Said]:
    return st.tuples(st.just(topic), bodies)


client_events: Final = st.one_of(
    _on("client-registered", _registered),
    *[_on("client-changed", _changed)] * 4,
    _on("client-changed", _changed_beside),
    _on("payer-changed", _payer),
    _on("verification-completed", _verification),
)
deletions: Final = _on("client-deleted", _deleted)
other_events: Final = st.one_of(_on("provider-changed", _provider), _on("group-usage-changed", _usage))


# ---- groups
_VALUES: Final = {
    "country": COUNTRIES,
    "geoip_country": ("DE", "FR"),
    "payer_status": PAYER_STATUSES,
    "provider": PROVIDERS,
    "authorization_method": AUTHORIZATION_METHODS,
    "verification_status": ("passed", "failed"),
    "verification_method": VERIFICATION_METHODS,
}
_OF_A_PARAMETER: Final[tuple[tuple[str, Any], ...]] = (
    ("is_set", None),
    ("is_not_set", None),
    ("equals", True),
    ("greater_than", 9),
    ("matches", "^t"),
)


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    """One condition; mostly on the country, so that a change of country often decides."""
    made: dict[str, Any] = {"condition_group": draw(st.sampled_from((1, 1, 2)))}
    kind = draw(st.sampled_from(("country", "country", "country", "request_parameter", *_VALUES)))
    made["type"] = kind
    if kind == "request_parameter":
        comparison, wanted = draw(st.sampled_from(_OF_A_PARAMETER))
        return made | {"parameter": "fromsite", "comparison": comparison, "value": wanted}
    comparison = draw(st.sampled_from(("equals", "equals", "not_equals", "one_of", "none_of")))
    values = st.sampled_from(_VALUES[kind])
    value = draw(st.lists(values, min_size=1, max_size=2) if comparison.endswith("_of") else values)
    made |= {"comparison": comparison, "value": value}
    if kind == "payer_status" and draw(st.booleans()):
        made["include_inactive"] = True
    return made


_often: Final = st.sampled_from((True, True, True, False))
_switches: Final[dict[str, Any]] = {
    "upon_registration": _often,
    "upon_change": st.sampled_from((True, True, False, None)),
    "exclude": _often,
}
_rarely_said: Final[dict[str, Any]] = {
    "periodic": st.sampled_from((False, False, True)),
    "schedule": st.sampled_from(("0 3 * * *", "*/5  * * * 1", None)),
    "timezone": st.sampled_from(("Europe/Berlin", None)),
    "keep_manual": st.booleans(),
    "hold_leaves_over": st.none()
    | _body({}, percent=st.sampled_from((0, 2.5, 100)), count=st.sampled_from((0, 7, None))),
}
_group_fields: Final[dict[str, Any]] = {
    "description": st.sampled_from(("", "Some", None)),
    "currency_rates": st.sampled_from(({}, {"eur/usd": 1.08}, {"EUR/USD": "1.08"}, {"EUR/GBP": "0.85"})),
    "allow_service_suspension": st.booleans(),
}
_conditions: Final[st.SearchStrategy[Any]] = st.lists(conditions(), min_size=1, max_size=2) | st.just([])

# ---- commands
_of_all: Final[dict[str, Any]] = {
    "id": st.sampled_from((*[None] * 20, *COMMAND_IDS)),
    "actor": st.sampled_from(("olga", "", None)),
    "reason": st.sampled_from(("asked for", None)),
}


def _command(command: str, required: dict[str, Any], **optional: Any) -> st.SearchStrategy[Said]:
    return _on("group-commands", _body({"command": st.just(command), **required}, **optional, **_of_all))


if_versions: Final = st.sampled_from((None, None, None, None, None, 0, 1, 2))
put_group: Final = _command(
    "put-group",
    {
        "group": groups,
        "name": st.sampled_from(("A group", "Another")),
        "auto_assignment": _body(_switches, **_rarely_said),
        "conditions": _conditions,
    },
    if_version=if_versions,
    **_group_fields,
)
change_group: Final = _command(
    "change-group",
    {"group": groups},
    name=st.just("Another"),
    auto_assignment=_body({}, **_switches, **_rarely_said),
    conditions=_conditions,
    if_version=if_versions,
    **_group_fields,
)


def _put_for(group: str) -> st.SearchStrategy[Said]:
    return put_group.map(lambda said: (said[0], {**said[1], "group": group, "if_version": None, "id": None}))


all_groups: Final = st.tuples(*map(_put_for, GROUPS))
"""A `put-group` for each."""
delete_group: Final = _command("delete-group", {"group": groups}, force=st.booleans())
_members: Final[dict[str, Any]] = {"group": _no_group, "clients": _some_clients}
by_hand: Final = st.one_of(
    _command("add-members", _members),
    _command("remove-members", _members),
    _command(
        "set-client-groups",
        {"client_id": clients, "groups": st.dictionaries(groups, st.booleans(), min_size=1, max_size=3)},
    ),
)
pin: Final = _command(
    "pin",
    {**_members, "hold": st.sampled_from(("in", "out"))},
    expires_at=st.none() | st.integers(0, 8),
)
unpin: Final = _command("unpin", _members)
events: Final = st.one_of(*[client_events] * 3, deletions, other_events)
records: Final = st.one_of(
    *[client_events] * 3, deletions, other_events, *[by_hand] * 2, *[pin] * 3, unpin, change_group, put_group
)
"""Any but the deletion of a group, mostly events of clients."""

# ---- runs
start_check: Final = _command("start-check", {"group": groups})
RUN_COMMANDS: Final = ("approve-run", "approve-run", "cancel-run", "undo-run", "undo-run")
about_runs: Final = st.tuples(st.sampled_from(RUN_COMMANDS), st.integers(0, 3))
"""A command, and about which run: so many from the newest."""
