"""What a single condition means: whether it holds for a client, and what is wrong with it as written.

A condition reads one fact, takes the texts that the fact offers (none, one or several) and holds when its
comparison does for any of them. A negated comparison is the exact negation of its positive one:
`not_equals` holds when no text equals, and so for a client that has none.
"""

from typing import Final

from rules.attributes import FactValue, attribute_of, fact_of
from rules.comparisons import NEGATED, POSITIVE
from rules.model import Condition, ConditionType, Facts, Payer, Unknown
from rules.problems import Problem, problems, problems_of

__all__ = ["Problem", "holds", "met", "problems", "problems_of", "texts_of"]

_PASSED: Final = ("passed",)
_FAILED: Final = ("failed",)


def holds(condition: Condition, facts: Facts) -> bool | None:
    """Whether the client meets the condition; None where the fact it reads is not known.

    None is the third value of Kleene's strong logic (S. C. Kleene, *Introduction to Metamathematics*,
    section 64): a negation of unknown is unknown too.
    """
    value = fact_of(attribute_of(condition), facts)
    return None if isinstance(value, Unknown) else met(condition, value)


def met(condition: Condition, value: FactValue) -> bool:
    """Whether the condition holds for a known value of its attribute."""
    positive = NEGATED.get(condition.comparison)
    compare = POSITIVE[positive or condition.comparison]
    found = any(compare(text, condition.value) for text in texts_of(condition, value))
    return found if positive is None else not found


def texts_of(condition: Condition, value: FactValue) -> tuple[str, ...]:
    """The texts that the condition compares with its value: none, one, or one for each payer or method.

    `failed` means *has passed in no way*, so that a client without any verification has failed.
    """
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Unknown):
        raise TypeError("an unknown fact offers no texts to compare")
    if condition.type is ConditionType.VERIFICATION_STATUS:
        return _PASSED if value else _FAILED
    return tuple(
        item.status if isinstance(item, Payer) else item
        for item in value
        if not isinstance(item, Payer) or item.active or condition.include_inactive
    )
