"""What is useless in a group's rules though it is legal: findings that are warned of and never refused.

What is said is so for every client there can be: *impossible* where no facts give a match, *always true*
where all known facts do, *implied* where the verdict is the same without. Not all that is so is found: texts
that regular expressions describe, and very large groups, are looked into only so far.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from rules.contradictions import Clause, contradictory
from rules.countries import withdrawn
from rules.every_text import compares_with_every_text
from rules.model import Comparison, Condition, ConditionType, GroupRules
from rules.possibilities import Budget, GaveUp, Possibilities
from rules.problems import Problem
from rules.redundancy import alternatives, always_met, condition_groups, never_met

MAX_FINDINGS: Final = 50
MAX_QUESTIONS: Final = 10_000
"""What each kind of finding may cost: some 20 ms, as nobody can evaluate rules while they are saved."""

_COUNTRIES: Final = (ConditionType.COUNTRY, ConditionType.GEOIP_COUNTRY)


def lint(rules: GroupRules, *, periodic: bool) -> list[Problem]:
    """What to warn of in a group whose conditions have no problems: at most 50 findings, then how many more.

    `periodic`: whether the group is checked on a schedule. Takes tenths of a millisecond for a usual group,
    some 0.2 s for the largest.
    """
    found = [
        *_of_logic(rules.conditions),
        *_of_values(rules.conditions),
        *_of_moments(rules, periodic=periodic),
    ]
    if len(found) > MAX_FINDINGS:
        message = f"Put the others right first: there are {len(found) - MAX_FINDINGS:,} more findings."
        return [*found[:MAX_FINDINGS], Problem("more_findings", "conditions", message)]
    return found


class _Logic(NamedTuple):
    """A group's conditions, with what has been found of them."""

    clauses: Mapping[int, Clause]
    """By the number of the condition group."""
    possibilities: Possibilities
    never: set[int]
    """Conditions that no client meets."""
    always: dict[int, list[int]]
    """Condition groups that every client meets, with the conditions that say so."""

    def told(self, numbers: Iterable[int]) -> dict[int, Clause]:
        """These condition groups, with their conditions that some clients meet and some fail."""
        left = {
            number: [place for place in self.clauses[number] if place not in self.never] for number in numbers
        }
        return {number: clause for number, clause in left.items() if clause and number not in self.always}


def _of_logic(conditions: Sequence[Condition]) -> Iterator[Problem]:
    clauses: dict[int, list[int]] = {}
    for place, condition in enumerate(conditions):
        clauses.setdefault(condition.condition_group, []).append(place)
    possibilities = Possibilities(conditions, Budget(MAX_QUESTIONS))
    logic = _Logic(clauses, possibilities, set(), {})
    for find in (_never_met, _always_true, _impossible, _duplicate):
        possibilities.budget = Budget(MAX_QUESTIONS)
        try:
            yield from find(logic)
        except GaveUp:
            continue


def _never_met(logic: _Logic) -> Iterator[Problem]:
    logic.never.update(never_met(logic.clauses.values(), logic.possibilities))
    for clause in logic.clauses.values():
        if logic.never.issuperset(clause):
            continue  # said to be impossible
        message = "Remove the condition or change its value: no client can meet it."
        yield from (Problem("never_met", _path(place), message) for place in clause if place in logic.never)


def _always_true(logic: _Logic) -> Iterator[Problem]:
    for number, clause in logic.clauses.items():
        places = always_met(clause, logic.possibilities)
        if places:
            logic.always[number] = places
            message = (
                f"Remove condition group {number}, or narrow it: every client meets it ({_all_of(places)})."
            )
            yield Problem("always_true", _path(places[-1]), message)


def _impossible(logic: _Logic) -> Iterator[Problem]:
    numbers = list(logic.clauses)
    needed = [numbers[each] for each in contradictory(list(logic.clauses.values()), logic.possibilities)]
    if not needed:
        return
    path = _path(logic.clauses[needed[-1]][0])
    if len(needed) == 1:
        message = f"Widen condition group {needed[0]}: no client can meet it, so that nobody ever matches."
    else:
        names = _and([str(number) for number in needed])
        message = (
            f"Give alternatives the same condition_group, or remove one: no client can meet condition groups"
            f" {names} at once, so that nobody ever matches."
        )
    yield Problem("impossible", path, message)


def _duplicate(logic: _Logic) -> Iterator[Problem]:
    told = logic.told(logic.clauses)
    for clause in told.values():
        for place, beside, same in alternatives(clause, logic.possibilities):
            if same:
                message = f"Remove one of the two: it says the same as {_path(beside)}."
                yield Problem("duplicate_condition", _path(place), message)
            else:
                message = (
                    f"Remove it, or give it a condition_group of its own: whoever meets it meets"
                    f" {_path(beside)} too, and one of the two is enough."
                )
                yield Problem("implied_condition", _path(place), message)
    numbers = list(told)
    for left_out, beside, same in condition_groups(list(told.values()), logic.possibilities):
        number, other = numbers[left_out], numbers[beside]
        path = _path(logic.clauses[number][0])
        if same:
            message = (
                f"Remove one of the two: condition group {number} says the same as condition group {other}."
            )
            yield Problem("duplicate_condition", path, message)
        else:
            message = (
                f"Remove condition group {number}: whoever meets condition group {other} meets it too,"
                " and both are required."
            )
            yield Problem("implied_condition", path, message)


def _of_values(conditions: Sequence[Condition]) -> Iterator[Problem]:
    for place, condition in enumerate(conditions):
        if compares_with_every_text(condition):
            better = "is_not_set" if condition.comparison is Comparison.NOT_CONTAINS else "is_set"
            what = "regular expression" if condition.comparison is Comparison.MATCHES else "value"
            message = f"Use {better}, or another {what}: it is found in every text."
            yield Problem("matches_every_text", f"{_path(place)}.value", message)
        if condition.type in _COUNTRIES and condition.value is not None:
            codes = (condition.value,) if isinstance(condition.value, str) else condition.value
            for code in codes:
                country = withdrawn(code)
                if country is not None:
                    message = (
                        f"Name the countries that took its place: {code} does not exist any more ({country})."
                    )
                    yield Problem("country_withdrawn", f"{_path(place)}.value", message)


def _of_moments(rules: GroupRules, *, periodic: bool) -> Iterator[Problem]:
    if not rules.conditions or rules.upon_change or periodic:
        return
    if not rules.upon_registration:
        message = (
            "Turn on upon_registration, upon_change or periodic: the conditions are never checked"
            " but by start-check."
        )
        yield Problem("never_checked", "auto_assignment", message)
    elif rules.exclude:
        message = (
            "Turn on upon_change or periodic, or exclude off: a check upon registration only adds,"
            " so that clients are taken out by start-check alone."
        )
        yield Problem("exclude_never_applies", "auto_assignment.exclude", message)


def _path(place: int) -> str:
    return f"conditions[{place}]"


def _all_of(places: Sequence[int]) -> str:
    return _and([_path(place) for place in places])


def _and(names: Sequence[str]) -> str:
    shown = [*names[:10], *([f"{len(names) - 10} more"] if len(names) > 10 else [])]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
