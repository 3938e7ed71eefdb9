"""What the upstream services and operators publish: the same for the same seed, byte for byte.

`plan()` gives chunks in the order in which they are published; a chunk is one producer's work, in one
compression, in one Kafka transaction or none. All times are of a simulated clock.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from tests.chaos.groups import BY_HAND, MOVING, STEADY, moving_group
from tests.chaos.happenings import Happenings
from tests.chaos.poison import dump, poisoned

START: Final = datetime(2025, 6, 1, tzinfo=UTC)
CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
ID_FIELDS: Final = {
    "provider-changed": "provider_id",
    "group-usage-changed": "group",
    "group-commands": "group",
}
TIME_FIELDS: Final = ("registered_at", "changed_at", "deleted_at", "completed_at")


@dataclass(frozen=True)
class Planned:
    """A record to publish. `luck` places a record without a key on a partition."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp_ms: int
    luck: int = 0
    poison: str = ""
    """The kind of poison; "" for a good record."""


@dataclass(frozen=True)
class Chunk:
    """Records that are published together. `transaction`: "", "commit" or "abort"."""

    records: tuple[Planned, ...]
    codec: str = "none"
    transaction: str = ""


@dataclass
class Plan:
    """How much of what."""

    seed: int
    clients: int
    events: int
    made: Counter[str] = field(default_factory=Counter)


def setup() -> list[list[Planned]]:
    """What stands before the first event, in steps: the providers, then the groups, which name them."""
    methods = ["login_password", "phone", "google", "facebook", "apple"]
    providers: list[dict[str, Any]] = [
        {
            "provider_id": str(number),
            "changed_at": START.isoformat(),
            "name": f"Provider {number}",
            "active": True,
            "authorization_methods": methods,
        }
        for number in (1, 2, 3, 4)
    ]
    moving = [moving_group(name, Random(name)) for name in MOVING]
    commands = [
        {"command": "put-group", "id": f"setup-{group['group']}", **group}
        for group in [*STEADY, *BY_HAND, *moving]
    ]
    timestamp = int(START.timestamp() * 1000)
    return [
        [Planned(topic, body[id_field].encode(), dump(body), (), timestamp) for body in bodies]
        for topic, id_field, bodies in (
            ("provider-changed", "provider_id", providers),
            ("group-commands", "group", commands),
        )
    ]


def plan(plan: Plan) -> Iterator[Chunk]:
    """The stream after `setup()`, chunk by chunk."""
    rng = Random(plan.seed)
    happenings = Happenings(rng, plan.clients, START)
    waiting: list[tuple[int, Planned]] = []
    recent: list[Planned] = []
    written = 0
    chunk: list[Planned] = []
    size = rng.randint(1, 150)
    while written < plan.events or waiting:
        if written < plan.events:
            made = dress(rng, *happenings.next(), happenings.now, plan)
            waiting.append((written + late(rng), made))
            recent = [*recent[-200:], made]
            if rng.random() < 0.04:  # the same again, as a producer that got no answer sends it
                plan.made["repeats"] += 1
                waiting.append((written + late(rng) * 3, rng.choice(recent)))
            written += 1
        due = [record for at, record in waiting if at <= written or written >= plan.events]
        waiting = [] if written >= plan.events else [one for one in waiting if one[0] > written]
        chunk.extend(due)
        while len(chunk) >= size:
            yield packed(rng, chunk[:size], plan)
            chunk = chunk[size:]
            if rng.random() < 0.05:
                yield aborted(rng, happenings, plan)
            size = rng.choice([1, 2, 3, rng.randint(4, 60), rng.randint(60, 250)])
    if chunk:
        yield packed(rng, chunk, plan)


def late(rng: Random) -> int:
    """By how many records a record comes later than it was made: the topics shuffle."""
    return 0 if rng.random() < 0.6 else int(rng.expovariate(1 / 25))


def packed(rng: Random, records: list[Planned], plan: Plan) -> Chunk:
    """A chunk in any compression, now and then in a transaction."""
    transaction = "commit" if rng.random() < 0.15 else ""
    codec = rng.choice(CODECS)
    plan.made["records"] += len(records)
    plan.made[f"codec {codec}"] += len(records)
    if transaction:
        plan.made["transactions committed"] += 1
    return Chunk(tuple(records), codec, transaction)


def aborted(rng: Random, happenings: Happenings, plan: Plan) -> Chunk:
    """A transaction that is taken back: who reads it anyway deletes clients who are still there."""
    plan.made["transactions aborted"] += 1
    when = (happenings.now + timedelta(days=30)).isoformat()
    bodies = [{"client_id": happenings.client(), "deleted_at": when} for _ in range(rng.randint(1, 20))]
    timestamp = int(happenings.now.timestamp() * 1000)
    records = [
        Planned("client-deleted", str(body["client_id"]).encode(), dump(body), (), timestamp)
        for body in bodies
    ]
    return Chunk(tuple(records), rng.choice(CODECS), "abort")


def dress(rng: Random, topic: str, body: dict[str, Any], now: datetime, plan: Plan) -> Planned:
    """A happening as a record: key, time, form and headers as different producers make them."""
    plan.made[topic] += 1
    timestamp = int(now.timestamp() * 1000) + rng.randrange(1000)
    own_id = str(body.get(ID_FIELDS.get(topic, "client_id"), ""))
    key = rng.choices([own_id.encode(), None, b"", b"another"], [90, 5, 3, 2])[0]
    luck = rng.randrange(1 << 16)
    if rng.random() < 0.015:
        kind, (value, extra) = poisoned(topic, body, rng)
        plan.made["poison"] += 1
        key = key if value is not None else own_id.encode()  # the producer used here wants one of the two
        return Planned(topic, key, value, extra, timestamp, luck, kind)
    value, headers = form(rng, topic, body, now)
    return Planned(topic, key, value, headers, timestamp, luck)


def form(
    rng: Random, topic: str, body: dict[str, Any], now: datetime
) -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
    """Plain JSON or a CloudEvent in either mode; the time in the field, in the envelope or in neither."""
    envelope_time = now.isoformat()
    if rng.random() < 0.15:
        for name in TIME_FIELDS:
            if name in body:
                envelope_time = body[name]
                body = {key: value for key, value in body.items() if key != name}
    elif rng.random() < 0.05:
        body = {key: value for key, value in body.items() if key not in TIME_FIELDS}
        return dump(body), ()
    style = rng.random()
    number = f"{rng.getrandbits(64):016x}"
    trace = f"00-{rng.getrandbits(128) | 1:032x}-{rng.getrandbits(64) | 1:016x}-01"
    event = {"specversion": "1.0", "id": number, "source": "/upstream", "type": f"upstream.{topic}"}
    if style < 0.15:
        whole = {**event, "time": envelope_time, "datacontenttype": "application/json", "data": body}
        return dump(whole), (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
    if style < 0.4 or envelope_time != now.isoformat():
        headers = {**event, "time": envelope_time}
        named = {f"ce_{name}": value for name, value in headers.items()}
        named |= {"content-type": "application/json", "traceparent": trace}
        return dump(body), tuple((name, value.encode()) for name, value in named.items())
    if style < 0.5:
        return json.dumps(body, indent=1).encode() + b"\n", (("x-from", b"console"),)
    return dump(body), ()
