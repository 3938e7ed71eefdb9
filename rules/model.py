"""The words of the rule language: conditions, a group's rules, and the facts of a client.

Values here are normalised already, by whoever builds them: country codes in upper case, authorization
methods, payer statuses and verification methods in lower case, ids and request parameters as they came.
Nothing in this package changes case or trims.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Final


class ConditionType(StrEnum):
    """What a condition looks at (mission C1-C8)."""

    COUNTRY = "country"
    GEOIP_COUNTRY = "geoip_country"
    REQUEST_PARAMETER = "request_parameter"
    PAYER_STATUS = "payer_status"
    PROVIDER = "provider"
    AUTHORIZATION_METHOD = "authorization_method"
    VERIFICATION_STATUS = "verification_status"
    VERIFICATION_METHOD = "verification_method"


class Comparison(StrEnum):
    """How a condition compares fact and value; the first four serve every type, the rest only text."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    ONE_OF = "one_of"
    NONE_OF = "none_of"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    MATCHES = "matches"
    IS_SET = "is_set"
    IS_NOT_SET = "is_not_set"
    GREATER_THAN = "greater_than"
    LESS_THAN = "less_than"


class Moment(StrEnum):
    """What made a membership change."""

    REGISTRATION = "registration"
    CHANGE = "change"
    SCHEDULE = "schedule"
    FORCED = "forced"
    MANUAL = "manual"
    PIN = "pin"
    UNDO = "undo"
    CLIENT_DELETED = "client_deleted"
    GROUP_DELETED = "group_deleted"


class Source(StrEnum):
    """Whose word a membership stands on."""

    RULE = "rule"
    MANUAL = "manual"
    PIN = "pin"


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of one fact; conditions of one `condition_group` are joined by OR, the groups by AND.

    `value` is a text, a tuple of texts for `one_of`/`none_of`, and None for `is_set`/`is_not_set`.
    """

    condition_group: int
    type: ConditionType
    comparison: Comparison
    value: str | tuple[str, ...] | None = None
    parameter: str | None = None
    """The name of the request parameter; for `request_parameter` only."""
    include_inactive: bool = False
    """Whether inactive payers count too; for `payer_status` only."""


@dataclass(frozen=True, slots=True)
class GroupRules:
    """What a check needs to know of a client group."""

    group: str
    conditions: tuple[Condition, ...] = ()
    upon_registration: bool = False
    upon_change: bool = False
    """The effective switch: its default (on with another automatic moment) is already filled in."""
    exclude: bool = False
    """Take out members that no longer match (mission A2)."""
    keep_manual: bool = False
    """Never take out members added by hand (mission A3)."""


class Unknown(Enum):
    """The one value of a fact that is not known: something else than known to be absent (mission B5)."""

    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Payer:
    """One payer of a client, as far as rules can see it: clients with alike payers are alike."""

    status: str
    active: bool


NO_PARAMETERS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one registered client. None and an empty collection mean *known to have none*."""

    country: str | None = None
    geoip_country: str | Unknown | None = Unknown.UNKNOWN
    provider_id: str | None = None
    authorization_method: str | None = None
    request_parameters: Mapping[str, str] = field(default_factory=lambda: NO_PARAMETERS, hash=False)
    payers: frozenset[Payer] = frozenset()
    verification_methods: frozenset[str] = frozenset()
    """The methods in which the client has passed verification (and that were not revoked)."""
