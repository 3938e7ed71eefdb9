"""What is left of a transaction's moves: the changes that it must have made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.support.model_state import Move


@dataclass(frozen=True)
class Expected:
    """One change that a transaction must have made: with these sources, by one of these moves."""

    client: str
    group: str
    change: str
    sources: frozenset[str]
    decided: frozenset[tuple[str, str]]
    """(moment, cause)."""


def net(moves: Iterable[Move]) -> Iterator[Expected]:
    """The joins and leaves that are not undone by the same moves."""
    by_membership: dict[tuple[str, str], list[Move]] = {}
    for move in moves:
        by_membership.setdefault((move.client, move.group), []).append(move)
    for (client, group), own in by_membership.items():
        first, last = own[0], own[-1]
        was_in, is_in = first.was is not None, last.what != "left"
        if was_in and not is_in:
            # In a transaction a membership may have changed its source before it ended.
            sources = frozenset(source for source in (first.was, last.was) if source is not None)
            yield Expected(client, group, "left", sources, frozenset({(last.moment, last.cause)}))
        if not was_in and is_in:
            since = max(at for at, move in enumerate(own) if move.what == "joined")
            decided = frozenset((move.moment, move.cause) for move in own[since:])
            yield Expected(client, group, "joined", frozenset({last.source}), decided)
