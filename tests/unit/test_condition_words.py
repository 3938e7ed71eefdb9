"""Conditions in words."""

from typing import Any

import pytest

from events.conditions import COMPARISONS, CONDITION_TYPES, Condition
from workers.cli.condition_words import by_group, in_words


def condition(type_: str, comparison: str, value: Any = None, **fields: Any) -> Condition:
    given = {"condition_group": 1, "type": type_, "comparison": comparison, "value": value, **fields}
    return Condition.model_validate(given)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (condition("country", "not_equals", "de"), "country is not DE"),
        (condition("geoip_country", "none_of", ["DE", "FR"]), "country by GeoIP is none of DE, FR"),
        (
            condition("payer_status", "equals", "individual", include_inactive=True),
            "payer status (also inactive) is individual",
        ),
        (
            condition("request_parameter", "is_not_set", parameter="utm_source"),
            'request parameter "utm_source" is not set',
        ),
        (
            condition("request_parameter", "one_of", ["a", ""], parameter="p"),
            'request parameter "p" is one of "a", ""',
        ),
        (
            condition("provider", "one_of", [str(number) for number in range(1, 24)]),
            f"provider is one of {', '.join(map(str, range(1, 21)))} and 3 more",
        ),
    ],
)
def test_words(made: Condition, words: str) -> None:
    assert in_words(made) == words


def test_every_type_and_comparison_has_words() -> None:
    for type_ in CONDITION_TYPES:
        made = Condition.model_construct(condition_group=1, type=type_, comparison="equals", value="x")
        assert type_ == "request_parameter" or in_words(made).endswith(" is x")
    words = {
        in_words(Condition.model_construct(condition_group=1, type="country", comparison=each))
        for each in COMPARISONS
    }
    assert len(words) == len(COMPARISONS)


def test_condition_groups_stand_in_the_order_of_their_numbers() -> None:
    given = [
        condition("country", "equals", "DE", condition_group=7),
        condition("provider", "equals", "1", condition_group=2),
        condition("country", "equals", "FR", condition_group=7),
    ]
    assert by_group(given) == [(2, ["provider is 1"]), (7, ["country is DE", "country is FR"])]
    assert by_group([]) == []
