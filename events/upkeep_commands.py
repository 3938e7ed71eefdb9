"""Commands that mend what went wrong around the worker."""

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from events.base import Command
from events.fields import MaybeOpenCode
from events.kinds import none_is
from events.suggestions import choice_of
from events.topics import DEAD_LETTER_SUFFIX, INPUTS, dead_letter_topic

_NAMES = tuple(topic.name for topic in INPUTS)


def _source(name: object) -> object:
    return name.lower().removesuffix(DEAD_LETTER_SUFFIX) if isinstance(name, str) else name


InputName = Annotated[
    str,
    choice_of("unknown_topic", *_NAMES),
    BeforeValidator(_source),
    WithJsonSchema({"type": "string", "enum": [*_NAMES, *map(dead_letter_topic, _NAMES)]}),
]


class ReplayDeadLetters(Command):
    """Puts dead letters back through the worker, with their first time and cause."""

    topic: InputName
    """The input they came on, with or without `.dlt`."""
    partition: Annotated[Annotated[int, Field(ge=0, le=2**31 - 1)] | None, none_is(None)] = None
    """Only those of this partition of the input."""
    offset: Annotated[Annotated[int, Field(ge=0, le=2**63 - 1)] | None, none_is(None)] = None
    """Only those that had this offset on the input."""
    code: MaybeOpenCode = None
    """Only those that died of this: their header `client-groups.error.code`."""


class Snapshot(Command):
    """Publishes client-groups and client-memberships anew."""
