"""Conditions in one spelling: groups that ask the same are found by it, without comparing each with each."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from rules.attributes import Attribute, attribute_of
from rules.comparisons import number
from rules.every_text import compares_with_every_text
from rules.model import Comparison, Condition, ConditionType

_LISTS: Final = {
    Comparison.EQUALS: Comparison.ONE_OF,
    Comparison.NOT_EQUALS: Comparison.NONE_OF,
    Comparison.ONE_OF: Comparison.ONE_OF,
    Comparison.NONE_OF: Comparison.NONE_OF,
}
_OF_SEVERAL: Final = (ConditionType.PAYER_STATUS, ConditionType.VERIFICATION_METHOD)
"""Facts with several values: what holds for each list may hold for different ones of them."""


def digest(conditions: Sequence[Condition]) -> str | None:
    """A text that is the same for conditions of one normal form; None for no conditions.

    Conditions with the same digest give every client the same verdict. Those with different ones may too:
    the order, the numbers of condition groups, repetitions, and how lists are split make no difference here;
    what only follows from the meaning of a text or a number does.
    """
    if not conditions:
        return None
    clauses: dict[int, list[Condition]] = {}
    for condition in conditions:
        clauses.setdefault(condition.condition_group, []).append(condition)
    normal = _required(_alternatives(map(_in_one_spelling, clause)) for clause in clauses.values())
    # Escapes keep what UTF-8 cannot hold, half a surrogate pair.
    return hashlib.sha256(json.dumps(normal, separators=(",", ":")).encode()).hexdigest()


class _Spelling(NamedTuple):
    """A condition in its one spelling."""

    type: ConditionType
    attribute: Attribute
    comparison: Comparison
    values: frozenset[str]
    include_inactive: bool

    @property
    def as_json(self) -> list[object]:
        return [self.type, self.attribute, self.comparison, sorted(self.values), self.include_inactive]

    @property
    def fact(self) -> tuple[object, ...]:
        return self.type, self.attribute, self.comparison, self.include_inactive


def _in_one_spelling(condition: Condition) -> _Spelling:
    comparison = _LISTS.get(condition.comparison, condition.comparison)
    value = condition.value
    values = frozenset(() if value is None else (value,) if isinstance(value, str) else value)
    if compares_with_every_text(condition):
        negated = comparison is Comparison.NOT_CONTAINS
        comparison, values = Comparison.IS_NOT_SET if negated else Comparison.IS_SET, frozenset()
    elif comparison in (Comparison.GREATER_THAN, Comparison.LESS_THAN):
        values = frozenset(map(_plain_number, values))
    elif condition.type is ConditionType.VERIFICATION_STATUS and comparison is Comparison.NONE_OF:
        comparison, values = Comparison.ONE_OF, frozenset(("passed", "failed")) - values
    return _Spelling(condition.type, attribute_of(condition), comparison, values, condition.include_inactive)


def _plain_number(text: str) -> str:
    """`5`, `5.0` and `+50e-1` in one spelling."""
    parsed = number(text)
    if parsed is None or not parsed:
        return text if parsed is None else "0"
    sign, digits, exponent = parsed.as_tuple()
    written = "".join(map(str, digits)).lstrip("0")
    kept = written.rstrip("0")
    return f"{'-' if sign else ''}{kept}e{int(exponent) + len(written) - len(kept)}"


def _alternatives(clause: Iterable[_Spelling]) -> frozenset[_Spelling]:
    """One condition group: what lists of one fact say together is one list."""
    lists: dict[tuple[object, ...], list[_Spelling]] = {}
    others: set[_Spelling] = set()
    for each in clause:
        either = each.comparison is Comparison.NONE_OF and each.type not in _OF_SEVERAL
        if each.comparison is Comparison.ONE_OF or either:
            lists.setdefault(each.fact, []).append(each)
        else:
            others.add(each)
    return frozenset([*map(_any_of, lists.values()), *others])


def _any_of(lists: Sequence[_Spelling]) -> _Spelling:
    first, values = lists[0], [each.values for each in lists]
    of_all = first.comparison is Comparison.ONE_OF
    return first._replace(values=frozenset.union(*values) if of_all else frozenset.intersection(*values))


def _required(clauses: Iterable[frozenset[_Spelling]]) -> list[list[list[object]]]:
    """All condition groups, sorted; those that only list what one fact must not be, as one list."""
    left_out: dict[tuple[object, ...], list[_Spelling]] = {}
    normal: set[frozenset[_Spelling]] = set()
    for clause in clauses:
        first = next(iter(clause))
        if len(clause) == 1 and first.comparison is Comparison.NONE_OF:
            left_out.setdefault(first.fact, []).append(first)
        else:
            normal.add(clause)
    for lists in left_out.values():
        values = frozenset.union(*(each.values for each in lists))
        normal.add(frozenset([lists[0]._replace(values=values)]))
    return sorted(sorted(each.as_json for each in clause) for clause in normal)
