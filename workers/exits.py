"""How commands end: the exit codes of all of them, and errors that are sentences instead of stack traces."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

OK: Final = 0
CONFIGURATION: Final = 1
"""Wrong settings, for the commands that run the worker and prepare what it needs."""
UNAVAILABLE: Final = 69  # EX_UNAVAILABLE of sysexits.h
CRASH: Final = 70  # EX_SOFTWARE

REFUSED: Final = 1
"""A worker, or a look at the input, refused what an operator wanted; or a run of it did not end well."""
USAGE: Final = 2
"""Nothing was sent: what was typed, or a setting, cannot be used."""
NO_ANSWER: Final = 3
"""No Kafka, or no answer. What was sent may still be carried out."""
INTERRUPTED: Final = 130
"""Ctrl-C, as shells count it. What was ordered goes on."""
OPERATOR_CODES: Final = "Exit codes: 0 done, 1 refused, 2 usage, 3 no Kafka or no answer."


class ConfigurationError(Exception):
    """Settings that cannot be used: one sentence for each. The worker's process ends with CONFIGURATION."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


class CommandError(Exception):
    """A command cannot do its work: one sentence for whoever typed it."""

    def __init__(self, sentence: str, code: int = UNAVAILABLE) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code


@contextmanager
def said_plainly(doing: str) -> Iterator[None]:
    """Turn what Kafka, the database or the network raise into a CommandError: "Cannot <doing>: ..."."""
    import asyncpg  # only here: the command line imports this module for every --help
    from aiokafka.errors import KafkaError

    try:
        yield
    except (KafkaError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CommandError(f"Cannot {doing}: {str(error) or type(error).__name__}") from error
