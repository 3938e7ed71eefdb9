"""docs/console.md as what it is for the tests: events and commands in their order, each with its answer."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.console_tools import PAGE

_BLOCK = re.compile(r"^```json ([a-z-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^\| ((?:`[a-z_0-9]+`(?:, )?)+) \|", re.MULTILINE)
_NUMBERS = re.compile(r'"(\d+)","…","(\d+)"')


@dataclass(frozen=True)
class Example:
    topic: str
    """Or `command`."""
    text: str
    """One line."""
    answer: Any
    """None: an event."""


def examples() -> Iterator[Example]:
    """In the order of the page. Raises ValueError where a command has no answer or one nothing to answer."""
    blocks = iter(_BLOCK.findall(PAGE.read_text("utf-8")))
    for kind, text in blocks:
        line = text.rstrip("\n")
        if "\n" in line:
            raise ValueError(f"a console takes one line: {line}")
        answer = None
        if kind == "command":
            kind_after, answer_text = next(blocks)
            if kind_after != "answer":
                raise ValueError(f"there is no answer to {line}")
            answer = json.loads(answer_text)
        yield Example(kind, _NUMBERS.sub(_all, line), answer)


def _all(found: re.Match[str]) -> str:
    return ",".join(f'"{number}"' for number in range(int(found[1]), int(found[2]) + 1))


def codes() -> set[str]:
    """Those in the tables under *Codes*."""
    _, _, section = PAGE.read_text("utf-8").partition("\n## Codes\n")
    cells = _CODE.findall(section)
    return {code for cell in cells for code in re.findall(r"`([a-z_0-9]+)`", cell)}
