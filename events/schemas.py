"""The published contracts, made from the models and the list of topics.

`python -m events.schemas [FOLDER]` writes a JSON Schema a topic and an AsyncAPI 3 document (docs/contracts).
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from events.base import Input
from events.commands import COMMANDS
from events.encode import SOURCE, TYPE
from events.examples import EXAMPLES
from events.result_examples import ACCEPTED, ANSWERS
from events.results import RESULTS
from events.topics import (
    ALL_TOPICS,
    GROUP_COMMAND_RESULTS,
    GROUP_COMMANDS,
    INPUTS,
    OUTPUTS,
    RELAY_POSITION,
    Topic,
)

Json = dict[str, Any]
FOLDER = Path("docs/contracts")
ASYNCAPI = "asyncapi.yaml"
VERSION = "1.0.0"
"""Of the contracts. A field or command more is a minor version; nothing is renamed or dropped."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_file(topic: Topic) -> str:
    """The name of the file with the topic's schema."""
    return f"{topic.name}.schema.json"


def json_schema(topic: Topic) -> Json | None:
    """What the topic's values look like; None where they are as they came."""
    if topic is GROUP_COMMANDS:
        return _commands_schema(topic)
    if topic.model is None:
        return None
    schema = _of_model(topic.model)
    if topic is GROUP_COMMAND_RESULTS:
        schema = _with_results(schema)
    return {"$schema": DIALECT, "$id": schema_file(topic), **schema}


def _of_model(model: type[BaseModel]) -> Json:
    # Inputs are described as what is accepted, outputs as what is emitted.
    if not issubclass(model, Input):
        emitted: Json = _plain(model.model_json_schema(mode="serialization"))
        return emitted
    schema: Json = _plain(model.model_json_schema(mode="validation"))
    for field in schema["properties"].values():
        if field.get("default") is not True:  # null and a stand-in for the time: a missing field says nothing
            field.pop("default", None)
    return schema


def _commands_schema(topic: Topic) -> Json:
    definitions: Json = {}
    for name, model in COMMANDS.items():
        schema = _plain(model.model_json_schema(mode="validation"))
        definitions |= schema.pop("$defs", {})
        # The name is accepted in any case; the schema gives the spelling to use.
        schema["properties"]["command"] = {"const": name}
        definitions[name] = schema
    return {
        "$schema": DIALECT,
        "$id": schema_file(topic),
        "description": topic.description,
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in COMMANDS],
        "$defs": dict(sorted(definitions.items())),
    }


def _with_results(schema: Json) -> Json:
    """What `result` holds depends on the command that was done."""
    definitions: Json = schema["$defs"]
    for model in RESULTS.values():
        result = _of_model(model)
        definitions |= result.pop("$defs", {})
        definitions[model.__name__] = result
    cases = [
        {
            "if": {"properties": {"command": {"const": name}, "status": {"const": "done"}}},
            "then": {
                "properties": {"result": {"$ref": f"#/$defs/{model.__name__}"}},
                "required": ["result"],
            },
        }
        for name, model in RESULTS.items()
    ]
    return schema | {"$defs": dict(sorted(definitions.items())), "allOf": cases}


def _plain(schema: Any) -> Any:
    """Without the titles that pydantic makes of names: they say nothing new."""
    match schema:
        case dict():
            return {
                key: {name: _plain(item) for name, item in value.items()}
                if key in ("properties", "$defs")
                else _plain(value)
                for key, value in schema.items()
                if key != "title"
            }
        case list():
            return [_plain(item) for item in schema]
        case _:
            return schema


def asyncapi() -> Json:
    """The AsyncAPI document: what the worker receives and sends, and every topic's settings."""
    spoken = (*INPUTS, *OUTPUTS)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Client groups",
            "version": VERSION,
            "description": "Keeps client groups in step with their rules. Values are JSON; what is emitted "
            "is CloudEvents 1.0 in Kafka's binary mode, written in transactions: read it with "
            "isolation.level=read_committed.",
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in ALL_TOPICS if topic is not RELAY_POSITION},
        "operations": {
            topic.name: {
                "action": "receive" if topic in INPUTS else "send",
                "summary": topic.description,
                "channel": {"$ref": f"#/channels/{topic.name}"},
            }
            for topic in spoken
        },
        "components": {
            "messages": {name: message for topic in spoken for name, message in _messages(topic).items()},
            "messageTraits": {"emitted": {"headers": _emitted_headers()}},
        },
    }


def _channel(topic: Topic) -> Json:
    names = _messages(topic) if topic in (*INPUTS, *OUTPUTS) else {}
    settings: Json = {"cleanup.policy": [topic.cleanup_policy]}
    settings |= {name: _setting(value) for name, value in topic.config.items()}
    known = ("cleanup.policy", "retention.ms", "retention.bytes", "delete.retention.ms", "max.message.bytes")
    return {
        "address": topic.name,
        "description": f"{topic.description} Key: {topic.key}. Written by: {topic.producer}; "
        f"read by: {topic.consumer}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {name: settings[name] for name in known if name in settings},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _setting(value: str) -> int | str:
    return int(value) if value.lstrip("-").isdigit() else value


def _messages(topic: Topic) -> Mapping[str, Json]:
    if topic is GROUP_COMMANDS:
        return {
            name: _message(topic, name, f"{schema_file(topic)}#/$defs/{name}", model.__doc__)
            for name, model in COMMANDS.items()
        }
    return {topic.name: _message(topic, topic.name, schema_file(topic), topic.description)}


def _message(topic: Topic, name: str, schema: str, summary: str | None) -> Json:
    message: Json = {
        "name": name,
        "summary": (summary or "").splitlines()[0],
        "contentType": "application/json",
        "payload": {"$ref": f"./{schema}"},
        "bindings": {
            "kafka": {"key": {"type": "string", "description": topic.key}, "bindingVersion": "0.5.0"},
        },
        "examples": _examples(topic, name),
    }
    if topic in OUTPUTS:
        message["traits"] = [{"$ref": "#/components/messageTraits/emitted"}]
    return message


def _examples(topic: Topic, name: str) -> list[Json]:
    if topic not in OUTPUTS:
        return [{"payload": EXAMPLES[name]}]
    headers = {"ce_specversion": "1.0", "ce_source": SOURCE + name, "ce_type": TYPE + name}
    if topic is not GROUP_COMMAND_RESULTS:
        return [{"payload": EXAMPLES[name], "headers": headers}]
    return [
        {"name": command, "payload": answer, "headers": headers}
        for command, answer in {**ANSWERS, **ACCEPTED}.items()
    ]


def _emitted_headers() -> Json:
    text = {"type": "string"}
    return {
        "type": "object",
        "required": [
            "ce_specversion",
            "ce_id",
            "ce_source",
            "ce_type",
            "ce_time",
            "ce_subject",
            "content-type",
        ],
        "properties": {
            "ce_specversion": {"const": "1.0"},
            "ce_id": {**text, "description": "Unique in the topic. membership-changed: client_id:version."},
            "ce_source": {**text, "description": f"{SOURCE}<topic>"},
            "ce_type": {**text, "description": f"{TYPE}<topic>"},
            "ce_time": {**text, "format": "date-time"},
            "ce_subject": {**text, "description": "The id that the key names."},
            "content-type": {"const": "application/json"},
            "traceparent": {**text, "description": "W3C trace context, where one came in."},
        },
    }


def files() -> Mapping[str, str]:
    """Each file's name and text."""
    made = {
        schema_file(topic): json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for topic in ALL_TOPICS
        if (schema := json_schema(topic)) is not None
    }
    made[ASYNCAPI] = "# Made by `python -m events.schemas`; do not edit.\n" + yaml.dump(
        asyncapi(), Dumper=_NoAnchors, sort_keys=False, allow_unicode=True, width=110
    )
    return made


class _NoAnchors(yaml.SafeDumper):
    """Without anchors: readers of contracts shouldn't need to know them."""

    def ignore_aliases(self, data: object) -> bool:
        """Write everything out."""
        return True


def main(folder: Path = FOLDER) -> None:
    """Write all files, and take away those that are made no more."""
    folder.mkdir(parents=True, exist_ok=True)
    made = files()
    for old in folder.glob("*.schema.json"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
