"""What would have to differ for another verdict: found by trying facts that the conditions speak of.

Each trial asks the comparison functions themselves (`rules.conditions.met`), so that what is found is right.
It may be that there is something and it is not found.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, combinations, islice
from typing import Final, NamedTuple

from rules.attributes import PARAMETER_PREFIX, PAYERS, VERIFICATIONS, Attribute, FactValue, attribute_of
from rules.comparisons import number
from rules.conditions import met
from rules.model import Comparison, Condition, ConditionType, Payer, Unknown
from rules.problems import CLOSED_VALUES

MOST_CHANGES: Final = 4
"""Facts that may have to differ together; more are of no help to anybody."""
MOST_TRIALS: Final = 20_000
"""Comparisons spent on looking: some 20 ms."""
MOST_VALUES: Final = 100
"""Of one condition's list, and of one fact, that are tried."""
_AT_ONCE: Final = 50
"""Values of a list that take as long to compare with as one comparison."""


_PAYERS: Final = tuple(
    Payer(status, active)
    for active in (True, False)
    for status in sorted(CLOSED_VALUES[ConditionType.PAYER_STATUS])
)


class Different(NamedTuple):
    """A fact as it would have to be."""

    attribute: Attribute
    value: FactValue


Values = Mapping[Attribute, FactValue]


def to_no_match(conditions: Sequence[Condition], values: Values) -> tuple[Different, ...]:
    """The fewest facts that turn a match into none: those with which one condition group fails as a whole."""
    search = _Search(conditions, values)
    best: tuple[Different, ...] = ()
    try:
        for of_group in search.groups.values():
            found = search.failing(of_group)
            if found and (not best or len(found) < len(best)):
                best = found
    except _SpentError:
        pass
    return best


def to_match(conditions: Sequence[Condition], values: Values) -> tuple[Different, ...]:
    """The fewest facts that turn no match into one, one after another for the condition groups that fail."""
    search = _Search(conditions, values)
    try:
        for changes in range(1, MOST_CHANGES + 1):
            found = search.matching({}, changes)
            if found is not None:
                return tuple(Different(*each) for each in found.items())
    except _SpentError:
        pass
    return ()


class _SpentError(Exception):
    """Enough was tried."""


class _Search:
    """The conditions by group and attribute, and the values that may make a difference to each."""

    def __init__(self, conditions: Sequence[Condition], values: Values) -> None:
        self.groups: dict[int, dict[Attribute, list[Condition]]] = {}
        by_attribute: dict[Attribute, list[Condition]] = {}
        for condition in conditions:
            attribute = attribute_of(condition)
            of_group = self.groups.setdefault(condition.condition_group, {})
            of_group.setdefault(attribute, []).append(condition)
            by_attribute.setdefault(attribute, []).append(condition)
        self._values = values
        self._candidates = {
            attribute: candidates(attribute, found, values[attribute])
            for attribute, found in by_attribute.items()
        }
        self._left = MOST_TRIALS

    def failing(self, of_group: Mapping[Attribute, Sequence[Condition]]) -> tuple[Different, ...]:
        """The facts with which none of a condition group's conditions is met; empty where there are none."""
        different = []
        for attribute, conditions in of_group.items():
            now = self._values[attribute]
            if not isinstance(now, Unknown) and not self._met(conditions, now):
                continue
            tried = (Different(attribute, each) for each in self._candidates[attribute])
            fails = next((each for each in tried if not self._met(conditions, each.value)), None)
            if fails is None:
                return ()
            different.append(fails)
        return tuple(different)

    def matching(self, changed: dict[Attribute, FactValue], more: int) -> dict[Attribute, FactValue] | None:
        """At the most `more` further changes with which all condition groups hold."""
        values = {**self._values, **changed}
        fails = next((each for each in self.groups.values() if not self._holds(each, values)), None)
        if fails is None:
            return changed
        if not more:
            return None
        for attribute, conditions in fails.items():
            if attribute in changed:
                continue
            for value in self._candidates[attribute]:
                if self._met(conditions, value):
                    found = self.matching({**changed, attribute: value}, more - 1)
                    if found is not None:
                        return found
        return None

    def _holds(self, of_group: Mapping[Attribute, Sequence[Condition]], values: Values) -> bool:
        return any(self._met(conditions, values[attribute]) for attribute, conditions in of_group.items())

    def _met(self, conditions: Sequence[Condition], value: FactValue) -> bool:
        if isinstance(value, Unknown):
            return False
        for condition in conditions:
            self._left -= 1 + len(condition.value or ()) // _AT_ONCE
            if self._left < 0:
                raise _SpentError
            if met(condition, value):
                return True
        return False


def candidates(attribute: Attribute, conditions: Sequence[Condition], now: FactValue) -> list[FactValue]:
    """Other values of an attribute that may make a difference to conditions on it, the nearest first."""
    present = now if isinstance(now, frozenset) else frozenset()
    if attribute == PAYERS:
        return _near(present, _PAYERS)
    if attribute == VERIFICATIONS:
        return _near(present, CLOSED_VALUES[ConditionType.VERIFICATION_METHOD])
    texts = chain.from_iterable(_texts(condition, attribute) for condition in conditions)
    found: list[FactValue] = list(islice((text for text in dict.fromkeys(texts) if text != now), MOST_VALUES))
    return found if now is None else [*found, None]


def _near(present: frozenset[object], kinds: Sequence[object]) -> list[FactValue]:
    """The sets of these kinds, those first that differ least from the present one."""
    every = chain.from_iterable(combinations(kinds, size) for size in range(len(kinds) + 1))
    sets = sorted(map(frozenset, every), key=lambda each: len(each ^ present))
    return [each for each in sets if each != present]  # type: ignore[misc]  # of the one kind or the other


def _texts(condition: Condition, attribute: Attribute) -> Iterator[str]:
    value = condition.value
    given = [value] if isinstance(value, str) else list(value or ())[:MOST_VALUES]
    if not attribute.startswith(PARAMETER_PREFIX):
        yield from given
        return
    if condition.comparison is not Comparison.MATCHES:
        yield from given
    if condition.comparison in (Comparison.GREATER_THAN, Comparison.LESS_THAN):
        bound = number(given[0])
        if bound is not None and abs(bound.adjusted()) < 20:
            yield from (str(bound + 1), str(bound - 1))
    # Set, and nothing that anybody asks for.
    yield from ("", "other")
