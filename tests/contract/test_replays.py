"""contracts.md, *replay-dead-letters*: what a dead letter says of itself, and what is put back."""

from typing import Any

import pytest

from events.dead_letters import dead_letter
from events.decode import decode
from events.record import InvalidRecord, Place, Record
from events.replays import Letter, letter_of, own_headers, replay_headers, restored
from tests.contract.records import NOW, TIMESTAMP

OWN = (("x", b"\xff"), ("y", None), ("x", b"again"))
POISON = Record("payer-changed", 3, 17, TIMESTAMP, b"k", b'{"client_id":"1"}', OWN)
DEATH = InvalidRecord("missing", "payer_id: is required")


def buried(record: Record, offset: int = 5) -> Record:
    topic, key, value, headers, timestamp = dead_letter(record, DEATH)
    return Record(topic, 0, offset, timestamp, key, value, headers)


def put_back(record: Record, replays: int = 1) -> Record:
    """Where a dead letter comes in again, much later."""
    letter = letter_of(record)
    assert letter is not None
    headers = replay_headers(letter, record.timestamp, record.headers, replays=replays)
    return restored(Record(letter.topic, 0, 99, TIMESTAMP + 5_000, record.key, record.value, headers))


def test_what_is_put_back_counts_as_what_it_was() -> None:
    again = put_back(buried(POISON))
    assert (again.first, again.place, again.timestamp) == (Place(3, 17), Place(3, 17), TIMESTAMP)
    assert again.cause == POISON.cause == "payer-changed/3/17"
    assert (again.partition, again.offset, again.here) == (0, 99, "payer-changed/0/99")
    assert (again.key, again.value, tuple(own_headers(again.headers))) == (b"k", POISON.value, OWN)
    assert POISON.place == (3, 17)


def test_the_headers_of_what_is_put_back() -> None:
    assert put_back(buried(POISON)).headers == (
        ("client-groups.first.cause", b"payer-changed/3/17"),
        ("client-groups.first.timestamp", b"%d" % TIMESTAMP),
        ("client-groups.replays", b"1"),
        *OWN,
    )


def test_one_that_dies_again_is_found_by_its_first_place_and_says_how_often_it_was_put_back() -> None:
    second = buried(put_back(buried(POISON)))
    assert letter_of(second) == Letter("payer-changed", Place(3, 17), "missing")
    assert second.timestamp == TIMESTAMP
    assert dict(second.headers)["client-groups.replays"] == b"1"
    third = put_back(second, replays=2)
    assert third.cause == "payer-changed/3/17"
    assert [value for name, value in third.headers if name.startswith("client-groups.")][2:] == [b"2"]
    assert not [name for name, _ in third.headers if name.startswith("__connect.errors.")]


def test_its_time_is_that_of_its_first_arrival() -> None:
    record = Record("client-deleted", 0, 1, TIMESTAMP, b"1", b'{"client_id":"1"}')
    assert decode(put_back(buried(record)), now=NOW).time == decode(record, now=NOW).time


@pytest.mark.parametrize(
    "given",
    [
        None,
        b"",
        b"payer-changed/3",
        b"payer-changed/3/x",
        b"payer-changed/-3/1",
        b"payer-changed/2147483648/1",
        b"payer-changed/3/9223372036854775808",
        b"client-changed/3/1",
        b"\xff/3/1",
        b" payer-changed/3/1",
    ],
)
def test_a_first_place_that_cannot_be_one_is_ignored(given: bytes | None) -> None:
    headers = (("client-groups.first.cause", given), ("client-groups.first.timestamp", b"1"))
    record = POISON._replace(headers=headers)
    assert restored(record) is record


@pytest.mark.parametrize("given", [None, b"", b"x", b"9223372036854775808", b"1.5"])
def test_a_first_time_that_cannot_be_one_is_ignored(given: bytes | None) -> None:
    headers = (
        ("client-groups.first.cause", b"payer-changed/1/2"),
        ("client-groups.first.timestamp", given),
    )
    again = restored(POISON._replace(headers=headers))
    assert (again.cause, again.timestamp) == ("payer-changed/1/2", TIMESTAMP)


@pytest.mark.parametrize(
    "wrong",
    [
        {"__connect.errors.topic": b"client-changed"},
        {"__connect.errors.topic": None},
        {"__connect.errors.partition": b"x"},
        {"__connect.errors.offset": b"-1"},
        {"__connect.errors.offset": None},
    ],
)
def test_what_does_not_say_which_record_it_was_is_no_letter(wrong: dict[str, Any]) -> None:
    letter = buried(POISON)
    assert letter_of(letter._replace(headers=(*letter.headers, *wrong.items()))) is None
    assert letter_of(letter._replace(headers=())) is None


def test_the_last_death_counts() -> None:
    letter = buried(POISON)
    headers = (*letter.headers, ("client-groups.error.code", b"failed"), ("__connect.errors.offset", b"18"))
    assert letter_of(letter._replace(headers=headers)) == Letter("payer-changed", Place(3, 18), "failed")
