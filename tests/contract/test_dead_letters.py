"""design.md, *Poison*: a dead letter is the record as it came, and the reason in headers."""

import pytest

from events.commands import decode_command
from events.dead_letters import dead_letter
from events.decode import decode
from events.record import InvalidRecord, Record
from tests.contract.records import NOW, TIMESTAMP

POISON = Record(
    "payer-changed",
    3,
    17,
    TIMESTAMP,
    b"",
    b'{"client_id":"1","payer_id":"7","status":"company"}\n',
    (("x", b"\xff"), ("y", None), ("x", b"again")),
)


def invalid(record: Record) -> InvalidRecord:
    with pytest.raises(InvalidRecord) as caught:
        decode(record, now=NOW)
    return caught.value


def test_it_is_the_record_byte_for_byte_and_the_reason() -> None:
    letter = dead_letter(POISON, invalid(POISON))
    assert letter == (
        "payer-changed.dlt",
        b"",
        POISON.value,
        [
            ("x", b"\xff"),
            ("y", None),
            ("x", b"again"),
            ("__connect.errors.topic", b"payer-changed"),
            ("__connect.errors.partition", b"3"),
            ("__connect.errors.offset", b"17"),
            ("__connect.errors.exception.class.name", b"events.record.InvalidRecord"),
            (
                "__connect.errors.exception.message",
                b"status: expected one of legal_entity, individual, sole_proprietor",
            ),
            ("client-groups.error.code", b"code"),
        ],
        TIMESTAMP,
    )


def test_a_record_without_key_and_value_stays_so() -> None:
    tombstone = Record("client-deleted", 0, 1, TIMESTAMP, None, None)
    letter = dead_letter(tombstone, invalid(tombstone))
    assert (letter.key, letter.value) == (None, None)
    assert letter.headers[-1] == ("client-groups.error.code", b"empty_value")


def test_a_command_that_is_no_object() -> None:
    record = Record("group-commands", 0, 1, TIMESTAMP, None, b"put-group vip")
    with pytest.raises(InvalidRecord) as caught:
        decode_command(record, now=NOW)
    letter = dead_letter(record, caught.value)
    assert (letter.topic, letter.headers[-1]) == (
        "group-commands.dlt",
        ("client-groups.error.code", b"not_json"),
    )


def test_a_record_whose_handling_fails() -> None:
    letter = dead_letter(POISON, ZeroDivisionError("long \ud800 " + "x" * 5_000))
    headers = dict(letter.headers)
    assert headers["__connect.errors.exception.class.name"] == b"builtins.ZeroDivisionError"
    assert headers["client-groups.error.code"] == b"failed"
    assert len(headers["__connect.errors.exception.message"] or b"") == 2_000


def test_one_that_was_a_dead_letter_before_keeps_what_it_had() -> None:
    first = dead_letter(POISON, invalid(POISON))
    again = Record("payer-changed", 0, 99, TIMESTAMP, first.key, first.value, first.headers)
    second = dead_letter(again, invalid(again))
    assert second.headers[: len(first.headers)] == first.headers
    assert dict(second.headers)["__connect.errors.offset"] == b"99"
