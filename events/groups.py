"""A client group as operators write it (`put-group`, YAML) and as it is published (`client-groups`)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, ClassVar
from zoneinfo import available_timezones

import pycountry
from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from events import written
from events.conditions import Condition
from events.fields import GroupId
from events.kinds import none_is
from events.suggestions import did_you_mean

NAME_MAX = 255
DESCRIPTION_MAX = 10_000
CONDITIONS_MAX = 1_000
RATE_DIGITS = 20
"""Digits before the point of a currency rate, and after it."""
CURRENCIES = frozenset(currency.alpha_3 for currency in pycountry.currencies)


def _error(code: str, message: str) -> PydanticCustomError:
    return PydanticCustomError(code, "{message}", {"message": message})


Switch = Annotated[bool, none_is(False)]
MaybeSwitch = Annotated[bool | None, none_is(None)]


def _cron(text: str) -> str:
    if len(text.split()) != 5:
        raise _error("schedule", "expected five fields: minute, hour, day of month, month, day of week")
    try:
        next(CronSim(text, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as exc:
        reason = str(exc) or "it never comes"
        raise _error("schedule", f"expected a cron schedule: {reason[:100]}") from exc
    return " ".join(text.split())


def _scheduled(schedule: str | None, info: ValidationInfo) -> str | None:
    if schedule is None and info.data.get("periodic"):
        raise _error("missing", "is required where periodic is on")
    return schedule


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(name: str) -> str:
    if name not in _zones():
        raise _error("timezone", f"the time zone {did_you_mean(name, _zones())}")
    return name


def _rates(value: object) -> object:
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise _error("wrong_type", 'expected an object as {"EUR/USD": "1.08"}')
    rates: dict[str, str] = {}
    for pair, rate in value.items():
        name = str(pair).upper()
        base, _, quote = name.partition("/")
        if base not in CURRENCIES or quote not in CURRENCIES or base == quote:
            raise _error("currency", f"{str(pair)[:20]!a}: expected two ISO 4217 currencies, as EUR/USD")
        if name in rates:
            raise _error("currency", f"{name} is given twice")
        rates[name] = _rate(name, rate)
    return rates


def _rate(pair: str, rate: object) -> str:
    text = written.as_text(rate) if isinstance(rate, str | int | float) and not isinstance(rate, bool) else ""
    whole, point, fraction = text.partition(".")
    digits = text.isascii() and whole.isdigit() and (fraction.isdigit() or not point)
    if not digits or max(len(whole), len(fraction)) > RATE_DIGITS or not text.strip("0."):
        raise _error("rate", f'{pair}: expected a decimal above 0, as "1.08"')
    return text


Rates = Annotated[
    dict[str, str],
    BeforeValidator(_rates),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z]{3}/[A-Za-z]{3}$"},
            "additionalProperties": {
                "type": ["string", "number"],
                "pattern": r"^[0-9]{1,20}(\.[0-9]{1,20})?$",
            },
            "examples": [{"EUR/USD": "1.08"}],
        }
    ),
]


def _not_blank(text: str) -> str:
    if not text.strip():
        raise _error("blank", "expected a name that is not blank")
    return text


Name = Annotated[str, Field(max_length=NAME_MAX), AfterValidator(_not_blank)]
Description = Annotated[str, Field(max_length=DESCRIPTION_MAX), none_is("")]
Conditions = Annotated[list[Condition], Field(max_length=CONDITIONS_MAX), none_is([])]
Schedule = Annotated[Annotated[str, AfterValidator(_cron)] | None, none_is(None)]


class Part(BaseModel):
    """A part of a group. Unknown fields are ignored here, and warned of where a command is read."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, use_attribute_docstrings=True)
    nested: ClassVar[Mapping[str, type[BaseModel]]] = {}


class HoldLeavesOver(Part):
    """A run is held when it would take out more than both."""

    percent: Annotated[int | float, Field(ge=0, le=100), none_is(10)] = 10
    """Of the group's members."""
    count: Annotated[int, Field(ge=0, le=2**31 - 1), none_is(100)] = 100
    """Clients."""


class AutoAssignment(Part):
    """When a group's rules are checked, and what a check may do."""

    nested: ClassVar[Mapping[str, type[BaseModel]]] = {"hold_leaves_over": HoldLeavesOver}

    upon_registration: Switch = False
    upon_change: MaybeSwitch = None
    """None: on where `upon_registration` or `periodic` is."""
    periodic: Switch = False
    schedule: Annotated[Schedule, AfterValidator(_scheduled), Field(validate_default=True)] = None
    """Cron, five fields; required where `periodic` is on."""
    timezone: Annotated[str, AfterValidator(_zone), none_is("UTC")] = "UTC"
    """IANA name; the schedule is read in it."""
    exclude: Switch = False
    """A check takes out members that no longer match."""
    keep_manual: Switch = False
    """... but not those added by hand."""
    hold_leaves_over: Annotated[HoldLeavesOver | None, none_is(None)] = Field(default_factory=HoldLeavesOver)
    """None: a run is never held."""

    @property
    def checks_upon_change(self) -> bool:
        """Whether a change event leads to a check: as set, else where another automatic check is on."""
        if self.upon_change is None:
            return self.upon_registration or self.periodic
        return self.upon_change


class Group(Part):
    """All fields of a group."""

    nested: ClassVar[Mapping[str, type[BaseModel]]] = {
        "auto_assignment": AutoAssignment,
        "conditions": Condition,
    }

    group: GroupId
    name: Name
    description: Description = ""
    currency_rates: Rates = Field(default_factory=dict)
    """Exact decimals as text, by pair of ISO 4217 currencies."""
    allow_service_suspension: Switch = False
    allow_service_deletion: Switch = False
    ignore_service_limit: Switch = False
    auto_assignment: Annotated[AutoAssignment, none_is({})] = Field(default_factory=AutoAssignment)
    conditions: Conditions = Field(default_factory=list)
