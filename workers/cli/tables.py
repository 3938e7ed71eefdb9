"""Lists as tables for people: groups, members, changes, runs."""

from collections.abc import Iterable, Mapping
from typing import Final

from rich.table import Table

from events.outputs import AssignmentRun, MembershipChanged
from events.results import GroupSummary, MembersPage
from workers.cli.output import moment, number, plain, table, text

_STATES: Final[Mapping[str, str]] = {
    "running": "cyan",
    "held": "yellow",
    "done": "green",
    "cancelled": "red",
    "failed": "red",
}


def groups_table(rows: Iterable[GroupSummary], *, header: bool = True) -> Table:
    """One line for each group; `used` counts what refers to it, `warnings` what `group ID` says of it."""
    made = table(
        *("group", "name", "conditions", "members", "used", "version", "checks", "warnings"),
        numbers=("conditions", "members", "used", "version", "warnings"),
    )
    made.show_header = header
    for row in rows:
        made.add_row(
            text(row.group),
            text(row.name),
            number(row.conditions),
            number(row.members),
            number(row.used_by),
            str(row.version),
            _checks(row),
            text(row.warnings or "", "yellow"),
        )
    return made


def _checks(row: GroupSummary) -> str:
    switches = {
        "registration": row.upon_registration,
        "change": row.upon_change,
        "schedule": row.periodic,
    }
    return ", ".join(name for name, on in switches.items() if on) or "only forced"


def members_table(page: MembersPage, *, header: bool = True) -> Table:
    """One line for each member of a page; `header` is for the first."""
    made = table("client", "source", "since", times=("since",))
    made.show_header = header
    for client in page.clients:
        membership = page.memberships.get(client)
        source, since = ("", "") if membership is None else (membership.source, moment(membership.since))
        made.add_row(text(client), source, since)
    return made


def changes_table(changes: Iterable[MembershipChanged]) -> Table:
    """One line for each change, with the record or run that led to it, and who and why where known."""
    made = table(
        *("time", "client", "change", "group", "how", "version", "cause", "by"),
        numbers=("version",),
        times=("time",),
    )
    for each in changes:
        made.add_row(
            moment(each.changed_at),
            text(each.client_id),
            text(each.change, "green" if each.change == "joined" else "red"),
            text(each.group),
            how(each),
            str(each.version),
            text(each.cause),
            text(by(each.actor, each.reason)),
        )
    return made


def change_line(change: MembershipChanged) -> str:
    """One change on one line, for a stream of them."""
    who = by(change.actor, change.reason)
    said = f"{change.change} {change.group} ({how(change)}), version {change.version}"
    return plain(f"{moment(change.changed_at)}  {change.client_id}  {said}{who and f', by {who}'}")


def how(change: MembershipChanged) -> str:
    """The source of the membership, and the moment where that says more."""
    return change.source if change.source == change.moment else f"{change.source}, {change.moment}"


def by(actor: str | None, reason: str | None) -> str:
    """Who, and why."""
    return ": ".join(part for part in (actor, reason) if part)


def runs_table(runs: Iterable[AssignmentRun]) -> Table:
    """One line for each run."""
    made = table(
        *("run", "kind", "state", "groups", "clients", "joined", "left", "to leave", "started", "by"),
        numbers=("clients", "joined", "left", "to leave"),
        times=("started",),
    )
    for run in runs:
        made.add_row(
            text(run.run_id),
            run.kind,
            text(run.state, _STATES.get(run.state, "")),
            text(_some(run.groups)),
            looked_at(run),
            *(number(count) for count in (run.joined, run.left, run.to_leave)),
            moment(run.started_at),
            text(by(run.actor, run.reason)),
        )
    return made


def run_line(run: AssignmentRun) -> str:
    """How a run is, on one line, for a stream of them."""
    counts = {"joined": run.joined, "left": run.left, "to leave": run.to_leave}
    who = by(run.actor, run.reason)
    what = f"{run.run_id}  {run.kind} of {_some(run.groups)}: {run.state}"
    parts = (
        f"{moment(run.finished_at or run.started_at)}  {what}",
        f"{looked_at(run)} clients looked at",
        *(f"{number(count)} {word}" for word, count in counts.items() if count),
        *([f"by {who}"] if who else []),
    )
    return plain(", ".join(parts))


def looked_at(run: AssignmentRun) -> str:
    """How many clients, and of how many while there are more."""
    total = number(run.total)
    return total if run.checked == run.total else f"{number(run.checked)} of {total}"


def _some(groups: list[str]) -> str:
    more = len(groups) - 3
    return ", ".join(groups[:3]) + (f" and {more:,} more" if more > 0 else "")
