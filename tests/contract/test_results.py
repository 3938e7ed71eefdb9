"""contracts.md, *What `result` holds*: a model for each command, and the published schema says the same."""

import copy
import json
from datetime import datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from events.commands import COMMANDS
from events.examples import EXAMPLES
from events.outputs import ClientGroup, GroupCommandResult
from events.result_examples import ACCEPTED, ANSWERS
from events.results import RESULTS, GroupCard
from events.schemas import json_schema
from events.topics import GROUP_COMMAND_RESULTS
from tests.contract.records import NOW

ROWS = {
    "list-groups": "groups",
    "list-members": "clients",
    "history": "changes",
    "list-runs": "runs",
    "group-history": "versions",
}


def schema() -> Draft202012Validator:
    made = json_schema(GROUP_COMMAND_RESULTS)
    assert made is not None
    return Draft202012Validator(made)


def answer(command: str) -> dict[str, Any]:
    return copy.deepcopy(dict(ANSWERS[command]))


def test_every_command_has_a_result_and_an_example_of_it() -> None:
    assert list(RESULTS) == list(ANSWERS) == [name for name in COMMANDS if name not in ACCEPTED]


@pytest.mark.parametrize("command", RESULTS)
def test_the_model_gives_its_example(command: str) -> None:
    result = answer(command)["result"]
    made = RESULTS[command].model_validate(result, strict=False)
    assert made.model_dump() == result
    whole = GroupCommandResult(**{**answer(command), "result": made.model_dump()})
    assert json.loads(whole.model_dump_json(exclude_none=True)) == answer(command)


@pytest.mark.parametrize("command", ACCEPTED)
def test_what_goes_on_as_a_run_is_accepted(command: str) -> None:
    schema().validate(ACCEPTED[command])
    whole = GroupCommandResult(**ACCEPTED[command])
    assert json.loads(whole.model_dump_json(exclude_none=True)) == ACCEPTED[command]


@pytest.mark.parametrize("command", RESULTS)
def test_the_schema_knows_the_result(command: str) -> None:
    validator = schema()
    validator.validate(answer(command))
    more = answer(command)
    more["result"]["more"] = "readers must expect further fields"
    validator.validate(more)
    for name, field in RESULTS[command].model_fields.items():
        less = answer(command)
        less["result"].pop(name, None)
        assert validator.is_valid(less) is not field.is_required()
    with pytest.raises(ValidationError):
        validator.validate(answer(command) | {"result": None})


def test_what_is_not_done_has_no_result() -> None:
    rejected = GroupCommandResult(command_id="1", command="show-group", status="rejected", cause="x/0/0")
    started = GroupCommandResult(command_id="1", command="pin", status="accepted", run_id="12", cause="x/0/0")
    unknown = GroupCommandResult(command_id="1", command=None, status="rejected", cause="x/0/0")
    for each in (rejected, started, unknown):
        schema().validate(json.loads(each.model_dump_json()))


@pytest.mark.parametrize(("command", "rows"), ROWS.items())
def test_pages_are_named_for_what_they_hold(command: str, rows: str) -> None:
    model = RESULTS[command]
    extra: dict[str, Any] = {"memberships": {}} if command == "list-members" else {}
    assert model.model_validate({rows: [], **extra}).model_dump() == {rows: [], **extra}
    assert model.model_validate({rows: [], **extra, "after": "x"}).model_dump()["after"] == "x"


def test_a_groups_card_is_the_group_as_published_and_more() -> None:
    published = ClientGroup.model_validate(EXAMPLES["client-groups"], strict=False)
    card = GroupCard.showing(published, members=1_200, unknown=3)
    assert card.model_dump() == {**published.model_dump(), "members": 1_200, "unknown": 3}


def test_times_are_texts_as_everywhere() -> None:
    run = answer("show-run")["result"] | {"started_at": NOW}
    made = RESULTS["show-run"].model_validate(run, strict=False)
    assert made.model_dump()["started_at"] == "2026-11-22T12:00:00.000000Z"
    assert isinstance(getattr(made, "started_at"), datetime)  # noqa: B009 - one of several models
