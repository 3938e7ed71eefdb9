"""The chaos stream is the same for the same seed, and the model agrees with its maker on what is poison."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.chaos.evidence import LATEST, country_of
from tests.chaos.poison import KINDS, dump
from tests.chaos.stream import Chunk, Plan, plan, setup
from tests.support.model import Model
from tests.support.model_decode import Poison, Raw, decode


def stream(seed: int, events: int = 1500) -> list[Chunk]:
    return list(plan(Plan(seed, clients=200, events=events)))


def test_the_seed_repeats_the_stream() -> None:
    assert stream(1) == stream(1)
    assert stream(1) != stream(2)
    assert setup() == setup()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_model_reads_what_is_good_and_nothing_else(seed: int) -> None:
    model = Model(country_of, LATEST)
    offsets: Counter[str] = Counter()
    for chunk in [*(Chunk(tuple(step)) for step in setup()), *stream(seed)]:
        for record in chunk.records:
            offsets[record.topic] += 1
            place = (record.topic, 0, offsets[record.topic], record.timestamp_ms)
            model.apply(Raw(*place, record.key, record.value, record.headers))
            found = model.dead.get(f"{record.topic}/0/{offsets[record.topic]}", "")
            assert bool(found) == bool(record.poison), (record, found)
    providers, groups = setup()
    assert len(providers) == 4
    assert len(model.answers) > len(groups)
    assert all(answer.status == "done" for answer in model.answers[: len(groups)])


GOOD: dict[str, dict[str, Any]] = {
    "client-registered": {"client_id": "1", "registered_at": "2025-06-01T00:00:00Z"},
    "client-changed": {"client_id": "1", "changed_at": "2025-06-01T00:00:00Z"},
    "client-deleted": {"client_id": "1", "deleted_at": "2025-06-01T00:00:00Z"},
    "payer-changed": {"client_id": "1", "payer_id": "1", "status": "individual"},
    "verification-completed": {"client_id": "1", "method": "email", "result": "passed"},
    "provider-changed": {"provider_id": "1", "name": "one"},
    "group-usage-changed": {"group": "g", "kind": "tariff", "ref_id": "1"},
    "group-commands": {"command": "dance"},
}


@pytest.mark.parametrize(
    ("topic", "kind"), [(topic, kind) for topic in GOOD for kind in KINDS["any"] | KINDS[topic]]
)
def test_every_kind_of_poison_is_poison(topic: str, kind: str) -> None:
    decode(Raw(topic, 0, 0, 0, None, dump(GOOD[topic])), LATEST)
    value, headers = (KINDS["any"] | KINDS[topic])[kind](GOOD[topic])
    with pytest.raises(Poison):
        decode(Raw(topic, 0, 0, 0, None, value, headers), LATEST)


def test_the_stream_holds_everything() -> None:
    whole = Plan(1, clients=300, events=5000)
    chunks = list(plan(whole))
    records = [record for chunk in chunks for record in chunk.records]
    assert {record.topic for record in records} == set(GOOD)
    assert {record.poison for record in records} > set(KINDS["any"])
    assert {chunk.codec for chunk in chunks} == {"none", "gzip", "snappy", "lz4", "zstd"}
    assert {chunk.transaction for chunk in chunks} == {"", "commit", "abort"}
    assert whole.made["repeats"] > 100
