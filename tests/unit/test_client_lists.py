"""Lists of clients for commands: read, refused, split; and when a pin ends."""

from datetime import UTC, datetime

import pytest

from events import written
from events.membership_commands import CLIENTS_MAX
from workers.cli.client_lists import read_clients, split
from workers.cli.expiry import expires_at
from workers.console import COMMAND_BYTES_MAX
from workers.exits import USAGE, CommandError

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def test_each_once_and_in_order() -> None:
    content = "\ufeff2\r\n\n  3 \n1\n2\nид\n".encode()
    assert read_clients(["1", "2", "1"], content) == ["1", "2", "3", "ид"]
    assert read_clients([], b"#7\na b") == ["#7", "a b"]


@pytest.mark.parametrize(
    ("given", "content", "says"),
    [
        ([], None, "no clients are given"),
        ([], b"\n \n", "no clients are given"),
        (["x" * 65], None, "a client is no id"),
        ([""], None, "a client is no id"),
        (["\udcff"], None, "a client is no id"),
        ([], b"1\n\n" + b"x" * 65, "line 3 of the file is no id"),
        ([], b"1\na\0b", "line 2 of the file is no id"),
        ([], b"1\n2\n\xff", "line 3 of the file is not UTF-8"),
    ],
)
def test_what_is_no_list_is_refused_before_anything_is_sent(
    given: list[str], content: bytes | None, says: str
) -> None:
    with pytest.raises(CommandError, match=says) as refused:
        read_clients(given, content)
    assert refused.value.code == USAGE


def test_split_by_number() -> None:
    clients = [str(number) for number in range(2 * CLIENTS_MAX + 5)]
    parts = list(split(clients))
    assert [len(part) for part in parts] == [CLIENTS_MAX, CLIENTS_MAX, 5]
    assert [client for part in parts for client in part] == clients
    assert list(split([])) == []
    assert list(split(["1"])) == [["1"]]


def test_split_by_size() -> None:
    clients = [f"{number:05}" + "東" * 59 for number in range(CLIENTS_MAX)]
    parts = list(split(clients))
    assert len(parts) > 1
    assert [client for part in parts for client in part] == clients
    command = {"command": "add-members", "group": "g" * 64, "reason": "東" * 1000, "actor": "a" * 200}
    for part in parts:
        assert len(written.dumps({**command, "clients": part}).encode()) < COMMAND_BYTES_MAX


@pytest.mark.parametrize(
    ("given", "time"),
    [
        ("90m", "2026-11-22T11:30:00.000000Z"),
        ("12h", "2026-11-22T22:00:00.000000Z"),
        ("30d", "2026-12-22T10:00:00.000000Z"),
        ("2w", "2026-12-06T10:00:00.000000Z"),
        ("2027-01-01T00:00:00+01:00", "2026-12-31T23:00:00.000000Z"),
    ],
)
def test_when_a_pin_ends(given: str, time: str) -> None:
    assert expires_at(given, NOW) == time


@pytest.mark.parametrize("given", ["", "1", "0d", "-1d", "1y", "2027-01-01", "tomorrow", "999999w"])
def test_what_is_no_end(given: str) -> None:
    with pytest.raises(CommandError, match="--expires: expected") as refused:
        expires_at(given, NOW)
    assert refused.value.code == USAGE
