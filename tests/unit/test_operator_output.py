"""What operators see: tables, cards and sentences from the models of results."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from rich.console import Console, RenderableType

from events.examples import EXAMPLES
from events.outputs import AssignmentRun, MembershipChanged, Problem
from events.result_examples import ANSWERS
from events.results import ClientCard, GroupCard, GroupsPage, MembersPage
from workers.cli.cards import client_card, group_card, run_card
from workers.cli.group_files import as_written, read_group
from workers.cli.output import ROWS_DRAWN, moment, number, print_table, table, text
from workers.cli.tables import change_line, changes_table, groups_table, members_table, runs_table
from workers.exits import REFUSED, CommandError

CONDITIONS = [
    {"condition_group": 2, "type": "payer_status", "comparison": "equals", "value": "legal_entity"},
    {"condition_group": 1, "type": "country", "comparison": "one_of", "value": ["DE", "FR"]},
    {
        "condition_group": 2,
        "type": "request_parameter",
        "parameter": "fromsite",
        "comparison": "equals",
        "value": "true",
    },
]


def shown(made: RenderableType) -> str:
    out = io.StringIO()
    Console(file=out, width=140, color_system=None).print(made)
    lines = (line.rstrip() for line in out.getvalue().splitlines())
    return "\n".join(line for line in lines if set(line) != {"─"})


def answered(command: str, **fields: Any) -> dict[str, Any]:
    return {**ANSWERS[command]["result"], **fields}


def test_groups() -> None:
    [row] = ANSWERS["list-groups"]["result"]["groups"]
    rows = [row, {**row, "group": "bare", "name": "[red]Bare", "warnings": 2, "periodic": False}]
    rows[1] |= {"upon_registration": False, "upon_change": False}
    page = GroupsPage.model_validate({"groups": rows})
    assert shown(groups_table(page.groups)) == "\n".join(
        (
            "group          name           conditions   members   used   version   checks"
            "                           warnings",
            "eu-companies   EU companies            3     1,200      1         2   "
            "registration, change, schedule",
            "bare           [red]Bare               3     1,200      1         2   "
            "only forced                             2",
        )
    )


def test_a_table_of_many_rows_is_written_plainly_and_says_the_same() -> None:
    made = table("client", "members", numbers=("members",))
    for row in range(ROWS_DRAWN + 1):
        made.add_row(text(f"[red]{row}\x1b", "yellow"), number(row * 100))
    out = io.StringIO()
    console = Console(file=out, width=20, color_system=None)
    print_table(console, made)
    header, _, first, *_, last = out.getvalue().splitlines()
    assert header.split() == ["client", "members"]
    assert first.split() == [r"[red]0\x1b", "0"]
    assert last == r"[red]100\x1b     10,000"
    made.show_header = False
    out.truncate(0)
    print_table(console, made)
    assert len(out.getvalue().splitlines()) == ROWS_DRAWN + 1


def test_a_group() -> None:
    card = GroupCard.model_validate(
        answered(
            "show-group",
            conditions=CONDITIONS,
            unknown=3,
            auto_assignment={
                "periodic": True,
                "schedule": "0 3 * * *",
                "exclude": True,
                "keep_manual": True,
            },
        ),
        strict=False,
    )
    warning = Problem(
        code="inactive_provider", path="conditions[0].value", message="the provider is not active"
    )
    assert (
        shown(group_card(card, [warning]))
        == """\
vip: Our best
  members             2, unknown for 3
  version             3, 2026-11-22 09:00:00Z by anna
  rate EUR/USD        1.08
  service suspension  allowed
  service deletion    not allowed
  limit on services   lifted
  checks              upon change, at 0 3 * * * (UTC)
  takes out           who no longer matches, except those added by hand
  holds leaves        over 10 percent of the members and 100 clients

Conditions
    (1) country is one of DE, FR
and (2) payer status is legal_entity
 or     request parameter "fromsite" is "true"

Used by
  tariff 12 (VPS S)

Warnings
  conditions[0].value: the provider is not active"""
    )


def test_a_group_with_nothing() -> None:
    bare = answered("show-group", conditions=[], used_by=[], currency_rates={}, description="For all")
    said = shown(group_card(GroupCard.model_validate(bare, strict=False)))
    assert said.startswith("vip: Our best\nFor all\n")
    assert "nobody is added or taken out automatically" in said
    assert "nothing that is known" in said
    assert "Warnings" not in said


def test_a_client() -> None:
    card = ClientCard.model_validate(answered("show-client"))
    assert (
        shown(client_card(card))
        == """\
1042
  state                 registered 2026-11-22 10:15:00Z
  version               1
  country               DE
  address               192.0.2.7
  country by GeoIP      DE (database of 2026-11-17)
  provider              1
  authorization method  google
  parameter fromsite    true
  payer 7               legal_entity, active, 2026-11-22 10:16:00Z
  verification email    passed, 2026-11-22 10:17:00Z

Groups
group          source   since
eu-companies   rule     2026-11-22 10:15:00Z

Pins
group   held   since                  until   by     reason
trial   out    2026-11-22 11:00:00Z   unpin   anna   had one already"""
    )


def test_a_client_of_whom_little_is_known() -> None:
    bare = answered("show-client", registered=False, facts={"ip": "192.0.2.7"}, groups={}, pins={})
    said = shown(client_card(ClientCard.model_validate(bare)))
    assert "not registered: no rule is checked before it is" in said
    assert "not looked up yet" in said
    without = shown(client_card(ClientCard.model_validate({**bare, "facts": {}})))
    assert "unknown: no address" in without


def test_members_changes_and_runs() -> None:
    page = MembersPage.model_validate(answered("list-members"))
    assert shown(members_table(page)).splitlines() == [
        "client   source   since",
        "1042     rule     2026-11-22 10:15:00Z",
    ]
    assert shown(members_table(page, header=False)) == "1042   rule   2026-11-22 10:15:00Z"
    by_hand = {"source": "manual", "moment": "manual", "actor": "anna", "reason": "asked for it"}
    change = MembershipChanged.model_validate({**EXAMPLES["membership-changed"], **by_hand})
    assert shown(changes_table([change])).splitlines()[-1].split() == [
        *("2026-11-22", "10:15:00Z", "1042", "joined", "eu-companies", "manual", "1"),
        *(change.cause, "anna:", "asked", "for", "it"),
    ]
    assert change_line(change) == (
        "2026-11-22 10:15:00Z  1042  joined eu-companies (manual), version 1, by anna: asked for it"
    )
    run = AssignmentRun.model_validate({**EXAMPLES["assignment-runs"], "checked": 5000, "groups": [*"abcde"]})
    assert "a, b, c and 2 more   5,000 of 20,000" in shown(runs_table([run]))
    assert shown(run_card(run)).splitlines()[1:6] == [
        "  state     done",
        "  kind      schedule",
        "  groups    a, b, c, d, e",
        "  clients   5,000 of 20,000",
        "  joined    12",
    ]


def test_a_run_that_waits_for_an_operator_says_for_whom() -> None:
    fields = {
        "state": "held",
        "held": {"vip": {"to_leave": 1200, "members": 5000, "sample": ["1", "2"]}},
        "dropped": {"trial": "it was deleted"},
        "skipped": {"pinned": 3},
    }
    said = shown(run_card(AssignmentRun.model_validate({**EXAMPLES["assignment-runs"], **fields})))
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert "held in vip 1,200 of 5,000: 1, 2, ..." in lines
    assert "dropped trial it was deleted" in lines
    assert "skipped, pinned 3" in lines


def test_nothing_that_strangers_typed_steers_the_terminal() -> None:
    assert text("a\x1b[31mb\u202ec\r\n").plain == "a\\x1b[31mb\\u202ec\\r\\n"
    assert text("Zoë, 東京 [bold]").plain == "Zoë, 東京 [bold]"
    facts = {**ANSWERS["show-client"]["result"]["facts"], "request_parameters": {"\x1b[2J": "\x1b]0;x\a"}}
    said = shown(client_card(ClientCard.model_validate(answered("show-client", facts=facts))))
    assert "\x1b" not in said
    assert "\a" not in said


def test_numbers_and_times() -> None:
    assert [number(0, "run"), number(1, "run"), number(1234)] == ["0 runs", "1 run", "1,234"]
    assert moment(None) == ""
    assert moment(datetime.fromisoformat("2026-01-01T01:00:00.9+02:00")) == "2025-12-31 23:00:00Z"
    assert moment(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01 00:00:00Z"


def test_a_group_as_a_file_and_back() -> None:
    card = GroupCard.model_validate(answered("show-group", conditions=CONDITIONS), strict=False)
    written = as_written(card)
    assert written.startswith("# version 3 of 2026-11-22 09:00:00Z\ngroup: vip\n")
    read = read_group(written.encode(), "vip.yaml")
    assert read.fields == yaml.safe_load(written)
    assert GroupCard.model_validate({**card.model_dump(), **read.fields}, strict=False) == card
    problem = Problem(code="x", path="conditions[1].value", message="is wrong")
    place = written.splitlines().index("  type: country") + 3
    assert written.splitlines()[place - 1].strip() == "value:"
    assert read.locate(problem) == f"vip.yaml:{place}: conditions[1].value: is wrong"


def test_the_answer_of_group_is_a_file_too() -> None:
    answer = (
        b'{"command": "show-group", "result": {"group": "vip", "name": "V",\n "version": 3, "members": 2}}'
    )
    read = read_group(answer, "-")
    assert read.fields == {"group": "vip", "name": "V"}
    assert read.locate(Problem(code="x", path="name", message="is wrong")) == "-:1: name: is wrong"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a: \tb: [", "f:1: expected YAML"),
        (b"- 1", "f:1: expected one group, an object"),
        (b"group: a\ngroup: b", "f:2: group: is given twice"),
        (b"groups: []", "f:1: expected one group; `client-groups apply` takes a list of them"),
        (b"command: delete-group", "f:1: expected a group or a put-group command"),
    ],
)
def test_what_is_no_group(content: bytes, says: str) -> None:
    with pytest.raises(CommandError) as refused:
        read_group(content, "f")
    assert refused.value.sentence.startswith(says)
    assert refused.value.code == REFUSED
