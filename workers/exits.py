"""How commands end: exit codes, and errors that are sentences instead of stack traces."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg
from aiokafka.errors import KafkaError

OK: Final = 0
CONFIGURATION: Final = 1
UNAVAILABLE: Final = 69  # EX_UNAVAILABLE of sysexits.h
CRASH: Final = 70  # EX_SOFTWARE


class CommandError(Exception):
    """A command cannot do its work: one sentence for whoever typed it."""

    def __init__(self, sentence: str, code: int = UNAVAILABLE) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code


@contextmanager
def said_plainly(doing: str) -> Iterator[None]:
    """Turn what Kafka, the database or the network raise into a CommandError: "Cannot <doing>: ..."."""
    try:
        yield
    except (KafkaError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CommandError(f"Cannot {doing}: {str(error) or type(error).__name__}") from error
