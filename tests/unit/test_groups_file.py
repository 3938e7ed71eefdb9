"""What is read from a groups file, and what is said of one with mistakes: path, line, sentence."""

from pathlib import Path
from typing import Any

import pytest

from events.outputs import GroupCommandResult, Problem
from workers.cli.apply import Applied, Status, outcome_of
from workers.cli.apply_report import as_json
from workers.cli.groups_file import GroupsFile, Located, read_groups

HEAD = "groups:\n  - group: vip\n    name: VIP\n"
CONDITION = (
    HEAD + "    conditions:\n      - condition_group: 1\n        type: {type}\n        comparison: equals\n"
)


def read(text: str) -> GroupsFile:
    return read_groups(text.encode())


def errors(file: GroupsFile) -> list[Located]:
    return [*file.errors, *(error for entry in file.entries for error in entry.errors)]


def warnings(file: GroupsFile) -> list[Located]:
    return [*file.warnings, *(warning for entry in file.entries for warning in entry.warnings)]


def places(found: list[Located]) -> list[tuple[str, int]]:
    return [(problem.path, problem.line) for problem in found]


def value_of(text: str, type_: str = "request_parameter") -> Any:
    """The value that is sent for one written plainly."""
    parameter = "        parameter: p\n" if type_ == "request_parameter" else ""
    file = read(CONDITION.format(type=type_) + parameter + f"        value: {text}\n")
    assert file.ok, errors(file)
    definition = file.entries[0].definition
    assert definition is not None
    return definition["conditions"][0]["value"]


def test_a_file_gives_the_commands_in_its_order() -> None:
    file = read("groups:\n- {group: b, name: B}\n- {group: a, name: A, auto_assignment: {exclude: true}}\n")
    assert file.ok
    assert [entry.definition for entry in file.entries] == [
        {"group": "b", "name": "B"},
        {"group": "a", "name": "A", "auto_assignment": {"exclude": True}},
    ]
    assert not warnings(file)


@pytest.mark.parametrize("written", ["NO", "no", "No", '"NO"', "!!str NO"])
def test_norway_is_a_country(written: str) -> None:
    value = value_of(written, "country")
    assert isinstance(value, str)
    assert value.upper() == "NO"


@pytest.mark.parametrize(
    "written", ["yes", "on", "007", "0x1F", "2026-11-22", "12:30:00", "1_000", ".inf", "+5", "=", "y"]
)
def test_what_is_no_json_is_text(written: str) -> None:
    assert value_of(written) == written


@pytest.mark.parametrize("written", ["1.10", "1e3", "12345678901234567890", "-0.0"])
def test_numbers_keep_their_digits(written: str) -> None:
    from events.written import as_text

    assert as_text(value_of(written)) == written


@pytest.mark.parametrize(("written", "value"), [("true", True), ("False", False)])
def test_true_and_false_are_switches(written: str, value: bool) -> None:
    assert value_of(written) is value


def test_yaml_1_1_does_not_bring_its_traps_back() -> None:
    text = (
        "%YAML 1.1\n---\n"
        + CONDITION.format(type="country").replace("equals", "one_of")
        + "        value: [NO, SE]\n"
    )
    file = read(text)
    assert file.ok, errors(file)


def test_anchors_and_merges() -> None:
    file = read(
        "x-base: &base\n  name: Base\n  auto_assignment: &auto {upon_registration: true}\n"
        "groups:\n  - <<: *base\n    group: a\n    name: Own\n  - group: b\n    <<: [*base]\n"
    )
    assert file.ok, errors(file)
    assert not warnings(file)
    auto = {"upon_registration": True}
    assert [entry.definition for entry in file.entries] == [
        {"group": "a", "name": "Own", "auto_assignment": auto},
        {"group": "b", "name": "Base", "auto_assignment": auto},
    ]


def test_all_errors_at_once_with_path_and_line() -> None:
    file = read(
        """\
groups:
  - group: ok
    name: Fine
  - group: bad
    auto_assignment:
      upon_registration: yes
    conditions:
      - condition_group: 1
        type: country
        comparison: equals
        value: Germany
      - condition_group: 2
        type: contry
        comparison: equals
        value: DE
  - group: worse
    name: ''
    conditions:
      - condition_group: 1
        type: payer_status
        comparison: one_of
        value:
          - individual
          - company
  - nothing
"""
    )
    assert not file.ok
    assert places(errors(file)) == [
        ("groups[1].name", 4),  # missing: the nearest thing around it
        ("groups[1].auto_assignment.upon_registration", 6),
        ("groups[1].conditions[0].value", 11),
        ("groups[1].conditions[1].type", 13),
        ("groups[2].name", 17),
        ("groups[2].conditions[0].value", 22),
        ("groups[3]", 25),
    ]
    assert "did you mean country?" in errors(file)[3].message
    assert [entry.definition is None for entry in file.entries] == [False, True, True, True]


def test_what_only_the_rules_know_is_said_too() -> None:
    file = read(
        CONDITION.format(type="country").replace("equals", "starts_with")
        + "        value: DE\n"
        + "      - condition_group: 1\n        type: request_parameter\n        parameter: p\n"
        + "        comparison: matches\n        value: '('\n"
    )
    assert [error.code for error in errors(file)] == ["comparison_not_allowed", "pattern_invalid"]
    assert places(errors(file)) == [
        ("groups[0].conditions[0].comparison", 7),
        ("groups[0].conditions[1].value", 13),
    ]


def test_unknown_fields_are_warnings_with_the_nearest_name() -> None:
    file = read(
        "group: []\ngroups:\n  - group: vip\n    nmae: x\n    name: VIP\n    reason: why\n"
        "    command: delete-group\n    auto_assignment:\n      exlude: true\n"
    )
    assert file.ok
    assert places(warnings(file)) == [
        ("group", 1),
        ("groups[0].reason", 6),
        ("groups[0].command", 7),
        ("groups[0].nmae", 4),
        ("groups[0].auto_assignment.exlude", 9),
    ]
    messages = [warning.message for warning in warnings(file)]
    assert "did you mean groups?" in messages[0]
    assert "--reason" in messages[1]
    assert "did you mean name?" in messages[3]
    assert "did you mean exclude?" in messages[4]
    assert file.entries[0].definition == {
        "group": "vip",
        "name": "VIP",
        "auto_assignment": {"exlude": True},
    }


def test_a_group_given_twice_is_an_error() -> None:
    file = read("groups:\n  - {group: 7, name: A}\n  - {group: b, name: B}\n  - {group: '7', name: C}\n")
    assert places(errors(file)) == [("groups[2].group", 4)]
    assert "first as groups[0] in line 2" in errors(file)[0].message


def test_a_name_given_twice_is_an_error() -> None:
    file = read(HEAD + "    name: Again\n")
    assert places(errors(file)) == [("groups[0].name", 4)]
    assert errors(file)[0].message == "is given twice, first in line 3"
    assert places(errors(read("groups: []\ngroups: []\n"))) == [("groups", 2)]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("groups:\n  - group: [a\n", 3, "did not find"),
        ("groups:\n\t- a\n", 2, "tab"),
        ("groups: [*nothing]\n", 1, "undefined alias"),
        ("groups: []\n---\ngroups: []\n", 2, "another document"),
        ("groups:\n  - group: \x07\n", 2, "control character"),
        ("[" * 5000, 1, "nested less deeply"),
        ("", 1, "`groups:`"),
        ("# nothing yet\n", 1, "`groups:`"),
        ("- group: vip\n", 1, "`groups:`"),
        ("groups:\n", 1, "expected a list"),
        ("a: 1\n", 1, "is required"),
        ("groups: [&a [*a]]\n", 1, "refers to itself"),
        ("groups:\n  - ? [a]\n    : b\n", 2, "before the colon"),
        ("groups:\n  - group: !secret vip\n", 2, "tag"),
        ("groups:\n  - <<: vip\n", 2, "merge"),
        ('groups:\n  - group: vip\n    name: "a\\0b"\n', 3, "NUL"),
        ('groups:\n  - group: vip\n    name: "\\ud800"\n', 3, "invalid Unicode"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_and_a_line(text: str, line: int, says: str) -> None:
    found = errors(read(text))
    assert any(problem.line == line and says in problem.message for problem in found), found


def test_bytes_that_are_no_utf_8() -> None:
    [error] = read_groups(HEAD.encode() + "    description: Straße\n".encode("latin-1")).errors
    assert (error.line, error.message) == (4, "expected UTF-8 text")


def test_a_byte_order_mark_is_ignored() -> None:
    assert read_groups(HEAD.encode("utf-8-sig")).ok


def test_a_group_too_large_for_a_command() -> None:
    values = ", ".join(f"{number:0120}x" for number in range(9_000))
    condition = "condition_group: 1, type: request_parameter, parameter: p, comparison: one_of"
    [error] = errors(read(HEAD + f"    conditions:\n      - {{{condition}, value: [{values}]}}\n"))
    assert (error.code, error.path, error.line) == ("too_large", "groups[0]", 2)


def test_the_groups_of_the_demo_are_fine() -> None:
    from deploy.local import __file__ as package

    file = read_groups((Path(package).parent / "demo_groups.yaml").read_bytes())
    assert file.ok, errors(file)
    assert not warnings(file)


def test_what_the_worker_refuses_is_named_where_it_stands_in_the_file() -> None:
    file = read(
        "groups:\n  - {group: a, name: A}\n" + CONDITION.format(type="country")[8:] + "        value: DE\n"
    )
    assert file.ok, errors(file)
    answer = GroupCommandResult(
        command_id="1",
        command="put-group",
        group="vip",
        status="rejected",
        errors=[Problem(code="country", path="conditions[0].value", message="is not there any more")],
        warnings=[Problem(code="w", path="", message="in general")],
        cause="group-commands/0/1",
    )
    outcome = outcome_of(file, file.entries[1], answer)
    assert outcome.status is Status.REJECTED
    assert outcome.errors == [Located("country", "groups[1].conditions[0].value", 9, "is not there any more")]
    # The first is the file's own: no check is turned on.
    assert places(outcome.warnings) == [("groups[1].auto_assignment", 3), ("groups[1]", 3)]
    applied = Applied(file, [outcome])
    assert not applied.ok
    assert "groups[1].conditions[0].value" in as_json(applied, "groups.yaml")


def test_useless_rules_are_warned_of_before_anything_is_sent() -> None:
    file = read(
        "groups:\n  - group: a\n    name: A\n    auto_assignment: {upon_change: true}\n    conditions:\n"
        "      - {condition_group: 1, type: country, comparison: equals, value: DE}\n"
        "      - {condition_group: 2, type: country, comparison: equals, value: FR}\n"
    )
    assert not errors(file)
    [warning] = warnings(file)
    assert (warning.code, warning.path, warning.line) == ("impossible", "groups[0].conditions[1]", 7)
