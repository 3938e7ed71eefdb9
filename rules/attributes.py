"""What of a client a condition reads: the unit in which facts change, and by which conditions are indexed."""

from typing import Final

from rules.model import Condition, ConditionType, Facts, Payer, Unknown

Attribute = str
"""`country`, `geoip_country`, `payers`, `provider`, `authorization_method`, `verifications`, or
`request_parameter:<name>`."""

FactValue = str | Unknown | frozenset[Payer] | frozenset[str] | None
"""The value of one attribute. None and an empty set: known to have none."""

COUNTRY: Final[Attribute] = "country"
GEOIP_COUNTRY: Final[Attribute] = "geoip_country"
PAYERS: Final[Attribute] = "payers"
PROVIDER: Final[Attribute] = "provider"
AUTHORIZATION_METHOD: Final[Attribute] = "authorization_method"
VERIFICATIONS: Final[Attribute] = "verifications"
PARAMETER_PREFIX: Final = "request_parameter:"

_OF_TYPE: Final[dict[ConditionType, Attribute]] = {
    ConditionType.COUNTRY: COUNTRY,
    ConditionType.GEOIP_COUNTRY: GEOIP_COUNTRY,
    ConditionType.PAYER_STATUS: PAYERS,
    ConditionType.PROVIDER: PROVIDER,
    ConditionType.AUTHORIZATION_METHOD: AUTHORIZATION_METHOD,
    ConditionType.VERIFICATION_STATUS: VERIFICATIONS,
    ConditionType.VERIFICATION_METHOD: VERIFICATIONS,
}


def request_parameter(name: str) -> Attribute:
    """The attribute of the registration request's parameter of this name."""
    return PARAMETER_PREFIX + name


def attribute_of(condition: Condition) -> Attribute:
    """The one attribute that the condition reads."""
    if condition.type is ConditionType.REQUEST_PARAMETER:
        return request_parameter(condition.parameter or "")
    return _OF_TYPE[condition.type]


def fact_of(attribute: Attribute, facts: Facts) -> FactValue:
    """The client's value of the attribute. Raises KeyError for an attribute that does not exist."""
    if attribute.startswith(PARAMETER_PREFIX):
        return facts.request_parameters.get(attribute.removeprefix(PARAMETER_PREFIX))
    values: dict[Attribute, FactValue] = {
        COUNTRY: facts.country,
        GEOIP_COUNTRY: facts.geoip_country,
        PAYERS: facts.payers,
        PROVIDER: facts.provider_id,
        AUTHORIZATION_METHOD: facts.authorization_method,
        VERIFICATIONS: facts.verification_methods,
    }
    return values[attribute]
