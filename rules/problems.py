"""What is wrong with conditions as somebody wrote them: errors for which a group is refused.

Only what the condition itself shows is looked at; whether a country or a provider exists is known
elsewhere. Rules that are useless but legal (always true, impossible) are not errors.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rules.comparisons import PatternError, compile_pattern, number
from rules.model import Comparison, Condition, ConditionType

MAX_CONDITIONS: Final = 1_000
MAX_CONDITION_GROUP: Final = 1_000
MAX_VALUES: Final = 10_000

_FOR_EVERY_TYPE: Final = (Comparison.EQUALS, Comparison.NOT_EQUALS, Comparison.ONE_OF, Comparison.NONE_OF)
_LISTS: Final = (Comparison.ONE_OF, Comparison.NONE_OF)
_WITHOUT_VALUE: Final = (Comparison.IS_SET, Comparison.IS_NOT_SET)
_NUMBERS: Final = (Comparison.GREATER_THAN, Comparison.LESS_THAN)

CLOSED_VALUES: Final[dict[ConditionType, tuple[str, ...]]] = {
    ConditionType.PAYER_STATUS: ("legal_entity", "individual", "sole_proprietor"),
    ConditionType.VERIFICATION_STATUS: ("passed", "failed"),
    ConditionType.VERIFICATION_METHOD: ("email", "phone", "manual", "payment_method"),
}
"""The types whose values come from a list that never grows at run time, with the list."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One error: a stable code, where it is (`conditions[2].value`), and a sentence that says what to do."""

    code: str
    path: str
    message: str


def problems_of(conditions: Sequence[Condition]) -> list[Problem]:
    """All errors of a group's conditions, in their order; empty when the group can be accepted."""
    if len(conditions) > MAX_CONDITIONS:
        message = (
            f"Give at most {MAX_CONDITIONS:,} conditions, not {len(conditions):,}; "
            "one_of takes many values in one condition."
        )
        return [Problem("too_many_conditions", "conditions", message)]
    return [
        replace(problem, path=f"conditions[{index}].{problem.path}")
        for index, condition in enumerate(conditions)
        for problem in problems(condition)
    ]


def problems(condition: Condition) -> list[Problem]:
    """All errors of one condition; paths are relative to it (`value`)."""
    found = [*_of_condition_group(condition), *_of_parameter(condition), *_of_inactive(condition)]
    if condition.comparison not in _FOR_EVERY_TYPE and condition.type is not ConditionType.REQUEST_PARAMETER:
        message = (
            f"Use one of {', '.join(_FOR_EVERY_TYPE)} for {condition.type}: "
            f"{condition.comparison} is for request_parameter only."
        )
        # The value is not looked at: its shape would be judged by a comparison that cannot stay.
        return [*found, Problem("comparison_not_allowed", "comparison", message)]
    return [*found, *_of_value(condition)]


def _of_condition_group(condition: Condition) -> Iterable[Problem]:
    given: object = condition.condition_group
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= MAX_CONDITION_GROUP:
        message = f"Number the condition groups with whole numbers from 0 to {MAX_CONDITION_GROUP:,}."
        yield Problem("condition_group_out_of_range", "condition_group", message)


def _of_parameter(condition: Condition) -> Iterable[Problem]:
    if condition.type is ConditionType.REQUEST_PARAMETER:
        if not condition.parameter:
            message = "Name the request parameter that the condition reads."
            yield Problem("parameter_missing", "parameter", message)
    elif condition.parameter is not None:
        message = f"Leave parameter out: {condition.type} reads no request parameter."
        yield Problem("parameter_not_allowed", "parameter", message)


def _of_inactive(condition: Condition) -> Iterable[Problem]:
    if condition.include_inactive and condition.type is not ConditionType.PAYER_STATUS:
        message = f"Leave include_inactive out: it is for payer_status, not for {condition.type}."
        yield Problem("include_inactive_not_allowed", "include_inactive", message)


def _of_value(condition: Condition) -> Iterable[Problem]:
    value, comparison = condition.value, condition.comparison
    if comparison in _WITHOUT_VALUE:
        if value is not None:
            yield Problem("value_not_allowed", "value", f"Leave value out: {comparison} takes none.")
    elif value is None:
        shape = "a list of values" if comparison in _LISTS else "a value"
        yield Problem("value_missing", "value", f"Give {shape} for {comparison}.")
    elif comparison in _LISTS:
        if isinstance(value, str):
            message = f"Give {comparison} a list of values, or use equals for a single one."
            yield Problem("value_not_a_list", "value", message)
        else:
            yield from _of_list(condition, value)
    elif isinstance(value, str):
        yield from _of_text(condition, "value", value)
    else:
        message = f"Give {comparison} a single value, or use one_of for a list."
        yield Problem("value_not_a_text", "value", message)


def _of_list(condition: Condition, values: tuple[str, ...]) -> Iterable[Problem]:
    if not values:
        yield Problem("value_empty", "value", f"Give {condition.comparison} at least one value.")
    if len(values) > MAX_VALUES:
        message = f"Give {condition.comparison} at most {MAX_VALUES:,} values, not {len(values):,}."
        yield Problem("too_many_values", "value", message)
        return
    for index, value in enumerate(values):
        yield from _of_text(condition, f"value[{index}]", value)


def _of_text(condition: Condition, path: str, value: object) -> Iterable[Problem]:
    if not isinstance(value, str):
        yield Problem("value_not_a_text", path, "Give the value as a text.")
        return
    closed = CLOSED_VALUES.get(condition.type)
    if closed is not None:
        if value not in closed:
            yield Problem("value_unknown", path, f"Use one of {', '.join(closed)} for {condition.type}.")
    elif not value and condition.type is not ConditionType.REQUEST_PARAMETER:
        yield Problem("value_empty", path, f"Give a {condition.type} that is not empty.")
    if condition.comparison is Comparison.MATCHES:
        try:
            compile_pattern(value)
        except PatternError as error:
            message = f"Write a regular expression that RE2 accepts; it says: {error}."
            yield Problem("pattern_invalid", path, message)
    if condition.comparison in _NUMBERS and number(value) is None:
        message = f"Give {condition.comparison} a finite decimal number, as 10 or 2.5."
        yield Problem("value_not_a_number", path, message)
