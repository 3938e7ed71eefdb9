"""The seeded streams, and the 100 rules that they meet. The same seed gives the same bytes.

Every rule asks for a country of its own few; `busy` is the share of clients who come from one of those
countries. So one number says how many changes an event leads to, and the rules stay the same.

Changes are about clients who were there before: topics do not order against each other, so that in a
backlog an event may overtake its client's registration, and it would be chance how many changes there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple

import orjson

RULES: Final = 100
REGISTERED: Final = "client-registered"
CHANGED: Final = "client-changed"
PAYER: Final = "payer-changed"
VERIFIED: Final = "verification-completed"
TOPICS: Final = (REGISTERED, CHANGED, PAYER, VERIFIED)

_KINDS: Final = (REGISTERED,) * 30 + (CHANGED,) * 25 + (PAYER,) * 25 + (VERIFIED,) * 20
"""Of a hundred events."""
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
BUSY_COUNTRIES: Final = (
    "AT",
    "BE",
    "CZ",
    "DE",
    "DK",
    "ES",
    "FI",
    "FR",
    "GB",
    "GR",
    "HU",
    "IE",
    "IT",
    "NL",
    "PL",
    "PT",
)
QUIET_COUNTRIES: Final = (
    "AR",
    "AU",
    "BR",
    "CA",
    "CL",
    "CO",
    "EG",
    "ID",
    "IN",
    "JP",
    "KE",
    "KR",
    "MX",
    "NG",
    "NZ",
    "US",
)
_ADDRESSES: Final = ("192.0.2.", "198.51.100.", "203.0.113.")
METHODS: Final = ("login_password", "google", "facebook", "phone")
STATUSES: Final = ("legal_entity", "individual", "sole_proprietor")
CHECKS: Final = ("email", "phone", "manual", "payment_method")
PROVIDERS: Final = ("1", "2", "3", "4")
_CAMPAIGNS: Final = ("spring-1", "spring-2", "summer-7", "winter-3")


@dataclass(frozen=True, slots=True)
class Mix:
    """A kind of stream. `changes`: about so many membership changes an event are meant."""

    name: str
    busy: float
    changes: float


QUIET: Final = Mix("quiet", busy=0.055, changes=0.2)
BUSY: Final = Mix("busy", busy=0.43, changes=1.5)


class Input(NamedTuple):
    """One record to publish."""

    topic: str
    key: bytes
    value: bytes


class Stream:
    """Goes on from where it was with each `take`; `prefix` keeps the clients of two streams apart."""

    def __init__(self, mix: Mix, seed: int, prefix: str) -> None:
        self._mix = mix
        self._chance = Random(f"{seed} {mix.name}")
        self._prefix = prefix
        self._population: list[tuple[str, bool]] = []
        self._registered = 0
        self._made = 0

    def population(self, clients: int) -> list[Input]:
        """The registrations of the clients who are there before the first event; to be taken first."""
        made = []
        for _ in range(clients):
            busy = self._chance.random() < self._mix.busy
            body = self._register(busy=busy)
            self._population.append((str(body["client_id"]), busy))
            made.append(self._record(REGISTERED, body))
        return made

    def take(self, count: int) -> list[Input]:
        """The next `count` events."""
        return [self._next() for _ in range(count)]

    def registration(self) -> Input:
        """The registration of a client who joins some group, for the measurement of one event."""
        return self._record(REGISTERED, self._register(busy=True))

    def _next(self) -> Input:
        chance = self._chance
        kind = chance.choice(_KINDS) if self._population else REGISTERED
        if kind == REGISTERED:
            return self._record(kind, self._register(busy=chance.random() < self._mix.busy))
        client_id, busy = chance.choice(self._population)
        body: dict[str, Any] = {"client_id": client_id}
        if kind == CHANGED:
            body |= self._changes(busy)
        elif kind == PAYER:
            body |= {
                "payer_id": str(chance.randrange(2)),
                "changed_at": self._time(),
                "status": chance.choice(STATUSES),
                "active": chance.random() < 0.8,
            }
        else:
            body |= {
                "completed_at": self._time(),
                "method": chance.choice(CHECKS),
                "result": chance.choice(("passed", "passed", "passed", "failed", "revoked")),
            }
        return self._record(kind, body)

    def _register(self, *, busy: bool) -> dict[str, Any]:
        chance = self._chance
        client_id = f"{self._prefix}-{self._registered}"
        self._registered += 1
        return {
            "client_id": client_id,
            "registered_at": self._time(),
            "country": chance.choice(BUSY_COUNTRIES if busy else QUIET_COUNTRIES),
            "ip": self._address(),
            "provider_id": chance.choice(PROVIDERS),
            "authorization_method": chance.choice(METHODS),
            "request_parameters": {
                "fromsite": chance.choice(("true", "false")),
                "utm": chance.choice(_CAMPAIGNS),
                "visit": str(chance.randrange(1_000_000)),
            },
        }

    def _changes(self, busy: bool) -> dict[str, Any]:
        chance = self._chance
        said: dict[str, Any] = {"changed_at": self._time()}
        what = chance.randrange(4)
        if what == 0:
            said["country"] = chance.choice(BUSY_COUNTRIES if busy else QUIET_COUNTRIES)
        elif what == 1:
            said["ip"] = self._address()
        elif what == 2:
            said["authorization_method"] = chance.choice(METHODS)
        else:
            said["provider_id"] = chance.choice(PROVIDERS)
        return said

    def _address(self) -> str:
        return f"{self._chance.choice(_ADDRESSES)}{self._chance.randrange(1, 255)}"

    def _time(self) -> str:
        return (_START + timedelta(milliseconds=self._made)).isoformat()

    def _record(self, topic: str, body: dict[str, Any]) -> Input:
        self._made += 1
        return Input(topic, str(body["client_id"]).encode(), orjson.dumps(body))


def groups(count: int = RULES) -> list[dict[str, Any]]:
    """The client groups, as `put-group` takes them."""
    chance = Random(1)
    return [_group(number, chance) for number in range(count)]


def _group(number: int, chance: Random) -> dict[str, Any]:
    home = {
        "condition_group": 1,
        "type": "country",
        "comparison": "one_of",
        "value": chance.sample(BUSY_COUNTRIES, 2),
    }
    others = [
        {"condition_group": clause, **chance.choice(_CONDITIONS)(chance)}
        for clause in range(2, chance.choice((3, 3, 4)))
        for _ in range(chance.choice((1, 1, 2)))
    ]
    return {
        "group": f"bench-{number:03}",
        "name": f"Benchmark {number}",
        "auto_assignment": {"upon_registration": True, "upon_change": True, "exclude": True},
        "conditions": [home, *others],
    }


def _condition(kind: str, comparison: str, value: object = None, **more: object) -> dict[str, Any]:
    said = {} if value is None else {"value": value}
    return {"type": kind, "comparison": comparison, **said, **more}


_CONDITIONS: Final = (
    lambda chance: _condition("geoip_country", "one_of", chance.sample(("DE", "FR", "US"), 2)),
    lambda chance: _condition("payer_status", "not_equals", chance.choice(STATUSES)),
    lambda chance: _condition("payer_status", "equals", chance.choice(STATUSES)),
    lambda chance: _condition("provider", "one_of", chance.sample(PROVIDERS, 2)),
    lambda chance: _condition("authorization_method", "not_equals", chance.choice(METHODS)),
    lambda chance: _condition("verification_status", "equals", chance.choice(("passed", "failed"))),
    lambda chance: _condition("verification_method", "not_equals", chance.choice(CHECKS)),
    lambda chance: _condition(
        "request_parameter", "starts_with", chance.choice(("spring", "s", "w")), parameter="utm"
    ),
    lambda chance: _condition("request_parameter", "equals", "true", parameter="fromsite"),
)


def commands() -> Iterator[Input]:
    """`put-group` for each of the groups."""
    for group in groups():
        body = {"command": "put-group", "id": f"bench-{group['group']}", **group}
        yield Input("group-commands", str(group["group"]).encode(), orjson.dumps(body))
