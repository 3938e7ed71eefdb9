"""Conditions and condition groups without which the verdict of every client would be the same."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rules.contradictions import Clause
from rules.possibilities import Possibilities


class Redundant(NamedTuple):
    """What could be left out, and beside what."""

    left_out: int
    beside: int
    same: bool
    """Both say the same; else the one that is left out says more (in a condition group) or less (as one)."""


def never_met(clauses: Iterable[Clause], possibilities: Possibilities) -> list[int]:
    """The numbers of the conditions that no client can meet. Raises GaveUp, as all here."""
    return [place for clause in clauses for place in clause if not possibilities.possible((place, True))]


def always_met(clause: Clause, possibilities: Possibilities) -> list[int]:
    """The conditions of one fact of which every client meets at least one; empty where none are such."""
    by_attribute: dict[str, list[int]] = {}
    for place in clause:
        if not possibilities.possible((place, False)):
            return [place]
        by_attribute.setdefault(possibilities.attributes[place], []).append(place)
    for places in by_attribute.values():
        if not possibilities.possible(*((place, False) for place in places)):
            return places
    return []


def alternatives(clause: Clause, possibilities: Possibilities) -> Iterator[Redundant]:
    """The conditions of a condition group of which whoever meets them meets another one of it, too.

    Takes the numbers of conditions that some clients meet and some fail; tells of each once.
    """

    def implies(one: int, other: int) -> bool:
        same_fact = possibilities.attributes[one] == possibilities.attributes[other]
        return same_fact and not possibilities.possible((one, True), (other, False))

    for at, place in enumerate(clause):
        for other_at, other in enumerate(clause):
            if at == other_at or not implies(place, other):
                continue
            same = implies(other, place)
            if not same or other_at < at:
                yield Redundant(place, other, same)
                break


def condition_groups(clauses: Sequence[Clause], possibilities: Possibilities) -> Iterator[Redundant]:
    """The condition groups that whoever meets another one meets, too; by their places in `clauses`.

    Takes those that some clients fail, with only the conditions that some meet; tells of each once.
    """

    def implies(one: Clause, other: Clause) -> bool:
        return all(
            not possibilities.possible(
                (place, True),
                *(
                    (each, False)
                    for each in other
                    if possibilities.attributes[each] == possibilities.attributes[place]
                ),
            )
            for place in one
        )

    for at, clause in enumerate(clauses):
        for other_at, other in enumerate(clauses):
            if at == other_at or not implies(other, clause):
                continue
            same = implies(clause, other)
            if not same or other_at < at:
                yield Redundant(at, other_at, same)
                break
