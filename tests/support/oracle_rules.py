"""The plain evaluator: the rule language once more, as obvious loops, to hold the compiled one against.

It shares the model with `rules/` and nothing else, so that one mistake is not made in both.
"""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

import re2

from rules.model import Comparison, Condition, ConditionType, Facts, GroupRules, Unknown

UNKNOWN = Unknown.UNKNOWN


def condition_verdict(condition: Condition, facts: Facts) -> bool | None:
    """Whether the client meets the condition; None = unknown."""
    texts = _texts(condition, facts)
    if texts is None:
        return None
    comparison, value = condition.comparison, condition.value
    if comparison is Comparison.NOT_EQUALS:
        return all(text != value for text in texts)
    if comparison is Comparison.NONE_OF:
        return all(text not in _listed(value) for text in texts)
    if comparison is Comparison.NOT_CONTAINS:
        return all(_text(value) not in text for text in texts)
    if comparison is Comparison.IS_NOT_SET:
        return texts == []
    return any(_positive(comparison, text, value) for text in texts)


def group_verdict(rules: GroupRules, facts: Facts) -> bool | None:
    """Whether the client matches: AND over condition groups of OR over conditions. Without any: False."""
    if not rules.conditions:
        return False
    verdict: bool | None = True
    for number in {condition.condition_group for condition in rules.conditions}:
        of_clause = [
            condition_verdict(condition, facts)
            for condition in rules.conditions
            if condition.condition_group == number
        ]
        if True in of_clause:
            continue
        if None not in of_clause:
            return False
        verdict = None
    return verdict


def matching(groups: Iterable[GroupRules], facts: Facts) -> set[str]:
    """The ids of the groups that the client surely matches."""
    return {rules.group for rules in groups if group_verdict(rules, facts) is True}


def not_matching(groups: Iterable[GroupRules], facts: Facts) -> set[str]:
    """The ids of the groups that the client surely does not match, and that have conditions."""
    return {rules.group for rules in groups if rules.conditions and group_verdict(rules, facts) is False}


def change_of(
    rules: GroupRules, verdict: bool | None, *, checked: bool, member: bool, manual: bool, may_leave: bool
) -> str | None:
    """`joins`, `leaves` or None: what a check of one client does for one group."""
    if not checked or not rules.conditions or verdict is None:
        return None
    if verdict:
        return None if member else "joins"
    if not member or not may_leave or not rules.exclude:
        return None
    if manual and rules.keep_manual:
        return None
    return "leaves"


def _texts(condition: Condition, facts: Facts) -> list[str] | None:
    """What the condition compares with: none, one or several texts; None = unknown."""
    match condition.type:
        case ConditionType.COUNTRY:
            return _given(facts.country)
        case ConditionType.GEOIP_COUNTRY:
            geoip_country = facts.geoip_country
            return None if isinstance(geoip_country, Unknown) else _given(geoip_country)
        case ConditionType.REQUEST_PARAMETER:
            return _given(facts.request_parameters.get(condition.parameter or ""))
        case ConditionType.PAYER_STATUS:
            counted = [payer for payer in facts.payers if payer.active or condition.include_inactive]
            return [payer.status for payer in counted]
        case ConditionType.PROVIDER:
            return _given(facts.provider_id)
        case ConditionType.AUTHORIZATION_METHOD:
            return _given(facts.authorization_method)
        case ConditionType.VERIFICATION_STATUS:
            return ["passed"] if facts.verification_methods else ["failed"]
        case ConditionType.VERIFICATION_METHOD:
            return list(facts.verification_methods)


def _given(text: str | None) -> list[str]:
    return [] if text is None else [text]


def _positive(comparison: Comparison, text: str, value: str | tuple[str, ...] | None) -> bool:
    match comparison:
        case Comparison.EQUALS:
            return text == value
        case Comparison.ONE_OF:
            return text in _listed(value)
        case Comparison.CONTAINS:
            return _text(value) in text
        case Comparison.STARTS_WITH:
            return text[: len(_text(value))] == value
        case Comparison.ENDS_WITH:
            return text[len(text) - len(_text(value)) :] == value if len(text) >= len(_text(value)) else False
        case Comparison.MATCHES:
            return re2.search(_utf8(_text(value)), _utf8(text)) is not None
        case Comparison.IS_SET:
            return True
        case Comparison.GREATER_THAN | Comparison.LESS_THAN:
            left, right = _number(text), _number(_text(value))
            if left is None or right is None:
                return False
            return left > right if comparison is Comparison.GREATER_THAN else left < right
    raise AssertionError(f"{comparison} is a negation")


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _number(text: str) -> Decimal | None:
    """The number that JSON or a person would read, or None."""
    if not 0 < len(text) <= 1_000 or not set(text) <= set("0123456789+-.eE"):
        return None
    try:
        parsed = Decimal(text)
    except InvalidOperation:
        return None
    return parsed if parsed.is_finite() else None


def _listed(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if not isinstance(value, tuple):
        raise TypeError("one_of and none_of take a list")
    return value


def _text(value: str | tuple[str, ...] | None) -> str:
    if not isinstance(value, str):
        raise TypeError("this comparison takes a text")
    return value
