"""What conditions name that must be on offer: active providers and their ways to log in (mission C5, C6)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from db import providers
from db.connections import AnyConnection
from db.providers import Provider
from events.record import FieldProblem
from rules.model import Condition, ConditionType

_SHOWN = 20


class Missing(NamedTuple):
    """A value that no active provider is or has, and what is to be said of it."""

    type: ConditionType
    value: str
    problem: FieldProblem

    def is_named_in(self, conditions: Sequence[Condition]) -> bool:
        """Whether any of these conditions names the same."""
        return any(each.type is self.type and self.value in _values(each) for each in conditions)


async def unavailable(connection: AnyConnection, conditions: Sequence[Condition]) -> list[Missing]:
    """All that these conditions name and that is not on offer now."""
    if not any(each.type in _CODES for each in conditions):
        return []
    return missing_from(await providers.active(connection), conditions)


def missing_from(active: Collection[Provider], conditions: Sequence[Condition]) -> list[Missing]:
    """All that these conditions name and that these providers are and have not."""
    on_offer = {
        ConditionType.PROVIDER: {each.provider_id for each in active},
        ConditionType.AUTHORIZATION_METHOD: {name for each in active for name in each.authorization_methods},
    }
    return [
        Missing(each.type, value, _problem(each.type, value, place, on_offer[each.type]))
        for place, each in enumerate(conditions)
        if each.type in on_offer
        for value in _values(each)
        if value not in on_offer[each.type]
    ]


_CODES = {
    ConditionType.PROVIDER: ("inactive_provider", "an active provider"),
    ConditionType.AUTHORIZATION_METHOD: ("method_not_offered", "offered by an active provider"),
}


def _problem(kind: ConditionType, value: str, place: int, on_offer: Collection[str]) -> FieldProblem:
    code, what = _CODES[kind]
    names = sorted(on_offer)
    more = ", ..." if len(names) > _SHOWN else ""
    some = ", ".join(names[:_SHOWN]) + more if names else "there are none yet (topic provider-changed)"
    return FieldProblem(code, f"conditions[{place}].value", f"{value} is not {what}: {some}")


def _values(condition: Condition) -> tuple[str, ...]:
    if condition.value is None:
        return ()
    return (condition.value,) if isinstance(condition.value, str) else condition.value
