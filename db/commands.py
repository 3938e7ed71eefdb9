"""Answers by command id, so that a command that comes again does nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from db.queries import load

if TYPE_CHECKING:
    from db.connections import AnyConnection

_commands: Final = load("commands")


async def answer(connection: AnyConnection, command_id: str) -> bytes | None:
    """The value of the answer already given to this id, or None."""
    value: bytes | None = await _commands.answer(connection, command_id=command_id)
    return value


async def store(connection: AnyConnection, command_id: str, value: bytes) -> None:
    """Keep the answer given to this id."""
    await _commands.store(connection, command_id=command_id, answer=value)
