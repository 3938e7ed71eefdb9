"""What happens upstream: clients sign up, change, pay, verify, go and come back; operators do their part.

Times go forward with a simulated clock, and back: late, stale and equal ones
are far more likely than in real life.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from tests.chaos.groups import BY_HAND, MOVING
from tests.chaos.operators import OPERATORS

Happening = tuple[str, dict[str, Any]]

ADDRESSES: Final = [
    "192.0.2.1",
    "192.0.2.200",
    "198.51.100.9",
    "203.0.113.5",
    "2001:db8::1",
    "2001:DB8:0:0::5",
    "10.0.0.1",
    "2001:4860::1",
    "",
    None,
]
COUNTRIES: Final = ["DE", "de", "FR", "US", "nl", "XK", "BR", "", None]
METHODS: Final = ["login_password", "phone", "google", "Google", "FACEBOOK", "apple", None]
PROVIDERS: Final = ["1", "2", 3, "4", "9", ""]
STATUSES: Final = ["legal_entity", "individual", "sole_proprietor", "Legal_Entity"]
WAYS: Final = ["email", "phone", "manual", "payment_method"]
RESULTS: Final = ["passed", "passed", "failed", "revoked", "PASSED"]
USAGES: Final = ["tariff", "promotion", "Segment_Condition"]
WEIGHTS: Final = {
    "new": 24,
    "register": 4,
    "change": 22,
    "payer": 20,
    "verify": 16,
    "delete": 3.5,
    "return": 2,
    "command": 3,
    "by_hand": 1,
    "pin": 1.5,
    "client_groups": 0.7,
    "put_group": 0.5,
    "change_group": 0.4,
    "delete_group": 0.2,
    "start_check": 0.8,
    "usage": 0.4,
    "provider": 0.5,
}


class Happenings:
    """An endless source of happenings among `clients` clients."""

    def __init__(self, rng: Random, clients: int, start: datetime) -> None:
        """The clock begins at `start`."""
        self._rng = rng
        self._clients = clients
        self._known: list[str | int] = []
        self._times: dict[str | int, list[datetime]] = {}
        self._queue: list[Happening] = []
        self._numbered = 0
        self._commands: list[dict[str, Any]] = []
        self.now = start

    def next(self) -> Happening:
        """One more; the clock goes on by some seconds."""
        self.now += timedelta(seconds=self._rng.randint(0, 20))
        if self._queue:
            return self._queue.pop(0)
        kinds = list(WEIGHTS)
        kind = self._rng.choices(kinds, [WEIGHTS[name] for name in kinds])[0]
        if kind == "new" and len(self._known) >= self._clients:
            kind = "change"
        if kind in OPERATORS:
            return "group-commands", OPERATORS[kind](self._rng, self.client)
        happening: Happening = getattr(self, f"_{kind}")()
        return happening

    def client(self) -> str | int:
        """A known client, most often one of the latest: many events of one client come together."""
        if not self._known:
            self._known.append("0")
        if self._rng.random() < 0.5:
            return self._rng.choice(self._known[-20:])
        return self._rng.choice(self._known)

    def _time(self, client: str | int) -> str:
        """Around now; sometimes long ago; sometimes a time that this client has had already."""
        times = self._times.setdefault(client, [])
        luck = self._rng.random()
        if times and luck < 0.12:
            time = self._rng.choice(times)
        elif luck < 0.2:
            time = self.now - timedelta(seconds=self._rng.randint(0, 20_000))
        else:
            time = self.now - timedelta(microseconds=self._rng.choice([0, 0, 1, 1_000_000, 90_000_000]))
        times.append(time)
        if self._rng.random() < 0.1:
            return (time + timedelta(hours=2)).isoformat().replace("+00:00", "+02:00")
        return time.isoformat().replace("+00:00", "Z") if self._rng.random() < 0.7 else time.isoformat()

    def _new_client(self) -> str | int:
        number = len(self._known)
        shapes: list[str | int] = [
            str(number),
            number,
            f"Client-{number}",
            f"klient_{number}",
            f"ключ {number}é",
        ]
        client = self._rng.choices(shapes, [60, 15, 10, 10, 5])[0]
        self._known.append(client)
        return client

    def _new(self) -> Happening:
        """A sign-up, with what other services tell about it at the same time, before or after."""
        client = self._new_client()
        story = [self._registration(client)]
        for make in (self._payer_of, self._verification_of, self._change_of):
            if self._rng.random() < 0.35:
                story.insert(self._rng.randrange(len(story) + 1), make(client))
        self._queue.extend(story[1:])
        return story[0]

    def _registration(self, client: str | int) -> Happening:
        said: dict[str, Any] = {"client_id": client, "registered_at": self._time(client)}
        said |= self._some_fields(0.75)
        if self._rng.random() < 0.7:
            said["request_parameters"] = self._parameters()
        return "client-registered", said

    def _some_fields(self, likely: float) -> dict[str, Any]:
        rng = self._rng
        fields = {
            "country": rng.choice(COUNTRIES),
            "ip": rng.choice(ADDRESSES),
            "provider_id": rng.choice(PROVIDERS),
            "authorization_method": rng.choice(METHODS),
            "language": "en",  # a field that nobody knows
        }
        return {name: value for name, value in fields.items() if rng.random() < likely}

    def _parameters(self) -> dict[str, Any] | None:
        rng = self._rng
        if rng.random() < 0.05:
            return None
        fields = {
            "fromsite": rng.choice(["true", True, "false", "", None]),
            "sum": rng.choice([5, "150", 1e3, "-3", 250.5, "much", None]),
            "utm": rng.choice(["spring-1", "summer-17", "autumn-7", "Spring-1", "x", ["a", {"b": 1}]]),
            "Имя": "значение",
        }
        return {name: value for name, value in fields.items() if rng.random() < 0.6}

    def _register(self) -> Happening:
        """Again."""
        return self._registration(self.client())

    def _change(self) -> Happening:
        return self._change_of(self.client())

    def _change_of(self, client: str | int) -> Happening:
        said = {"client_id": client, "changed_at": self._time(client)}
        return "client-changed", said | self._some_fields(0.4)

    def _payer(self) -> Happening:
        return self._payer_of(self.client())

    def _payer_of(self, client: str | int) -> Happening:
        rng = self._rng
        said: dict[str, Any] = {
            "client_id": client,
            "payer_id": rng.choice(["1", "2", 7]),
            "changed_at": self._time(client),
        }
        if rng.random() < 0.15:
            return "payer-changed", {**said, "deleted": True, **rng.choice([{}, {"status": None}])}
        said["status"] = rng.choice(STATUSES)
        if rng.random() < 0.4:
            said["active"] = rng.choice([True, False, True, False, None])
        if rng.random() < 0.1:
            said["deleted"] = False
        return "payer-changed", said

    def _verify(self) -> Happening:
        return self._verification_of(self.client())

    def _verification_of(self, client: str | int) -> Happening:
        said = {"client_id": client, "completed_at": self._time(client)}
        return "verification-completed", {
            **said,
            "method": self._rng.choice(WAYS),
            "result": self._rng.choice(RESULTS),
        }

    def _delete(self) -> Happening:
        client = self.client()
        return "client-deleted", {"client_id": client, "deleted_at": self._time(client)}

    def _return(self) -> Happening:
        """Deleted and registered again, close to each other in time and in any order."""
        client = self.client()
        both = [
            ("client-deleted", {"client_id": client, "deleted_at": self._time(client)}),
            self._registration(client),
        ]
        self._rng.shuffle(both)
        self._queue.append(both[1])
        return both[0]

    def _provider(self) -> Happening:
        rng = self._rng
        provider = str(rng.randint(1, 4))
        said: dict[str, Any] = {
            "provider_id": provider,
            "changed_at": self._time(f"provider {provider}"),
            "name": f"Provider {provider}",
        }
        said |= {
            "active": rng.random() < 0.8,
            "authorization_methods": rng.sample(["google", "phone", "facebook"], 2),
        }
        return "provider-changed", said

    def _usage(self) -> Happening:
        rng = self._rng
        group = rng.choice(MOVING)
        said = {"group": group, "changed_at": self._time(f"group {group}"), "kind": rng.choice(USAGES)}
        return "group-usage-changed", {**said, "ref_id": rng.choice(["1", 2]), "used": rng.random() < 0.6}

    def _by_hand(self) -> Happening:
        """Put into a group again and again, and deleted as of a time in between."""
        client, group = self.client(), self._rng.choice(BY_HAND)["group"]
        said = {"command": "add-members", "group": group, "clients": [client]}
        deleted_at = self.now + timedelta(seconds=self._rng.randint(-10, 60))
        story: list[Happening] = [("group-commands", dict(said)) for _ in range(self._rng.randint(1, 3))]
        if self._rng.random() < 0.3:
            story.append(("group-commands", said | {"command": "remove-members"}))
        deletion = {"client_id": client, "deleted_at": deleted_at.isoformat()}
        story.insert(self._rng.randint(1, len(story)), ("client-deleted", deletion))
        self._queue.extend(story[1:])
        return story[0]

    def _command(self) -> Happening:
        rng = self._rng
        if self._commands and rng.random() < 0.1:
            return "group-commands", rng.choice(self._commands)
        said: dict[str, Any] = {"command": rng.choice(["add-members", "add-members", "remove-members"])}
        said["group"] = rng.choice([group["group"] for group in BY_HAND] + MOVING)
        said["clients"] = [self.client() for _ in range(rng.randint(1, 15))] + ["never-seen"] * rng.randrange(
            2
        )
        if rng.random() < 0.5:
            self._numbered += 1
            said["id"] = f"command-{self._numbered}"
            self._commands.append(said)
        if rng.random() < 0.5:
            said |= {"actor": "olga", "reason": "as the client asked"}
        spoilt: list[dict[str, Any]] = [
            {"group": "no-such-group"},
            {"clients": "1"},
            {"command": "dance"},
            {"clients": [""]},
            {"reason": "half a \ud83d"},
        ]
        if rng.random() < 0.1 and "id" not in said:
            said |= rng.choice(spoilt)
        return "group-commands", said
