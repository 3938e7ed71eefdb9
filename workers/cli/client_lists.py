"""Lists of clients as operators give them: read, checked before anything is sent, split into commands."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import TypeAdapter, ValidationError

from events.fields import ClientId
from events.membership_commands import CLIENTS_MAX
from workers.console import COMMAND_BYTES_MAX
from workers.exits import USAGE, CommandError

CLIENTS_BYTES_MAX: Final = COMMAND_BYTES_MAX - 100_000
"""What a command's list may take of it; the rest is for the reason and the other fields."""
_ID: Final = TypeAdapter[str](ClientId)


def read_clients(given: Sequence[str], content: bytes | None) -> list[str]:
    """Clients of the command line, then those of a file, one a line; each once, blank lines passed over.

    Raises CommandError (USAGE) where there is none, or one cannot be an id: nothing may be half done for it.
    """
    found = dict.fromkeys(_id(client, "a client") for client in given)
    if content is not None:
        try:
            lines = content.decode("utf-8-sig").split("\n")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise CommandError(f"Error: line {line} of the file is not UTF-8 text.", USAGE) from error
        for at, line_text in enumerate(lines, 1):
            if client := line_text.strip():
                found[_id(client, f"line {at} of the file")] = None
    if not found:
        raise CommandError("Error: no clients are given: name some, or give --file.", USAGE)
    return list(found)


def split(clients: Sequence[str]) -> Iterator[list[str]]:
    """The clients in their order, in as few lists as commands can take."""
    part: list[str] = []
    size = 0
    for client in clients:
        takes = len(json.dumps(client, ensure_ascii=False).encode()) + 1
        if len(part) == CLIENTS_MAX or size + takes > CLIENTS_BYTES_MAX:
            yield part
            part, size = [], 0
        part.append(client)
        size += takes
    if part:
        yield part


def _id(client: str, where: str) -> str:
    try:
        return _ID.validate_python(client)
    except ValidationError as error:
        raise CommandError(
            f"Error: {where} is no id: expected text of 1-64 characters without control characters.", USAGE
        ) from error
