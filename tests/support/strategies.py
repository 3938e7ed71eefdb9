"""Hypothesis strategies for conditions, groups and facts; values are few, so that they often meet."""

from collections.abc import Sequence
from typing import Final

from hypothesis import strategies as st

from rules.model import Comparison, Condition, ConditionType, Facts, GroupRules, Payer, Unknown

COUNTRIES: Final = ("DE", "FR", "US", "XK")
PROVIDERS: Final = ("1", "2", "p-3")
AUTHORIZATION_METHODS: Final = ("login_password", "phone", "google", "facebook")
PAYER_STATUSES: Final = ("legal_entity", "individual", "sole_proprietor")
VERIFICATION_METHODS: Final = ("email", "phone", "manual", "payment_method")
PARAMETERS: Final = ("fromsite", "plan", "ref", *(f"p{number}" for number in range(8)))
"""More names than the evaluator asks for one by one, so that both of its ways are taken."""
TEXTS: Final = (
    "",
    "true",
    "TRUE",
    "promo-2026",
    "2026",
    "10",
    "9.5",
    "-1",
    "1e3",
    "Größe",
    "straße",
    "x" * 300,
)
PATTERNS: Final = ("^promo-", "[0-9]+$", "(?i)TRUE", "ß", "", "^$", "x{250}")
NUMBERS: Final = ("0", "10", "9.50", "1e3", "-2", "1e999999999")

_FOR_EVERY_TYPE: Final = (Comparison.EQUALS, Comparison.NOT_EQUALS, Comparison.ONE_OF, Comparison.NONE_OF)
_VALUES: Final = {
    ConditionType.COUNTRY: COUNTRIES,
    ConditionType.GEOIP_COUNTRY: COUNTRIES,
    ConditionType.REQUEST_PARAMETER: TEXTS,
    ConditionType.PAYER_STATUS: PAYER_STATUSES,
    ConditionType.PROVIDER: PROVIDERS,
    ConditionType.AUTHORIZATION_METHOD: AUTHORIZATION_METHODS,
    ConditionType.VERIFICATION_STATUS: ("passed", "failed"),
    ConditionType.VERIFICATION_METHOD: VERIFICATION_METHODS,
}


@st.composite
def conditions(
    draw: st.DrawFn,
    max_condition_group: int = 4,
    types: Sequence[ConditionType] = tuple(ConditionType),
    parameters: Sequence[str] = PARAMETERS,
) -> Condition:
    """Any condition without problems, of one of the types."""
    type_ = draw(st.sampled_from(types))
    is_parameter = type_ is ConditionType.REQUEST_PARAMETER
    comparison = draw(st.sampled_from(tuple(Comparison) if is_parameter else _FOR_EVERY_TYPE))
    value: str | tuple[str, ...] | None
    if comparison in (Comparison.ONE_OF, Comparison.NONE_OF):
        value = tuple(draw(st.lists(st.sampled_from(_VALUES[type_]), min_size=1, max_size=3)))
    elif comparison in (Comparison.IS_SET, Comparison.IS_NOT_SET):
        value = None
    elif comparison is Comparison.MATCHES:
        value = draw(st.sampled_from(PATTERNS))
    elif comparison in (Comparison.GREATER_THAN, Comparison.LESS_THAN):
        value = draw(st.sampled_from(NUMBERS))
    else:
        value = draw(st.sampled_from(_VALUES[type_]))
    return Condition(
        condition_group=draw(st.integers(1, max_condition_group)),
        type=type_,
        comparison=comparison,
        value=value,
        parameter=draw(st.sampled_from(parameters)) if is_parameter else None,
        include_inactive=type_ is ConditionType.PAYER_STATUS and draw(st.booleans()),
    )


@st.composite
def group_rules(draw: st.DrawFn, group: str | None = None) -> GroupRules:
    """A group with any switches: mostly a few conditions, at times none, or more than the rows of a mask."""
    max_condition_group = draw(st.sampled_from((1, 2, 3, 3, 12, 30)))
    listed = st.lists(conditions(max_condition_group), max_size=max_condition_group + 2)
    return GroupRules(
        group=group or draw(st.sampled_from([f"g{number}" for number in range(12)])),
        conditions=tuple(draw(listed)),
        upon_registration=draw(st.booleans()),
        upon_change=draw(st.booleans()),
        exclude=draw(st.booleans()),
        keep_manual=draw(st.booleans()),
    )


def groups(max_size: int = 8) -> st.SearchStrategy[list[GroupRules]]:
    """Groups of different ids."""
    return st.lists(group_rules(), max_size=max_size, unique_by=lambda rules: rules.group)


def facts() -> st.SearchStrategy[Facts]:
    """What may be known of a client, absent and unknown values included."""
    payers = st.builds(Payer, status=st.sampled_from(PAYER_STATUSES), active=st.booleans())
    return st.builds(
        Facts,
        country=st.none() | st.sampled_from(COUNTRIES),
        geoip_country=st.none() | st.just(Unknown.UNKNOWN) | st.sampled_from(COUNTRIES),
        provider_id=st.none() | st.sampled_from(PROVIDERS),
        authorization_method=st.none() | st.sampled_from(AUTHORIZATION_METHODS),
        request_parameters=st.dictionaries(
            st.sampled_from((*PARAMETERS, "unread")),
            st.sampled_from(TEXTS) | st.text("0a.-ß \ud800", max_size=3),
            max_size=12,
        ),
        payers=st.frozensets(payers, max_size=3),
        verification_methods=st.frozensets(st.sampled_from(VERIFICATION_METHODS)),
    )
