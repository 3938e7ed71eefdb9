"""What the commands of operators do over Kafka: connect, ask, follow pages; what goes wrong is a sentence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from events.outputs import GroupCommandResult
from events.reading_commands import LIMIT_MAX
from events.results import Page
from workers import settings
from workers.cli.output import consoles, sentence
from workers.console import Command, Console, ConsoleError
from workers.exits import NO_ANSWER, REFUSED, USAGE, CommandError, ConfigurationError
from workers.kafka import client_arguments

Done = TypeVar("Done")
Model = TypeVar("Model", bound=BaseModel)
Listed = TypeVar("Listed", bound=Page)


def kafka_arguments() -> dict[str, Any]:
    """How to reach Kafka, from the environment. Raises CommandError (USAGE)."""
    try:
        return client_arguments(settings.load_kafka())
    except ConfigurationError as error:
        raise CommandError("\n".join(error.sentences), USAGE) from error
    except OSError as error:
        raise CommandError(f"The certificate files cannot be read: {error}", USAGE) from error


def run(work: Callable[[Console], Awaitable[Done]]) -> Done:
    """Connect, do `work`, disconnect; blocks.

    Raises CommandError where Kafka or a worker does not answer, or where what was typed cannot be sent.
    """
    arguments = kafka_arguments()
    quieten()

    async def connected() -> Done:
        try:
            async with Console(arguments) as console:
                return await work(console)
        except ConsoleError as error:
            raise CommandError(f"Error: {error}.", NO_ANSWER) from error
        except UnicodeEncodeError as error:
            raise CommandError("Error: what was typed is not UTF-8 text.", USAGE) from error

    return asyncio.run(connected())


def quieten() -> None:
    """Say what goes wrong once, in a sentence, not by the client library as well."""
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    logging.getLogger("aiokafka").propagate = False


def ask(command: Command, timeout: float) -> GroupCommandResult:
    """Ask one command; blocks until it is answered, `timeout` seconds at most. Raises CommandError."""
    return run(lambda console: console.ask(command, timeout))


async def pages(
    console: Console,
    command: Command,
    rows: str,
    *,
    limit: int | None,
    timeout: float,  # noqa: ASYNC109 - seconds without an answer, for each page
) -> AsyncIterator[GroupCommandResult]:
    """All pages of a list, or those up to `limit` rows; a page that was rejected is the last.

    `rows` is the field of the result that has them. Raises ConsoleError.
    """
    after: str | None = None
    left = limit
    while True:
        page = LIMIT_MAX if left is None else min(left, LIMIT_MAX)
        so_far = {} if after is None else {"after": after}
        answer = await console.ask({**command, **so_far, "limit": page}, timeout)
        yield answer
        result = answer.result or {}
        after = result.get("after")
        if left is not None:
            left -= len(result.get(rows, ()))
        if after is None or (left is not None and left <= 0):
            return


def show_pages(
    command: Command,
    rows: str,
    model: type[Listed],
    *,
    limit: int | None,
    timeout: float,
    show: Callable[[Listed, bool], None],
    none: str,
) -> None:
    """Show a list page by page, so that the first of very many rows are there at once; blocks.

    `show` is given each page that has rows, and whether it is the first; `none` is said where there are none.
    Raises CommandError.
    """

    async def work(console: Console) -> None:
        shown = 0
        after = None
        async for answer in pages(console, command, rows, limit=limit, timeout=timeout):
            page = read(answer, model)
            found = len(getattr(page, rows))
            if found:
                show(page, not shown)
            shown += found
            after = page.after
        _, err = consoles()
        if not shown:
            err.print(none)
        elif after is not None:
            err.print("There are more.")

    run(work)


def joined(answers: Sequence[GroupCommandResult]) -> GroupCommandResult:
    """The pages of a list as one answer: the last one, with the rows of all; it alone where rejected."""
    last = answers[-1]
    if last.status == "rejected":
        return last
    result = dict(last.result or {})
    found = [answer.result or {} for answer in answers]
    for name, value in result.items():
        if isinstance(value, list):
            result[name] = [row for page in found for row in page.get(name, ())]
        elif isinstance(value, dict):
            result[name] = {key: row for page in found for key, row in page.get(name, {}).items()}
    return last.model_copy(update={"result": result})


def read(answer: GroupCommandResult, model: type[Model]) -> Model:
    """The result of an answer. Raises CommandError: REFUSED where there is none, with the errors."""
    if answer.status == "rejected":
        refuse([answer])
    try:
        # Workers newer than this may say more.
        return model.model_validate(answer.result, strict=False, extra="ignore")
    except ValidationError as error:
        raise CommandError(
            f"Error: the answer to {answer.command} is not as this version knows it; --json shows it.",
            NO_ANSWER,
        ) from error


def refuse(answers: Sequence[GroupCommandResult]) -> NoReturn:
    """Raise CommandError (REFUSED) with the errors of answers, a line each and each once."""
    lines = [f"Error: {sentence(problem)}" for answer in answers for problem in answer.errors]
    raise CommandError("\n".join(dict.fromkeys(lines)) or "Error: it was rejected.", REFUSED)
