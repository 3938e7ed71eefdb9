"""The files in docs/contracts: up to date, valid, and at one with what is decoded and emitted."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator, ValidationError

from events import encode
from events.commands import COMMANDS as COMMAND_MODELS
from events.decode import decode
from events.examples import EXAMPLES
from events.groups import Group
from events.outputs import time_text
from events.record import InvalidRecord
from events.schemas import ASYNCAPI, FOLDER, asyncapi, files, json_schema, main, schema_file
from events.topics import ALL_TOPICS, GROUP_COMMANDS, INPUTS, OUTPUTS, Topic
from tests.contract.records import MINIMAL, NOW, record
from tests.contract.test_inputs import NORMALISED, WRONG

ROOT = Path(__file__).parents[2]
ASYNCAPI_SCHEMA = Draft7Validator(
    json.loads((Path(__file__).parent / "asyncapi/3.0.0.schema.json").read_text())
)
SPOKEN = [*INPUTS, *OUTPUTS]
COMMANDS = [name for name, example in EXAMPLES.items() if "command" in example and "status" not in example]


def validator(topic: Topic) -> Draft202012Validator:
    schema = json_schema(topic)
    assert schema is not None
    return Draft202012Validator(schema)


def of(name: str) -> Draft202012Validator:
    return validator(next(topic for topic in SPOKEN if topic.name == name))


def test_the_files_are_up_to_date() -> None:
    kept = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / FOLDER).iterdir()}
    assert kept == files(), "run python -m events.schemas"


def test_they_are_written_anew(tmp_path: Path) -> None:
    (tmp_path / "gone.schema.json").write_text("{}")
    main(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(files())


@pytest.mark.parametrize("topic", SPOKEN, ids=lambda topic: topic.name)
def test_each_schema_is_one(topic: Topic) -> None:
    Draft202012Validator.check_schema(json.loads(files()[schema_file(topic)]))
    names = COMMANDS if topic is GROUP_COMMANDS else [topic.name]
    for name in names:
        validator(topic).validate(EXAMPLES[name])
        with pytest.raises(ValidationError):
            validator(topic).validate({})


@pytest.mark.parametrize("name", COMMANDS)
def test_the_schema_of_each_command_knows_its_fields(name: str) -> None:
    commands = validator(GROUP_COMMANDS)
    example = {**EXAMPLES[name], "id": "x" * 200, "actor": 7, "reason": "", "more": "is ignored"}
    commands.validate(example)
    assert not commands.is_valid(example | {"id": "x" * 201})
    for field, says in COMMAND_MODELS[name].model_fields.items():
        assert not commands.is_valid(example | {field: [[]]})
        if says.is_required():
            assert not commands.is_valid({other: example[other] for other in example if other != field})


def test_the_schema_of_history_wants_a_client_or_a_group() -> None:
    commands = validator(GROUP_COMMANDS)
    assert not commands.is_valid({"command": "history"})
    commands.validate({"command": "history", "group": "vip"})


def test_a_change_has_no_defaults_in_its_schema() -> None:
    made = json.loads(files()[schema_file(GROUP_COMMANDS)])["$defs"]
    shown = {name: made[name]["properties"] for name in ("AutoAssignmentChange", "HoldLeavesOverChange")}
    own = {
        name: field
        for name, field in made["change-group"]["properties"].items()
        if name in Group.model_fields
    }
    for fields in (*shown.values(), own):
        assert not [name for name, field in fields.items() if "default" in field]


@pytest.mark.parametrize("name", MINIMAL)
def test_the_least_that_is_decoded_is_valid(name: str) -> None:
    of(name).validate(MINIMAL[name])


@pytest.mark.parametrize(("field", "given", "kept"), NORMALISED)
def test_what_is_decoded_is_valid(field: str, given: object, kept: object) -> None:
    for name in ("client-registered", "client-changed"):
        for value in (given, kept, None, ""):
            of(name).validate({"client_id": 1, field: value})


@pytest.mark.parametrize(("name", "field", "given", "code"), WRONG)
def test_what_is_refused_for_its_type_is_not_valid(name: str, field: str, given: object, code: str) -> None:
    # A schema cannot say all: lists of countries, lengths in all, forms of addresses are left to decoding.
    if code in ("wrong_type", "code", "text", "id") or not isinstance(given, str | dict):
        assert not of(name).is_valid(MINIMAL[name] | {field: given})


@pytest.mark.parametrize("topic", OUTPUTS, ids=lambda topic: topic.name)
def test_the_models_give_their_examples(topic: Topic) -> None:
    assert topic.model is not None
    example = dict(EXAMPLES[topic.name])
    model = (
        topic.model.model_validate_json(json.dumps(example), strict=False)
        if topic.name != "client-groups"
        else (topic.model.model_validate(example, strict=False))
    )
    assert json.loads(encode.encode(model)) == example  # type: ignore[arg-type]  # every output is one
    validator(topic).validate({**example, "more": "readers must expect further fields"})


def test_the_asyncapi_document_is_valid() -> None:
    document = yaml.safe_load(files()[ASYNCAPI])
    assert document == asyncapi()
    ASYNCAPI_SCHEMA.validate(document)


def without(document: Any, *path: str) -> Any:
    broken = copy.deepcopy(document)
    place = broken
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return broken


@pytest.mark.parametrize(
    "path",
    [("asyncapi",), ("info", "title"), ("operations", "client-registered", "action")],
)
def test_its_validator_would_see_an_error(path: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        ASYNCAPI_SCHEMA.validate(without(asyncapi(), *path))


def test_every_reference_in_it_leads_somewhere() -> None:
    document = asyncapi()
    made = files()
    found = 0
    for reference in references(document):
        name, _, pointer = reference.partition("#")
        place = json.loads(made[name.removeprefix("./")]) if name else document
        for step in pointer.split("/")[1:]:
            place = place[step]
        found += 1
    assert found > len(SPOKEN)


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [each for item in value.values() for each in references(item)]
    return [each for item in value for each in references(item)] if isinstance(value, list) else []


def test_it_names_every_topic_with_its_settings() -> None:
    channels = asyncapi()["channels"]
    assert [topic.name for topic in ALL_TOPICS if topic.name not in channels] == ["relay-position"]
    for topic in SPOKEN:
        kafka = channels[topic.name]["bindings"]["kafka"]
        assert kafka["partitions"] == topic.partitions
        assert kafka["topicConfiguration"]["cleanup.policy"] == [topic.cleanup_policy]


def test_what_the_schema_of_an_event_takes_and_decode_refuses_is_a_matter_of_value() -> None:
    with pytest.raises(InvalidRecord, match="country"):
        decode(record("client-changed", {"client_id": "1", "country": "XX"}), now=NOW)
    assert time_text(NOW) == "2026-11-22T12:00:00.000000Z"
