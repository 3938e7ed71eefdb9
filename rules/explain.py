"""Why a client matches a group or does not: each condition's verdict, and what would have to differ.

Conditions are judged by the very functions that the evaluator compares with (`rules.conditions`), and what
would have to differ is found by trying: nothing here knows what a comparison means.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum

from rules.attributes import Attribute, FactValue, attribute_of, fact_of
from rules.conditions import met, texts_of
from rules.differences import Different, to_match, to_no_match
from rules.model import Condition, ConditionType, Facts, Unknown


class Verdict(StrEnum):
    """Of all conditions together."""

    MATCH = "match"
    NO_MATCH = "no_match"
    UNKNOWN = "unknown"


class ConditionVerdict(StrEnum):
    """Of one condition."""

    MET = "met"
    NOT_MET = "not_met"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Judged:
    """A condition, and what came of it."""

    condition: Condition
    attribute: Attribute
    verdict: ConditionVerdict
    fact: str | tuple[str, ...] | None
    """What it read: a text, for payers and methods all that count; None: there is none, or it is unknown."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict of one group for one client, and how it came about."""

    verdict: Verdict
    conditions: tuple[Judged, ...]
    """In the order given."""
    would_differ: tuple[Different, ...]
    """Facts that, if they were so, would turn a match into none or the other way round; the fewest that were
    found. Empty: the verdict is unknown, or nothing was found."""


def explain(
    conditions: Sequence[Condition], facts: Facts, unknown: Set[Attribute] = frozenset()
) -> Explanation:
    """Explain what the evaluator says of these facts. A group without conditions matches nobody.

    `unknown` are attributes whose value is not known although `facts` may have one. Takes 50 ms at the most.
    """
    values = {
        attribute: Unknown.UNKNOWN if attribute in unknown else fact_of(attribute, facts)
        for attribute in map(attribute_of, conditions)
    }
    judged = tuple(_judge(condition, values[attribute_of(condition)]) for condition in conditions)
    verdict = verdict_of(judged)
    different: tuple[Different, ...] = ()
    if verdict is Verdict.MATCH:
        different = to_no_match(conditions, values)
    elif verdict is Verdict.NO_MATCH and conditions:
        different = to_match(conditions, values)
    return Explanation(verdict, judged, different)


def verdict_of(judged: Iterable[Judged]) -> Verdict:
    """AND over condition groups of OR over conditions, in Kleene's strong three-valued logic."""
    groups: dict[int, set[ConditionVerdict]] = {}
    for each in judged:
        groups.setdefault(each.condition.condition_group, set()).add(each.verdict)
    undecided = [found for found in groups.values() if ConditionVerdict.MET not in found]
    if not groups or any(ConditionVerdict.UNKNOWN not in found for found in undecided):
        return Verdict.NO_MATCH
    return Verdict.UNKNOWN if undecided else Verdict.MATCH


def _judge(condition: Condition, value: FactValue) -> Judged:
    attribute = attribute_of(condition)
    if isinstance(value, Unknown):
        return Judged(condition, attribute, ConditionVerdict.UNKNOWN, None)
    verdict = ConditionVerdict.MET if met(condition, value) else ConditionVerdict.NOT_MET
    texts = texts_of(condition, value)
    if isinstance(value, frozenset) and condition.type is not ConditionType.VERIFICATION_STATUS:
        return Judged(condition, attribute, verdict, tuple(sorted(set(texts))))
    return Judged(condition, attribute, verdict, texts[0] if texts else None)
