"""An explanation, and a group's history, for people."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from events.conditions import Condition
from events.explanations import (
    Check,
    ExplainedCondition,
    Explanation,
    GroupVersion,
    WouldDiffer,
)
from workers.cli.card_parts import fields, heading, listed, section
from workers.cli.condition_words import FACTS, in_words
from workers.cli.output import moment, table, text
from workers.cli.tables import by, how

_VERDICTS: Final[Mapping[str, str]] = {
    "match": "meets the conditions",
    "no_match": "does not meet the conditions",
    "unknown": "cannot be said",
}
_MET: Final[Mapping[str, tuple[str, str]]] = {
    "met": ("met", "green"),
    "not_met": ("not met", "red"),
    "unknown": ("unknown", "yellow"),
}
_ATTRIBUTES: Final[Mapping[str, str]] = {
    **FACTS,
    "payers": "payers",
    "verifications": "passed verifications",
}
_CHECKS: Final[Mapping[str, str]] = {
    "registration": "at registration",
    "change": "upon a change of",
    "schedule": "by the clock at",
    "pin": "when the pin expires, at",
}


def explanation_card(given: Explanation) -> Lines:
    """Whether the client is in the group, why, what would have to differ, and what looks again when."""
    where = "is in" if given.member else "is not in"
    facts = [("at", moment(given.at)), ("versions", f"client {given.version}, group {given.group_version}")]
    if given.source is not None:
        facts.insert(0, ("source", f"{given.source}, since {moment(given.since)}"))
    facts.append(("rules", _VERDICTS[given.verdict] if given.conditions else "the group has no conditions"))
    if given.decided_by is not None:
        run = given.decided_by.run_id and f"run {given.decided_by.run_id}"
        who = ", ".join(part for part in (run, by(given.decided_by.actor, given.decided_by.reason)) if part)
        facts.append(("decided by", given.decided_by.message + (f" ({who})" if who else "")))
    if given.change is not None:
        last = given.change
        said = f"{last.change} {moment(last.changed_at)} ({how(last)}), {last.cause}, version {last.version}"
        facts.append(("last change", said))
    parts: list[RenderableType] = [heading(f"{given.client_id} {where} {given.group}"), fields(facts)]
    if given.conditions:
        parts.append(section("Conditions", _conditions(given.conditions)))
    if given.would_differ:
        title = f"Would {'not meet' if given.verdict == 'match' else 'meet'} them with"
        parts.append(section(title, listed(map(_different, given.would_differ))))
    if given.checks:
        parts.append(section("Looks again", listed(map(_check, given.checks))))
    return Lines(*parts)


def group_versions_table(versions: Iterable[GroupVersion]) -> Table:
    """One line for each definition, with what became different."""
    made = table("time", "version", "change", "by", "what", numbers=("version",), times=("time",))
    for each in versions:
        made.add_row(
            moment(each.changed_at),
            str(each.version),
            each.change,
            text(by(each.actor, each.reason)),
            Text("\n").join(text(line) for line in _differences(each)),
        )
    return made


def _differences(version: GroupVersion) -> Iterable[str]:
    for each in version.differences:
        if each.path == "conditions":
            yield from (f"- {_condition(one)}" for one in each.before or ())
            yield from (f"+ {_condition(one)}" for one in each.after or ())
        else:
            yield f"{each.path}: {_value(each.before)} -> {_value(each.after)}"


def _condition(given: Any) -> str:
    made = Condition.model_validate(given)
    return f"({made.condition_group}) {in_words(made)}"


def _value(given: Any) -> str:
    if given is None or given == "":
        return "none"
    if isinstance(given, bool):
        return "on" if given else "off"
    return str(given)


def _conditions(given: Sequence[ExplainedCondition]) -> RenderableType:
    made = Table.grid(padding=(0, 1))
    for column in range(5):
        made.add_column(justify="right" if column < 2 else "left", overflow="fold")
    ordered = sorted(given, key=lambda each: each.condition_group)
    for place, (number, found) in enumerate(groupby(ordered, key=lambda each: each.condition_group)):
        for line, each in enumerate(found):
            word = "or" if line else "and" if place else ""
            verdict, style = _MET[each.verdict]
            made.add_row(
                word,
                "" if line else f"({number})",
                text(in_words(each)),
                Text(verdict, style),
                text(_fact(each)),
            )
    return made


def _fact(given: ExplainedCondition) -> str:
    if given.not_kept:
        return "it was not kept"
    if given.verdict == "unknown":
        return "not known"
    shown = ", ".join(given.fact) if isinstance(given.fact, list) else given.fact
    parts = [f"it is {shown}" if shown else "it is empty" if given.fact == "" else "there is none"]
    if given.geoip_build is not None:
        parts.append(f"by the database of {given.geoip_build:%Y-%m-%d}")
    if given.said_at is not None:
        parts.append(f"said {moment(given.said_at)} by {given.cause}")
    return ", ".join(parts)


def _different(given: WouldDiffer) -> str:
    if given.parameter is not None:
        name = f'request parameter "{given.parameter}"'
    else:
        name = _ATTRIBUTES[given.fact]
    value = ", ".join(given.value) if isinstance(given.value, list) else given.value
    if given.parameter is not None and value is not None:
        value = f'"{value}"'
    inactive = f", inactive {', '.join(given.inactive)}" if given.inactive else ""
    return f"{name}: {value or 'none'}{inactive}"


def _check(given: Check) -> str:
    facts = [_fact_name(each) for each in given.facts or ()]
    return " ".join(part for part in (_CHECKS[given.moment], ", ".join(facts), moment(given.at)) if part)


def _fact_name(attribute: str) -> str:
    kind, _, name = attribute.partition(":")
    return f'request parameter "{name}"' if name else _ATTRIBUTES[kind]
