"""The evaluator against a loop over the rules, at 10, 100, 1,000 and 10,000 rules, interleaved in one run.

Every rule reads some of the eight attributes that a client has here. Clients repeat values, as clients do, so
that the figures are those of a warm memo; `cold_us` is a client with a parameter that nobody had before.
CPU time and the best round are taken, so that what else the machine does is not counted.
"""

import random
import time
from collections.abc import Callable, Sequence
from functools import partial

from rules.conditions import holds
from rules.model import Comparison, Condition, ConditionType, Facts, GroupRules, Payer
from rules.ruleset import RuleSet

SIZES = (10, 100, 1_000, 10_000)
ROUNDS = 7
CLIENTS = 500

_COUNTRIES = ("DE", "FR", "US", "NL", "PL", "IT", "ES", "AT", "CZ", "GB")
_STATUSES = ("legal_entity", "individual", "sole_proprietor")
_METHODS = ("email", "phone", "manual", "payment_method")
_SITES = tuple(f"site{number}" for number in range(20))
_PLANS = tuple(f"plan{number}" for number in range(20))


def run() -> dict[str, object]:
    """Measures, in microseconds a client: `sizes` by number of rules, and `growth_100_to_1000` as a ratio."""
    chance = random.Random(1)
    clients = [_client(chance) for _ in range(CLIENTS)]
    groups = {size: [_group(chance, number) for number in range(size)] for size in SIZES}
    compiled, compile_ms = {}, {}
    for size in SIZES:
        started = time.process_time()
        compiled[size] = RuleSet.compile(groups[size])
        compile_ms[size] = (time.process_time() - started) * 1e3
        for facts in clients:
            compiled[size].evaluate(facts)
    warm: dict[int, list[float]] = {size: [] for size in SIZES}
    cold: dict[int, list[float]] = {size: [] for size in SIZES}
    loop: dict[int, list[float]] = {size: [] for size in SIZES}
    replaced: dict[int, list[float]] = {size: [] for size in SIZES}
    for round_number in range(ROUNDS):
        fresh = [_client(chance, site=f"unseen-{round_number}-{number}") for number in range(CLIENTS)]
        for size in SIZES:
            warm[size].append(_microseconds(compiled[size].evaluate, clients * 10))
            few = clients[: max(2, 2_000 // size)]
            loop[size].append(_microseconds(partial(_loop, groups[size]), few))
            started = time.process_time()
            after = compiled[size].replace([_group(chance, round_number)])
            replaced[size].append((time.process_time() - started) * 1e6)
            for facts in clients:
                after.evaluate(facts)
            cold[size].append(_microseconds(after.evaluate, fresh))
    sizes = {
        size: {
            "client_us": round(min(warm[size]), 2),
            "cold_us": round(min(cold[size]), 2),
            "loop_us": round(min(loop[size]), 1),
            "times_faster": round(min(loop[size]) / min(warm[size]), 1),
            "replace_one_us": round(min(replaced[size]), 1),
            "compile_ms": round(compile_ms[size], 2),
        }
        for size in SIZES
    }
    return {
        "unit": "microseconds of CPU a client, best of the rounds",
        "rounds": ROUNDS,
        "sizes": sizes,
        "growth_100_to_1000": round(min(warm[1_000]) / min(warm[100]), 2),
    }


def _microseconds(evaluate: Callable[[Facts], object], clients: Sequence[Facts]) -> float:
    started = time.process_time()
    for facts in clients:
        evaluate(facts)
    return (time.process_time() - started) / len(clients) * 1e6


def _loop(groups: Sequence[GroupRules], facts: Facts) -> list[str]:
    """What one would write first: each rule, each condition group, until one fails."""
    matching = []
    for rules in groups:
        numbers = {condition.condition_group for condition in rules.conditions}
        if all(
            any(
                holds(condition, facts)
                for condition in rules.conditions
                if condition.condition_group == number
            )
            for number in numbers
        ):
            matching.append(rules.group)
    return matching


def _client(chance: random.Random, site: str | None = None) -> Facts:
    return Facts(
        country=chance.choice(_COUNTRIES),
        geoip_country=chance.choice(_COUNTRIES),
        provider_id=str(chance.randrange(5)),
        authorization_method=chance.choice(("login_password", "google", "phone")),
        request_parameters={
            "fromsite": site or chance.choice(_SITES),
            "plan": chance.choice(_PLANS),
            "x": "y",
        },
        payers=frozenset({Payer(chance.choice(_STATUSES), chance.random() < 0.8)}),
        verification_methods=frozenset(chance.sample(_METHODS, chance.randrange(3))),
    )


def _group(chance: random.Random, number: int) -> GroupRules:
    clauses = chance.randrange(2, 4)
    conditions = [
        _condition(chance, clause) for clause in range(1, clauses + 1) for _ in range(chance.randrange(1, 3))
    ]
    return GroupRules(f"group-{number}", tuple(conditions), upon_registration=True, upon_change=True)


def _condition(chance: random.Random, clause: int) -> Condition:
    type_ = chance.choice(list(ConditionType))
    values = {
        ConditionType.COUNTRY: _COUNTRIES,
        ConditionType.GEOIP_COUNTRY: _COUNTRIES,
        ConditionType.PAYER_STATUS: _STATUSES,
        ConditionType.PROVIDER: ("0", "1", "2", "3", "4"),
        ConditionType.AUTHORIZATION_METHOD: ("login_password", "google", "phone"),
        ConditionType.VERIFICATION_STATUS: ("passed", "failed"),
        ConditionType.VERIFICATION_METHOD: _METHODS,
    }
    if type_ is ConditionType.REQUEST_PARAMETER:
        name = chance.choice(("fromsite", "plan"))
        comparison = chance.choice((Comparison.EQUALS, Comparison.NOT_EQUALS, Comparison.STARTS_WITH))
        return Condition(clause, type_, comparison, chance.choice(_SITES + _PLANS), parameter=name)
    if chance.random() < 0.3:
        picked = tuple(chance.sample(values[type_], 2))
        return Condition(clause, type_, chance.choice((Comparison.ONE_OF, Comparison.NONE_OF)), picked)
    return Condition(
        clause, type_, chance.choice((Comparison.EQUALS, Comparison.NOT_EQUALS)), chance.choice(values[type_])
    )


if __name__ == "__main__":
    import json

    print(json.dumps(run(), indent=1))
