"""Kafka's own console producer and consumer, started as docs/console.md tells an operator to start them."""

import re
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local.stack import Stack

PAGE = Path(__file__).parents[2] / "docs" / "console.md"
CLASSES = {
    "kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
}
END_TIMEOUT_S = 30.0


def command_lines(script: str) -> list[list[str]]:
    """The options that the page gives a script, each time it stands in an example."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    lines = (shlex.split(line, comments=True) for line in "".join(blocks).replace("\\\n", "").splitlines())
    return [line[1:] for line in lines if line[:1] == [script]]


def _as_shown(stack: Stack, script: str, *more: str) -> list[str]:
    """The page's first line with this script, as a command line that runs here."""
    options = [
        option.replace("$KAFKA_BOOTSTRAP_SERVERS", stack.bootstrap_servers)
        for option in command_lines(script)[0]
    ]
    return stack.kafka.tool(CLASSES[script], *options, *more)


@contextmanager
def console_producer(stack: Stack) -> Iterator[Callable[[str], None]]:
    """Gives what types one line into it."""
    process = subprocess.Popen(
        # It would wait a second for more lines.
        _as_shown(stack, "kafka-console-producer.sh", "--timeout=0"),
        encoding="utf-8",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    stdin = process.stdin

    def type_line(line: str) -> None:
        assert "\n" not in line, "each line is a record of its own"
        stdin.write(f"{line}\n")
        stdin.flush()

    try:
        yield type_line
        _, errors = process.communicate(timeout=END_TIMEOUT_S)
        assert (process.returncode, errors) == (0, "")
    finally:
        process.kill()
        process.wait()


@contextmanager
def console_consumer(stack: Stack) -> Iterator[Sequence[str]]:
    """Gives the lines that it has printed so far."""
    process = subprocess.Popen(
        _as_shown(
            stack,
            "kafka-console-consumer.sh",
            "--from-beginning",
            # A read_committed fetch is not always woken by a commit; then it waits half a second by default.
            "--command-property=fetch.max.wait.ms=50",
        ),
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    lines: list[str] = []

    def read() -> None:
        assert process.stdout is not None
        with process.stdout as stdout:
            for line in stdout:
                lines.append(line)  # noqa: PERF402 - each is needed as it comes

    reading = threading.Thread(target=read)
    reading.start()
    try:
        yield lines
    finally:
        process.terminate()
        process.wait(END_TIMEOUT_S)
        reading.join(END_TIMEOUT_S)
