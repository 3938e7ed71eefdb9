"""Commands for the contract tests."""

from typing import Any

import pytest

from events.commands import Command, InvalidCommand, decode_command
from tests.contract.records import NOW, record


def read(value: object, **more: Any) -> Command:
    """Decode a command as it would come."""
    return decode_command(record("group-commands", value, **more), now=NOW)


def refused(value: object, **more: Any) -> InvalidCommand:
    """What is said of a command that is malformed."""
    with pytest.raises(InvalidCommand) as caught:
        read(value, **more)
    return caught.value


def wrong(value: object) -> dict[str, str]:
    """Code by path."""
    return {error.path: error.code for error in refused(value).errors}
