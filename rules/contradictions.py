"""Whether any client can meet all of a group's condition groups, and which of them cannot go together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rules.attributes import Attribute
from rules.possibilities import GaveUp, Possibilities, Room

Clause = Sequence[int]
"""The numbers of the conditions of one condition group."""


def contradictory(clauses: Sequence[Clause], possibilities: Possibilities) -> list[int]:
    """The numbers of condition groups that no client can meet all at once; empty where there may be one.

    None of those named could be left out, unless to find out takes too long. Raises GaveUp where all does.
    """
    if _may_be_met(clauses, possibilities):
        return []
    needed: list[int] = []
    among = list(range(len(clauses)))
    try:
        while among and _may_be_met([clauses[each] for each in needed], possibilities):
            # The shortest beginning that cannot be met with those found so far: its last one is needed.
            possible, impossible = 0, len(among)
            while impossible - possible > 1:
                middle = (possible + impossible) // 2
                tried = [*needed, *among[:middle]]
                if _may_be_met([clauses[each] for each in tried], possibilities):
                    possible = middle
                else:
                    impossible = middle
            needed.append(among[impossible - 1])
            among = among[: impossible - 1]
    except GaveUp:
        return sorted([*needed, *among])
    return sorted(needed)


class _Node(NamedTuple):
    """A part of the search: the facts so far, and what is still to be met."""

    rooms: Mapping[Attribute, Room]
    clauses: Sequence[Clause]


def _may_be_met(clauses: Sequence[Clause], possibilities: Possibilities) -> bool:
    """A search in depth, by the condition group with the fewest ways left to meet it; never wrongly False."""
    rooms = {attribute: possibilities.everything(attribute) for attribute in set(possibilities.attributes)}
    nodes = [_Node(rooms, _without_easy(clauses, possibilities))]
    while nodes:
        settled = _settled(nodes.pop(), possibilities)
        if settled is None:
            continue
        if not settled.clauses:
            return True
        nodes += _branches(settled, possibilities)
    return False


def _without_easy(clauses: Sequence[Clause], possibilities: Possibilities) -> Sequence[Clause]:
    """The condition groups, but those with a condition that can be met whatever the others ask for."""
    while True:
        possibilities.budget.spend(sum(map(len, clauses)))
        readers = Counter(
            attribute
            for clause in clauses
            for attribute in {possibilities.attributes[place] for place in clause}
        )
        kept = [
            clause
            for clause in clauses
            if not any(
                readers[possibilities.attributes[place]] == 1 and possibilities.possible((place, True))
                for place in clause
            )
        ]
        if len(kept) == len(clauses):
            return kept
        clauses = kept


def _settled(node: _Node, possibilities: Possibilities) -> _Node | None:
    """The node with all that follows without a choice; None where a condition group cannot be met."""
    rooms = dict(node.rooms)
    clauses = node.clauses
    moved = True
    while moved:
        moved = False
        left: list[Clause] = []
        for clause in clauses:
            open_ = _open(rooms, clause, possibilities)
            if open_ is None:
                continue
            if not open_:
                return None
            if len(open_) > 1:
                left.append(list(open_))
                continue
            ((place, room),) = open_.items()
            rooms[possibilities.attributes[place]] = room
            moved = True
        clauses = left
    return _Node(rooms, clauses)


def _open(
    rooms: Mapping[Attribute, Room], clause: Clause, possibilities: Possibilities
) -> dict[int, Room] | None:
    """The conditions that can still be met, with what that would leave; None where one is met already."""
    open_: dict[int, Room] = {}
    for place in clause:
        room = rooms[possibilities.attributes[place]]
        narrowed = possibilities.narrowed(room, place, meet=True)
        if narrowed is None:
            continue
        if room.wanted and possibilities.narrowed(room, place, meet=False) is None:
            return None
        open_[place] = narrowed
    return open_


def _branches(node: _Node, possibilities: Possibilities) -> list[_Node]:
    """One node for each way to meet the condition group with the fewest, each without the ways before it."""
    chosen = min(range(len(node.clauses)), key=lambda each: len(node.clauses[each]))
    rest = [clause for each, clause in enumerate(node.clauses) if each != chosen]
    branches: list[_Node] = []
    rooms = dict(node.rooms)
    for place in node.clauses[chosen]:
        attribute = possibilities.attributes[place]
        met = possibilities.narrowed(rooms[attribute], place, meet=True)
        if met is not None:
            branches.append(_Node({**rooms, attribute: met}, rest))
        failed = possibilities.narrowed(rooms[attribute], place, meet=False)
        if failed is None:
            break
        rooms[attribute] = failed
    return branches[::-1]
