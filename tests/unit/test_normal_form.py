"""Which conditions count as the same, said in other words, and which do not."""

import pytest

from rules.model import Comparison, Condition, ConditionType
from rules.normal_form import digest

LISTS = ("one_of", "none_of")


def conditions(text: str) -> list[Condition]:
    """`country one_of DE,FR; country equals US & provider equals 1`: `;` is OR, `&` is AND."""
    made = []
    for number, clause in enumerate(text.split(" & "), 1):
        for each in clause.split("; "):
            type_, comparison, *value = each.split(" ")
            of_parameter = type_.startswith("$")
            made.append(
                Condition(
                    number,
                    ConditionType.REQUEST_PARAMETER if of_parameter else ConditionType(type_.rstrip("*")),
                    Comparison(comparison),
                    None if not value else tuple(value[0].split(",")) if comparison in LISTS else value[0],
                    type_[1:] if of_parameter else None,
                    type_.endswith("*"),
                )
            )
    return made


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("country equals DE", "country one_of DE"),
        ("country equals DE; country equals FR", "country one_of FR,DE"),
        ("country equals DE & provider equals 1", "provider equals 1 & country equals DE"),
        ("country not_equals DE & country not_equals FR", "country none_of DE,FR"),
        ("country none_of DE,FR; country none_of DE,US", "country not_equals DE"),
        (
            "payer_status equals individual; payer_status equals legal_entity",
            "payer_status one_of legal_entity,individual",
        ),
        (
            "payer_status not_equals individual & payer_status not_equals legal_entity",
            "payer_status none_of individual,legal_entity",
        ),
        ("verification_status equals failed", "verification_status not_equals passed"),
        ("$a greater_than 5", "$a greater_than +50e-1"),
        ("$a less_than 0", "$a less_than -0.0"),
        ("$a matches .*", "$a is_set"),
        ("$a matches x; $a equals y", "$a equals y; $a matches x; $a one_of y"),
    ],
)
def test_the_same_in_other_words(one: str, other: str) -> None:
    assert digest(conditions(one)) == digest(conditions(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("country equals DE", "country equals FR"),
        ("country equals DE", "geoip_country equals DE"),
        ("country equals DE", "country not_equals DE"),
        ("country equals DE; country equals FR", "country equals DE & country equals FR"),
        ("country equals DE & country equals FR", "country one_of DE,FR"),
        ("country not_equals DE; country not_equals FR", "country none_of DE,FR"),
        ("country equals DE & provider equals 1", "country equals DE; provider equals 1"),
        ("payer_status equals individual", "payer_status* equals individual"),
        (
            "payer_status none_of individual,legal_entity; payer_status none_of individual,sole_proprietor",
            "payer_status not_equals individual",
        ),
        (
            "verification_method not_equals email; verification_method not_equals phone",
            "verification_method none_of email,phone",
        ),
        (
            "verification_method equals email & verification_method equals phone",
            "verification_method one_of email,phone",
        ),
        ("$a equals 5", "$b equals 5"),
        ("$a equals 5", "$a equals 5.0"),
        ("$a greater_than 5", "$a less_than 5"),
        ("$a greater_than 5", "$a greater_than 50"),
        ("$a greater_than 5", "$a greater_than -5"),
        ("$a is_set", "$a is_not_set"),
        ("$a matches .+", "$a is_set"),
    ],
)
def test_not_the_same(one: str, other: str) -> None:
    assert digest(conditions(one)) != digest(conditions(other))


def test_none_have_no_digest() -> None:
    assert digest([]) is None


def test_half_a_surrogate_pair_has_one() -> None:
    assert digest(conditions("$a equals \ud800")) is not None
