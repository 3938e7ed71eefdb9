"""All facts that matter to some conditions, to judge by looking at each what is said of all."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, combinations, product
from typing import Any

from rules.model import Condition, ConditionType, Facts, Payer, Unknown
from tests.support.strategies import PAYER_STATUSES, VERIFICATION_METHODS

ANOTHER = "another"
"""A value that no condition names."""


def facts_for(conditions: Sequence[Condition], *, unknown: bool = False) -> Iterator[Facts]:
    """Every combination of values of the facts that the conditions read, `unknown` of GeoIP's if asked for.

    Of texts, those that are named and what can be put together from two of them: enough for `equals` and the
    like, and of the comparisons that look into a text as much as one can try.
    """
    fields: dict[str, list[Any]] = {}
    parameters: dict[str, list[str | None]] = {}
    for condition in conditions:
        alike = [each for each in conditions if each.type is condition.type]
        match condition.type:
            case ConditionType.REQUEST_PARAMETER:
                name = condition.parameter or ""
                named = _values(each for each in alike if each.parameter == name)
                parameters[name] = [None, *_texts(named)]
            case ConditionType.PAYER_STATUS:
                fields["payers"] = list(_payers())
            case ConditionType.VERIFICATION_STATUS | ConditionType.VERIFICATION_METHOD:
                fields["verification_methods"] = list(map(frozenset, _subsets(VERIFICATION_METHODS)))
            case ConditionType.GEOIP_COUNTRY:
                known = [None, ANOTHER, *_values(alike)]
                fields["geoip_country"] = [*known, Unknown.UNKNOWN] if unknown else known
            case ConditionType.PROVIDER:
                fields["provider_id"] = [None, ANOTHER, *_values(alike)]
            case _:
                fields[condition.type.value] = [None, ANOTHER, *_values(alike)]
    fields.setdefault("geoip_country", [None])
    for values in product(*fields.values()):
        for texts in product(*parameters.values()):
            passed = {name: text for name, text in zip(parameters, texts, strict=True) if text is not None}
            yield Facts(**dict(zip(fields, values, strict=True)), request_parameters=passed)


def _values(conditions: Iterable[Condition]) -> list[str]:
    values = ((each.value,) if isinstance(each.value, str) else each.value or () for each in conditions)
    return sorted(set(chain.from_iterable(values)))


def _texts(named: Sequence[str]) -> list[str]:
    put_together = ("".join(pair) for pair in product((*named, "a", "\n"), repeat=2))
    return sorted({"", "a", "-", "\n", "7.25", "-1e9", "1e9", ANOTHER, *named, *put_together})


def _payers() -> Iterator[frozenset[Payer]]:
    choices = [(None, Payer(status, True), Payer(status, False)) for status in PAYER_STATUSES]
    for chosen in product(*choices):
        yield frozenset(each for each in chosen if each is not None)


def _subsets(values: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return chain.from_iterable(combinations(values, size) for size in range(len(values) + 1))
