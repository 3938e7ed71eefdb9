"""YAML with the line of every value, for files that are written by hand.

What is plain is read as JSON reads it, as in YAML 1.2: a number keeps its digits as written (`1.10`), `true`,
`false` and `null` are what they say. All else is text, and so are the traps of YAML 1.1: `NO` (Norway),
`yes`, `007`, dates. Aliases and merge keys (`<<: *base`) work.

PyYAML gives the nodes, by its C parser; their values are read here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml import CollectionEndEvent, CollectionStartEvent, MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from events import written

Path = tuple[str | int, ...]
_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = _TAG + "merge"
_NUMBERS: Final = (_TAG + "int", _TAG + "float")
_TEXTS: Final = (_TAG + "str", _TAG + "timestamp", _TAG + "merge", _TAG + "value")
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""In C where PyYAML was built so."""
DEPTH_MAX: Final = 100
"""The C parser builds deeper nodes until its stack overflows."""


class NotYamlError(Exception):
    """A text that is no YAML; the message is a sentence without the place."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class YamlProblem:
    """What YAML allows and this reader does not: a key given twice, a list as a key."""

    path: Path
    line: int
    message: str


@dataclass(slots=True)
class Document:
    """One YAML document: its value as of JSON, and where each part of it stands."""

    root: Node | None
    value: Any = None
    problems: list[YamlProblem] = field(default_factory=list)

    def line_of(self, path: Sequence[str | int]) -> int:
        """The line (from 1) of what a path names; of the nearest thing around it where that is not there."""
        line, node = (1, None) if self.root is None else (_line(self.root), self.root)
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            line, node = found
        return line


def read(content: bytes) -> Document:
    """Read one document. Raises NotYamlError where it cannot be read at all."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise NotYamlError("expected UTF-8 text", content.count(b"\n", 0, exc.start) + 1) from exc
    try:
        _refuse_depth(text)
        document = Document(yaml.compose(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        raise NotYamlError(f"expected YAML: {_says(exc)}", 1 if mark is None else mark.line + 1) from exc
    except ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        raise NotYamlError("expected YAML: it holds a control character", line) from exc
    if document.root is not None:
        document.value = _Construction(document.problems).value(document.root, ())
    return document


def _refuse_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, CollectionStartEvent):
            depth += 1
            if depth > DEPTH_MAX:
                line = 1 if event.start_mark is None else event.start_mark.line + 1
                raise NotYamlError("expected YAML that is nested less deeply", line)
        elif isinstance(event, CollectionEndEvent):
            depth -= 1


def _says(error: yaml.MarkedYAMLError) -> str:
    says = ", ".join(part for part in (error.context, error.problem) if part) or "it cannot be read"
    if "cannot start any token" in says:
        says += " (a tab? Indent with spaces)"
    return says


class _Construction:
    def __init__(self, problems: list[YamlProblem]) -> None:
        self._problems = problems
        self._values: dict[int, Any] = {}
        """By identity of the node: an alias is read once."""
        self._open: set[int] = set()

    def value(self, node: Node, path: Path) -> Any:
        known = id(node)
        if known in self._open:
            self._say(path, node, "refers to itself")
            return None
        if known not in self._values:
            self._open.add(known)
            self._values[known] = self._read(node, path)
            self._open.remove(known)
        return self._values[known]

    def _read(self, node: Node, path: Path) -> Any:
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, ScalarNode) and not node.style and node.tag not in _TEXTS:
            return self._plain(node, path)
        return str(node.value)

    def _plain(self, node: Node, path: Path) -> Any:
        text = str(node.value)
        if node.tag == _TAG + "null":
            return None
        if node.tag == _TAG + "bool":
            # Others than these come in with %YAML 1.1 only.
            return text.lower() == "true" if text.lower() in ("true", "false") else text
        if node.tag not in _NUMBERS:
            self._say(path, node, f"the tag {str(node.tag)[:40]!a} is not known here")
            return None
        try:
            return written.loads(text)
        except ValueError:  # 007, 0x1F, .inf: no JSON numbers, and meant as texts
            return text

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, Node] = {}
        merged: list[Node] = []
        for key, item in node.value:
            if key.tag == _MERGE:
                merged += item.value if isinstance(item, SequenceNode) else [item]
            elif not isinstance(key, ScalarNode):
                self._say(path, key, "expected a name, not a list or an object, before the colon")
            elif (name := str(key.value)) in first:
                self._say((*path, name), key, f"is given twice, first in line {_line(first[name])}")
            else:
                first[name] = key
                found[name] = self.value(item, (*path, name))
        for item in merged:
            base = self.value(item, path)
            if isinstance(base, dict):
                found |= {name: value for name, value in base.items() if name not in found}
            else:
                self._say(path, item, "expected an object to merge after <<")
        return found

    def _say(self, path: Path, node: Node, message: str) -> None:
        self._problems.append(YamlProblem(path, _line(node), message))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _child(node: Node | None, step: str | int) -> tuple[int, Node] | None:
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return _line(item), item
    if isinstance(node, MappingNode) and isinstance(step, str):
        for key, item in _pairs(node):
            if key.value == step:
                return _line(key), item
    return None


def _pairs(node: MappingNode) -> Iterator[tuple[Node, Node]]:
    """The node's own keys before the merged ones."""
    yield from ((key, item) for key, item in node.value if key.tag != _MERGE)
    for key, item in node.value:
        if key.tag == _MERGE:
            for base in item.value if isinstance(item, SequenceNode) else [item]:
                if isinstance(base, MappingNode) and base is not node:
                    yield from _pairs(base)
