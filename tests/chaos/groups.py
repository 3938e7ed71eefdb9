"""The groups of the stream: which never change, which operators fill by hand, which get new rules."""

from __future__ import annotations

from random import Random
from typing import Any, Final

ALWAYS: Final = {"upon_registration": True, "upon_change": True, "exclude": True}

EVERY_MINUTE: Final = {"periodic": True, "schedule": "* * * * *"}


def condition(number: int, kind: str, comparison: str, value: object = None, **more: Any) -> dict[str, Any]:
    """One condition as JSON."""
    made: dict[str, Any] = {"condition_group": number, "type": kind, "comparison": comparison}
    if value is not None:
        made["value"] = value
    return made | more


def group(name: str, auto: dict[str, Any], *conditions: dict[str, Any]) -> dict[str, Any]:
    """One group as `put-group` takes it."""
    made = {"group": name, "name": name.replace("-", " "), "auto_assignment": auto}
    return {**made, "conditions": list(conditions)}


def parameter(number: int, name: str, comparison: str, value: object = None) -> dict[str, Any]:
    """A condition on a request parameter."""
    return condition(number, "request_parameter", comparison, value, parameter=name)


STEADY: Final = [
    group("s-country", ALWAYS, condition(1, "country", "one_of", ["DE", "fr"])),
    group("s-not-de", ALWAYS, condition(1, "country", "not_equals", "DE")),
    group("s-geoip", ALWAYS, condition(1, "geoip_country", "one_of", ["DE", "US", "NL"])),
    group("s-geoip-none", ALWAYS, condition(1, "geoip_country", "none_of", ["DE", "FR"])),
    group("s-company", ALWAYS, condition(1, "payer_status", "equals", "legal_entity")),
    group(
        "s-no-company", ALWAYS, condition(1, "payer_status", "none_of", ["legal_entity", "sole_proprietor"])
    ),
    group(
        "s-ever-company",
        ALWAYS,
        condition(1, "payer_status", "equals", "legal_entity", include_inactive=True),
    ),
    group("s-provider", ALWAYS, condition(1, "provider", "one_of", ["1", "2"])),
    group("s-method", ALWAYS, condition(1, "authorization_method", "equals", "Google")),
    group("s-verified", ALWAYS, condition(1, "verification_status", "equals", "passed")),
    group(
        "s-unverified",
        {"upon_registration": True, "exclude": True},
        condition(1, "verification_status", "equals", "failed"),
    ),
    group("s-by-phone", ALWAYS, condition(3, "verification_method", "one_of", ["phone", "manual"])),
    group("s-fromsite", ALWAYS, parameter(1, "fromsite", "equals", "true")),
    group(
        "s-big-order", ALWAYS, parameter(1, "sum", "greater_than", "100"), parameter(1, "sum", "is_not_set")
    ),
    group(
        "s-campaign",
        ALWAYS,
        parameter(1, "utm", "matches", "^(spring|summer)-[0-9]+$"),
        parameter(2, "utm", "not_contains", "7"),
    ),
    group(
        "s-mixed",
        ALWAYS,
        condition(1, "country", "equals", "DE"),
        condition(1, "geoip_country", "equals", "DE"),
        condition(2, "payer_status", "not_equals", "individual"),
        condition(2, "verification_method", "equals", "email"),
        parameter(4, "utm", "starts_with", "s"),
        condition(4, "provider", "equals", "3"),
    ),
]
"""With every moment and *exclude* on, and nobody touches them."""

BY_HAND: Final = [
    group("h-vip", {}),
    group("h-no-rules", ALWAYS),
    group(
        "h-at-registration",
        {
            "upon_registration": True,
            "upon_change": False,
            "exclude": True,
            "hold_leaves_over": {"percent": 0, "count": 5},
        },
        condition(1, "country", "equals", "DE"),
    ),
    group(
        "h-upon-change",
        {"upon_change": True, "exclude": True, **EVERY_MINUTE},
        condition(1, "payer_status", "one_of", ["individual", "legal_entity"]),
    ),
    group("h-only-adds", {"upon_registration": True}, condition(1, "country", "one_of", ["US", "FR"])),
    group(
        "h-keeps-manual",
        {**ALWAYS, "keep_manual": True, **EVERY_MINUTE},
        condition(1, "verification_status", "equals", "passed"),
    ),
    group(
        "h-all-out",
        {**ALWAYS, "keep_manual": False},
        condition(1, "authorization_method", "one_of", ["google", "phone"]),
    ),
]
"""Operators put clients in and take them out; the groups themselves don't change."""

MOVING: Final = ["m-1", "m-2", "m-3", "m-4"]
"""Operators change their rules while events come in."""

CHOICES: Final = [
    lambda rng, n: condition(
        n, "country", rng.choice(["one_of", "none_of"]), rng.sample(["DE", "FR", "US", "NL", "XK"], 2)
    ),
    lambda rng, n: condition(
        n, "geoip_country", rng.choice(["equals", "not_equals"]), rng.choice(["DE", "FR", "NL"])
    ),
    lambda rng, n: condition(
        n,
        "payer_status",
        rng.choice(["equals", "not_equals"]),
        rng.choice(["legal_entity", "individual"]),
        include_inactive=rng.random() < 0.5,
    ),
    lambda rng, n: condition(
        n, "provider", rng.choice(["equals", "not_equals"]), rng.choice(["1", "2", "3"])
    ),
    lambda rng, n: condition(
        n, "authorization_method", "one_of", rng.sample(["google", "facebook", "phone"], 2)
    ),
    lambda rng, n: condition(n, "verification_status", "equals", rng.choice(["passed", "failed"])),
    lambda rng, n: condition(
        n,
        "verification_method",
        rng.choice(["equals", "not_equals"]),
        rng.choice(["email", "payment_method"]),
    ),
    lambda rng, n: parameter(n, "fromsite", rng.choice(["is_set", "is_not_set"])),
    lambda rng, n: parameter(n, "utm", rng.choice(["contains", "ends_with"]), rng.choice(["1", "7", "er-"])),
]


def moving_group(name: str, rng: Random) -> dict[str, Any]:
    """New rules for a group of MOVING."""
    auto: dict[str, Any] = {
        "upon_registration": rng.random() < 0.7,
        "exclude": rng.random() < 0.6,
        "keep_manual": rng.random() < 0.5,
    }
    if rng.random() < 0.7:
        auto["hold_leaves_over"] = rng.choice([None, {"percent": 0, "count": rng.choice([0, 3, 30])}])
    if rng.random() < 0.5:
        auto["upon_change"] = rng.random() < 0.8
    conditions = [rng.choice(CHOICES)(rng, number) for number in (1, 1, 2)[: rng.randrange(4)]]
    return group(name, auto, *conditions)
