"""Logs: one JSON object a line on stderr, no personal data, libraries' logs in the same form."""

import logging
import logging.config
import sys
import time
import traceback
from typing import Final

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from workers.settings import Settings

# These say at INFO what matters to those who work on them; ours say it in our words.
QUIET: Final = ("aiokafka", "faust", "mode", "asyncio", "aiohttp", "alembic", "asyncpg")
# aiokafka says the same line ten times a second while a broker is away.
REPEAT_SECONDS: Final = 10.0


class Once(logging.Filter):
    """Lets a library say the same line once in REPEAT_SECONDS, with a count of those held back."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide about one record; adds `repeated` to its message where lines were held back."""
        if record.levelno <= logging.INFO and str(record.msg).startswith("[^"):
            return False  # mode: each service says that it starts and stops
        if record.name.partition(".")[0] not in QUIET or record.levelno >= logging.CRITICAL:
            return True
        key = (record.name, record.levelno, str(record.msg))
        now = time.monotonic()
        last, held = self._seen.get(key, (-REPEAT_SECONDS, 0))
        if now - last < REPEAT_SECONDS:
            self._seen[key] = (last, held + 1)
            return False
        if len(self._seen) > 1000:
            self._seen.clear()
        self._seen[key] = (now, 0)
        if held:
            record.msg = f"{record.msg} (and {held} more such lines)"
        return True


def configure(settings: Settings) -> None:
    """Set up structlog and the standard library's logging. Call once, before anything logs."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[Processor]
    if settings.log_format == "json":
        # Tracebacks as text and without local variables: those may hold a client's data.
        last = [structlog.processors.format_exc_info, structlog.processors.EventRenamer("message"), _json]
    else:
        last = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    handler.addFilter(Once())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    level = logging.getLevelNamesMapping()[settings.log_level]
    for name in QUIET:
        # Never DEBUG: some of these libraries log whole records there.
        logging.getLogger(name).setLevel(
            logging.INFO if level < logging.INFO else max(level, logging.WARNING)
        )
    logging.captureWarnings(True)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger: `log.info("what happened", key=value)`. Values are never a client's data."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def failure(error: BaseException) -> dict[str, str]:
    """What of an error goes into a log: not its message, which may quote what a client said."""
    return {"error": type(error).__name__, "stack": "".join(traceback.format_tb(error.__traceback__))}


def _json(_: WrappedLogger, __: str, event: EventDict) -> str:
    return orjson.dumps(event, default=str).decode()
