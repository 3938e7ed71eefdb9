"""A group and a client, each with all that there is to say of it, for people."""

from collections.abc import Iterable, Sequence

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from events.groups import AutoAssignment
from events.outputs import AssignmentRun, Problem, Reference
from events.results import ActivePin, ClientCard, Facts, GroupCard
from workers.cli.card_parts import fields, heading, listed, section
from workers.cli.condition_words import by_group
from workers.cli.output import moment, number, sentence, table, text
from workers.cli.tables import by, looked_at


def group_card(card: GroupCard, warnings: Sequence[Problem] = ()) -> Lines:
    """A group: its settings, when it is checked, its conditions, who uses it, and what is wrong with it."""
    above = [heading(f"{card.group}: {card.name}")]
    if card.description:
        above.append(text(card.description))
    unknown = f", unknown for {number(card.unknown)}" if card.unknown else ""
    facts: list[tuple[str, str]] = [
        ("members", number(card.members) + unknown),
        ("version", f"{card.version}, {moment(card.updated_at)} by {card.updated_by}"),
        *((f"rate {pair}", rate) for pair, rate in card.currency_rates.items()),
        ("service suspension", "allowed" if card.allow_service_suspension else "not allowed"),
        ("service deletion", "allowed" if card.allow_service_deletion else "not allowed"),
        ("limit on services", "lifted" if card.ignore_service_limit else "as the tariff sets it"),
        *_automatic(card.auto_assignment),
    ]
    return Lines(
        *above,
        fields(facts),
        section("Conditions", _conditions(card)),
        section("Used by", _references(card.used_by)),
        *([section("Warnings", listed(map(sentence, warnings), "yellow"))] if warnings else []),
    )


def client_card(card: ClientCard) -> Lines:
    """A client: its groups, its pins, and the facts that rules can read."""
    if card.registered:
        state = f"registered {moment(card.facts.registered_at)}"
    else:
        state = "not registered: no rule is checked before it is"
    return Lines(
        heading(f"{card.client_id}"),
        fields([("state", state), ("version", str(card.version)), *_facts(card.facts)]),
        section("Groups", _groups(card)),
        section("Pins", _pins(card.pins)),
    )


def run_card(run: AssignmentRun) -> Lines:
    """A run: what it is, how far it is, what it did."""
    known = {
        "state": run.state,
        "kind": run.kind,
        "groups": ", ".join(run.groups),
        "clients": looked_at(run),
        "joined": number(run.joined),
        "left": number(run.left),
        "to leave": number(run.to_leave),
        "started": moment(run.started_at),
        "finished": moment(run.finished_at),
        "by": by(run.actor, run.reason),
    }
    said = [(name, value) for name, value in known.items() if value]
    for group, held in (run.held or {}).items():
        sample = ", ".join(held.sample) + (", ..." if held.to_leave > len(held.sample) else "")
        said.append((f"held in {group}", f"{number(held.to_leave)} of {number(held.members)}: {sample}"))
    said += [(f"dropped {group}", why) for group, why in (run.dropped or {}).items()]
    said += [(f"skipped, {why}", number(count)) for why, count in (run.skipped or {}).items()]
    return Lines(heading(f"run {run.run_id}"), fields(said))


def _automatic(settings: AutoAssignment) -> Iterable[tuple[str, str]]:
    checks = [
        name
        for name, on in (
            ("upon registration", settings.upon_registration),
            ("upon change", settings.checks_upon_change),
            (f"at {settings.schedule} ({settings.timezone})", settings.periodic),
        )
        if on
    ]
    yield "checks", ", ".join(checks) or "only forced"
    if not settings.exclude:
        yield "takes out", "nobody"
    elif settings.keep_manual:
        yield "takes out", "who no longer matches, except those added by hand"
    else:
        yield "takes out", "who no longer matches, also those added by hand"
    hold = settings.hold_leaves_over
    if settings.exclude:
        limit = "never"
        if hold is not None:
            limit = f"over {hold.percent:g} percent of the members and {number(hold.count, 'client')}"
        yield "holds leaves", limit


def _conditions(card: GroupCard) -> RenderableType:
    made = Table.grid(padding=(0, 1))
    made.add_column(justify="right")
    made.add_column(justify="right")
    made.add_column(overflow="fold")
    for place, (at, conditions) in enumerate(by_group(card.conditions)):
        for line, condition in enumerate(conditions):
            word = "or" if line else "and" if place else ""
            made.add_row(word, "" if line else f"({at})", text(condition))
    return made if card.conditions else Text("  none: nobody is added or taken out automatically")


def _references(used_by: Sequence[Reference]) -> RenderableType:
    if not used_by:
        return Text("  nothing that is known")
    return listed(
        f"{each.kind} {each.ref_id}" + (f" ({each.title})" if each.title else "") for each in used_by
    )


def _facts(facts: Facts) -> Iterable[tuple[str, str]]:
    yield "country", facts.country or "none"
    yield "address", facts.ip or "none"
    if facts.geoip_build is None:
        yield "country by GeoIP", "not looked up yet" if facts.ip else "unknown: no address"
    else:
        found = facts.geoip_country or "not found"
        yield "country by GeoIP", f"{found} (database of {facts.geoip_build:%Y-%m-%d})"
    yield "provider", facts.provider_id or "none"
    yield "authorization method", facts.authorization_method or "none"
    for name, value in facts.request_parameters.items():
        yield f"parameter {name}", value
    for payer in facts.payers:
        active = "active" if payer.active else "inactive"
        yield f"payer {payer.payer_id}", f"{payer.status}, {active}, {moment(payer.changed_at)}"
    for each in facts.verifications:
        yield f"verification {each.method}", f"{each.result}, {moment(each.completed_at)}"


def _groups(card: ClientCard) -> RenderableType:
    if not card.groups:
        return Text("  none")
    made = table("group", "source", "since", times=("since",))
    for group, membership in card.groups.items():
        made.add_row(text(group), membership.source, moment(membership.since))
    return made


def _pins(pins: dict[str, ActivePin]) -> RenderableType:
    if not pins:
        return Text("  none")
    made = table("group", "held", "since", "until", "by", "reason", times=("since", "until"))
    for group, pin in pins.items():
        made.add_row(
            text(group),
            pin.hold,
            moment(pin.since),
            moment(pin.expires_at) or "unpin",
            text(pin.actor),
            text(pin.reason or ""),
        )
    return made
