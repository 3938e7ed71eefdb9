"""contracts.md, *Commands*: what all have, put-group, and how a malformed one is answered."""

from datetime import timedelta
from typing import Any

import pytest

from events.commands import COMMANDS, AddMembers, PutGroup, RemoveMembers
from events.examples import EXAMPLES
from events.groups import Group
from events.record import FieldProblem
from tests.contract.commands import read, refused, wrong
from tests.contract.records import NOW, RECORD_TIME

PUT: dict[str, Any] = {"command": "put-group", "group": "vip", "name": "Our best"}
ADD: dict[str, Any] = {"command": "add-members", "group": "vip", "clients": ["1"]}


def test_the_examples_are_read() -> None:
    put = read(EXAMPLES["put-group"])
    assert isinstance(put, PutGroup)
    assert isinstance(put, Group)
    assert put.definition == Group.model_validate(
        {k: v for k, v in EXAMPLES["put-group"].items() if k != "command"}
    )
    assert type(put.definition) is Group
    assert put.auto_assignment.schedule == "0 3 * * *"
    assert [condition.value for condition in put.conditions] == [["DE", "FR"], "legal_entity", "true"]
    add = read(EXAMPLES["add-members"])
    assert isinstance(add, AddMembers)
    assert (add.group, add.clients, add.actor) == ("vip", ["1042", "1043"], "anna")
    remove = read(EXAMPLES["remove-members"])
    assert isinstance(remove, RemoveMembers)
    assert (remove.clients, remove.reason) == (["1042"], "asked")
    assert [put.warnings, add.warnings, remove.warnings] == [(), (), ()]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_an_example(name: str) -> None:
    command = read(EXAMPLES[name])
    assert type(command) is COMMANDS[name]
    assert (command.command, command.warnings) == (name, ())
    assert read({**EXAMPLES[name], "command": name.upper()}) == command


def test_the_commands_are_those_of_the_contract() -> None:
    assert list(COMMANDS) == [
        *("put-group", "change-group", "delete-group", "add-members", "remove-members", "set-client-groups"),
        *("pin", "unpin", "start-check", "approve-run", "cancel-run", "undo-run", "refresh-geoip", "preview"),
        *("list-groups", "show-group", "list-members", "show-client", "history"),
        *("explain", "group-history"),
        *("list-runs", "show-run", "replay-dead-letters", "snapshot"),
    ]


@pytest.mark.parametrize(
    ("name", "required"),
    [
        ("change-group", ["group"]),
        ("delete-group", ["group"]),
        ("set-client-groups", ["client_id", "groups"]),
        ("pin", ["group", "clients", "hold"]),
        ("unpin", ["group", "clients"]),
        ("preview", ["group", "name"]),
        ("list-groups", []),
        ("show-group", ["group"]),
        ("list-members", ["group"]),
        ("show-client", ["client_id"]),
        ("history", ["client_id"]),
        ("list-runs", []),
        ("show-run", ["run_id"]),
        ("replay-dead-letters", ["topic"]),
        ("snapshot", []),
    ],
)
def test_what_each_command_must_say(name: str, required: list[str]) -> None:
    if required:
        assert wrong({"command": name}) == dict.fromkeys(required, "missing")
    else:
        assert read({"command": name}).command == name


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_all_that_is_wrong_at_once(name: str) -> None:
    fields = COMMANDS[name].model_fields.keys() - {"command"}
    found = wrong({"command": name} | {field: [[]] for field in fields})
    # A list is no value of any field; what is wrong inside one that is a list is said of its item.
    assert {path.partition("[")[0] for path in found} == fields


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_warns_of_fields_it_does_not_know(name: str) -> None:
    command = read({**EXAMPLES[name], "actr": "anna", "zzz": None})
    assert [(warning.code, warning.path) for warning in command.warnings] == [
        ("unknown_field", "actr"),
        ("unknown_field", "zzz"),
    ]
    assert "did you mean actor?" in command.warnings[0].message


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("change-grup", "change-group"),
        ("delet-group", "delete-group"),
        ("set-client-group", "set-client-groups"),
        ("pinn", "pin"),
        ("un-pin", "unpin"),
        ("preveiw", "preview"),
        ("list-group", "list-groups"),
        ("show-grop", "show-group"),
        ("list-member", "list-members"),
        ("show-cleint", "show-client"),
        ("histroy", "history"),
        ("list-run", "list-runs"),
        ("show-runs", "show-run"),
        ("replay-dead-letter", "replay-dead-letters"),
        ("snapshots", "snapshot"),
    ],
)
def test_each_misspelt_command_is_known_again(given: str, meant: str) -> None:
    (error,) = refused({"command": given}).errors
    assert (error.code, error.path) == ("unknown_command", "command")
    assert f"did you mean {meant}?" in error.message


def test_what_a_command_does_not_say() -> None:
    command = read(ADD)
    assert (command.id, command.actor, command.reason) == (None, "console", None)
    assert command.command_id == command.cause == "group-commands/3/17"
    assert command.time == RECORD_TIME
    for none in (None, ""):
        assert read(ADD | {"id": none, "actor": none, "reason": none}) == command


def test_what_a_command_says() -> None:
    command = read(
        ADD | {"id": 7, "actor": "anna", "reason": "asked"}, headers=[("ce_time", b"2026-11-22T10:00:00Z")]
    )
    assert (command.command_id, command.actor, command.reason) == ("7", "anna", "asked")
    assert command.time.isoformat() == "2026-11-22T10:00:00+00:00"
    assert read(ADD | {"command": "Add-Members"}) == read(ADD)
    assert read(ADD | {"id": "x" * 200}).command_id == "x" * 200


def test_clients_are_folded_in_their_order() -> None:
    command = read(ADD | {"clients": ["2", 1, "1", 2, "x"]})
    assert isinstance(command, AddMembers)
    assert command.clients == ["2", "1", "x"]


@pytest.mark.parametrize(
    ("more", "errors"),
    [
        ({"command": "add-membrs"}, {"command": "unknown_command"}),
        ({"command": None}, {"command": "missing"}),
        ({"command": 5}, {"command": "wrong_type"}),
        ({"group": ""}, {"group": "id"}),
        ({"group": True}, {"group": "id"}),
        ({"group": "a\0"}, {"group": "nul_in_text"}),
        ({"group": "\ud800"}, {"group": "not_unicode"}),
        ({"clients": []}, {"clients": "too_short"}),
        ({"clients": "1"}, {"clients": "wrong_type"}),
        ({"clients": None}, {"clients": "wrong_type"}),
        ({"clients": ["1"] * 10_001}, {"clients": "too_long"}),
        ({"clients": ["1", True, "", 1.5]}, {"clients[1]": "id", "clients[2]": "id", "clients[3]": "id"}),
        ({"id": "x" * 201, "actor": "a\nb"}, {"id": "label", "actor": "label"}),
        ({"id": 1.5, "reason": 5}, {"id": "label", "reason": "text"}),
        ({"new": {"a\0b": 1}}, {"new": "nul_in_text"}),
    ],
)
def test_every_error_is_named_with_its_path(more: dict[str, Any], errors: dict[str, str]) -> None:
    assert errors.items() <= wrong(ADD | more).items()


def test_the_nearest_command_is_named() -> None:
    (error,) = refused(ADD | {"command": "add-membrs"}).errors
    assert "did you mean add-members?" in error.message


def test_all_errors_of_a_group_at_once() -> None:
    given = PUT | {
        "name": " ",
        "if_version": -1,
        "currency_rates": {"EUR/XYZ": "1"},
        "auto_assignment": {
            "periodic": True,
            "upon_registration": "yes",
            "timezone": "Europe/Berln",
            "hold_leaves_over": {"percent": 101, "count": -1},
        },
        "conditions": [
            {"condition_group": 0, "type": "contry", "comparison": "eqals", "value": "DE"},
            {"condition_group": 1, "type": "country", "comparison": "one_of", "value": ["DE", "XX"]},
            {"type": "payer_status", "comparison": "equals", "value": "company"},
        ],
    }
    assert wrong(given) == {
        "name": "blank",
        "if_version": "out_of_range",
        "currency_rates": "currency",
        "auto_assignment.schedule": "missing",
        "auto_assignment.upon_registration": "wrong_type",
        "auto_assignment.timezone": "timezone",
        "auto_assignment.hold_leaves_over.percent": "out_of_range",
        "auto_assignment.hold_leaves_over.count": "out_of_range",
        "conditions[0].condition_group": "out_of_range",
        "conditions[0].type": "unknown_type",
        "conditions[0].comparison": "unknown_comparison",
        "conditions[1].value": "country",
        "conditions[2].condition_group": "missing",
        "conditions[2].value": "code",
    }
    messages = {error.path: error.message for error in refused(given).errors}
    assert "did you mean Europe/Berlin?" in messages["auto_assignment.timezone"]
    assert "did you mean country?" in messages["conditions[0].type"]
    assert "did you mean equals?" in messages["conditions[0].comparison"]
    assert messages["conditions[1].value"].startswith("value 2: ")


def test_what_could_be_read_of_a_malformed_command() -> None:
    error = refused({"command": "put-group", "id": 5, "group": "vip", "actor": "anna", "colour": "red"})
    assert (error.command, error.command_id, error.group, error.actor) == ("put-group", "5", "vip", "anna")
    assert error.cause == "group-commands/3/17"
    assert error.time == RECORD_TIME
    assert [warning.path for warning in error.warnings] == ["colour"]
    assert "name: is required" in str(error)
    nothing = refused({"command": "\0", "id": "a\0", "group": ["x"], "actor": "\ud800"})
    assert (nothing.command, nothing.id, nothing.group, nothing.actor) == (None, None, None, "console")
    assert nothing.command_id == "group-commands/3/17"


def test_misspelt_fields_are_warned_of() -> None:
    command = read(
        PUT
        | {
            "auto_asignment": {},
            "auto_assignment": {"excude": True, "hold_leaves_over": {"percnt": 1}},
            "conditions": [
                {"condition_group": 1, "type": "request_parameter", "comparison": "is_set", "parametr": "a"}
            ],
            "zzz": 1,
        }
    )
    assert command.warnings == (
        FieldProblem(
            "unknown_field",
            "auto_asignment",
            "ignored: the field 'auto_asignment' is unknown (did you mean auto_assignment?)",
        ),
        FieldProblem(
            "unknown_field",
            "auto_assignment.excude",
            "ignored: the field 'excude' is unknown (did you mean exclude?)",
        ),
        FieldProblem(
            "unknown_field",
            "auto_assignment.hold_leaves_over.percnt",
            "ignored: the field 'percnt' is unknown (did you mean percent?)",
        ),
        FieldProblem(
            "unknown_field",
            "conditions[0].parametr",
            "ignored: the field 'parametr' is unknown (did you mean parameter?)",
        ),
        FieldProblem("unknown_field", "zzz", "ignored: the field 'zzz' is unknown"),
    )


def test_a_command_from_the_future_is_answered() -> None:
    ahead = (NOW + timedelta(minutes=6)).isoformat().encode()
    error = refused(ADD, headers=[("ce_time", ahead)])
    assert [(problem.code, problem.path) for problem in error.errors] == [("in_the_future", "ce_time")]
    assert refused(ADD, headers=[("ce_time", b"now")]).errors[0].code == "timestamp"
    assert refused(ADD, timestamp=2**63 - 1).errors[0].code == "timestamp"
