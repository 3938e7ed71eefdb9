"""The demo's world: clients who sign up, pay, verify themselves, move, leave. Same seed, same world."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from events.topics import (
    CLIENT_CHANGED,
    CLIENT_DELETED,
    CLIENT_REGISTERED,
    PAYER_CHANGED,
    PROVIDER_CHANGED,
    VERIFICATION_COMPLETED,
)

NAMES: Final = {
    "DE": ("Anna Jonas Lena Felix Mia Paul", "Schmidt Weber Fischer Becker Hoffmann Koch"),
    "FR": ("Camille Hugo Chloé Louis Manon Jules", "Martin Bernard Dubois Laurent Moreau Girard"),
    "NL": ("Sanne Daan Lotte Bram Fleur Sem", "de Vries|Jansen|Bakker|Visser|Smit|Mulder"),
    "SE": ("Elsa Oskar Maja Nils Ebba Axel", "Andersson Nilsson Lindqvist Berg Holm Ek"),
    "US": ("Emily Noah Grace Ethan Ava Logan", "Miller Johnson Carter Hayes Brooks Reed"),
    "NO": ("Ingrid Lars Sigrid Emil Astrid Odin", "Hansen Olsen Berg Dahl Lie Haugen"),
}
ADDRESSES: Final = {
    "DE": "192.0.2.{}",
    "FR": "198.51.100.{}",
    "US": "203.0.113.{}",
    "NL": "2001:db8::{:x}",
}
"""The networks that the embedded GeoIP database knows; others have an address it does not know."""
PROVIDERS: Final = {
    "demo-direct": ("Direct", ["login_password", "phone", "google", "facebook"]),
    "demo-reseller": ("A reseller", ["login_password", "google"]),
}
STATUSES: Final = ("legal_entity", "individual", "sole_proprietor")
VERIFIED_BY: Final = ("email", "phone", "manual", "payment_method")


@dataclass(frozen=True, slots=True)
class Event:
    """A record to publish, and how to say it to somebody who watches."""

    topic: str
    key: str
    value: dict[str, Any]
    says: str


@dataclass(slots=True)
class Client:
    """What the upstream services know of a client."""

    client_id: str
    name: str
    country: str
    payers: int = 0
    gone: bool = False


@dataclass(slots=True)
class World:
    """Makes events. `run` comes first in each client's id, so that no run meets another's clients."""

    run: str
    seed: int
    clients: list[Client] = field(default_factory=list)
    _random: Random = field(init=False)
    _last: datetime = field(default=datetime.min.replace(tzinfo=UTC))

    def __post_init__(self) -> None:
        self._random = Random(self.seed)  # noqa: S311 - a demo that repeats itself

    def name_of(self, client_id: str) -> str:
        """A client's name, for the reader of the demo only: no event carries it."""
        number = client_id.removeprefix(f"{self.run}-")
        return self.clients[int(number) - 1].name if number.isdigit() else client_id

    def providers(self) -> Iterator[Event]:
        """Who sells to the clients; conditions name them."""
        for provider_id, (name, methods) in PROVIDERS.items():
            value = {"provider_id": provider_id, "changed_at": self._now(), "name": name, "active": True}
            value["authorization_methods"] = methods
            yield Event(PROVIDER_CHANGED.name, provider_id, value, f"provider {name} is active")

    def story(self) -> Iterator[Event]:
        """Clients one after the other: each signs up, things happen to it, every third goes. Endless."""
        while True:
            client, event = self._register()
            yield event
            for step in (self._payer, self._verify, self._change, self._verify):
                yield step(client)
            if len(self.clients) % 3 == 0:
                yield self._delete(client)

    def burst(self, events: int) -> Iterator[Event]:
        """Many clients at once, in the mix of a busy day."""
        steps = (self._payer, self._verify, self._change, self._delete)
        for _ in range(events):
            client = self._random.choice(self.clients) if self.clients else None
            if client is None or client.gone or self._random.random() < 0.4:
                yield self._register()[1]
            else:
                yield self._random.choices(steps, (30, 40, 25, 5))[0](client)

    def _now(self) -> str:
        # The newest by its own time wins: no two events of this world have the same.
        self._last = max(datetime.now(UTC), self._last + timedelta(microseconds=1))
        return self._last.isoformat()

    def _register(self) -> tuple[Client, Event]:
        random = self._random
        country = random.choices(list(NAMES), (35, 15, 15, 10, 20, 5))[0]
        client = Client(f"{self.run}-{len(self.clients) + 1}", _name(random, country), country)
        self.clients.append(client)
        method = random.choices(("login_password", "google", "facebook", "phone"), (50, 25, 15, 10))[0]
        parameters: dict[str, Any] = {"seats": random.choice((1, 2, 5, 6, 10, 25))}
        if random.random() < 0.5:
            parameters["fromsite"] = True
        if random.random() < 0.4:
            parameters["campaign"] = random.choice(("spring-2026", "autumn-2025", "spring-sale"))
        if random.random() < 0.05:
            parameters["test"] = "1"
        value = {
            "client_id": client.client_id,
            "registered_at": self._now(),
            "country": country,
            "ip": self._address(country),
            "provider_id": random.choices(list(PROVIDERS), (70, 30))[0],
            "authorization_method": method,
            "request_parameters": parameters,
        }
        says = f"{client.name} signs up in {country} with {method}, {parameters['seats']} seats"
        return client, Event(CLIENT_REGISTERED.name, client.client_id, value, says)

    def _address(self, country: str) -> str:
        # One in ten connects from elsewhere.
        away = self._random.random() < 0.1
        network = ADDRESSES.get("DE" if away else country, "100.64.0.{}")
        return network.format(self._random.randint(1, 250))

    def _payer(self, client: Client) -> Event:
        new = client.payers == 0 or self._random.random() < 0.5
        client.payers += new
        value: dict[str, Any] = {
            "client_id": client.client_id,
            "payer_id": f"{client.client_id}-p{client.payers}",
            "changed_at": self._now(),
            "status": self._random.choice(STATUSES),
        }
        says = f"{client.name} pays as {value['status']}"
        if not new:
            value["active"] = False
            says = f"{client.name}'s payer, {value['status']}, is not active any more"
        return Event(PAYER_CHANGED.name, client.client_id, value, says)

    def _verify(self, client: Client) -> Event:
        result = self._random.choices(("passed", "failed", "revoked"), (80, 15, 5))[0]
        method = self._random.choice(VERIFIED_BY)
        value = {
            "client_id": client.client_id,
            "completed_at": self._now(),
            "method": method,
            "result": result,
        }
        says = f"{client.name}: verification by {method} {result}"
        return Event(VERIFICATION_COMPLETED.name, client.client_id, value, says)

    def _change(self, client: Client) -> Event:
        client.country = self._random.choice(list(NAMES))
        value = {"client_id": client.client_id, "changed_at": self._now(), "country": client.country}
        says = f"{client.name} moves to {client.country}"
        if self._random.random() < 0.5:
            value["ip"] = self._address(client.country)
            says += " and connects from there"
        return Event(CLIENT_CHANGED.name, client.client_id, value, says)

    def _delete(self, client: Client) -> Event:
        client.gone = True
        value = {"client_id": client.client_id, "deleted_at": self._now()}
        return Event(CLIENT_DELETED.name, client.client_id, value, f"{client.name} is deleted")


def _name(random: Random, country: str) -> str:
    first, last = NAMES[country]
    return f"{random.choice(first.split())} {random.choice(last.split('|' if '|' in last else None))}"
