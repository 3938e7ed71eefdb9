"""Start here: the one list of topics, with key, model, producer, consumer and settings of each.

`client-groups topics` creates them from this list; the JSON Schemas and the AsyncAPI document are made of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel

from events.clients import ClientChanged, ClientDeleted, ClientRegistered
from events.outputs import (
    AssignmentRun,
    ClientGroup,
    ClientMemberships,
    GroupCommandResult,
    MembershipChanged,
)
from events.payers import PayerChanged
from events.providers import ProviderChanged
from events.usage import GroupUsageChanged
from events.verifications import VerificationCompleted

DAY_MS = 86_400_000
CLIENT_PARTITIONS = 8
"""Changing it later breaks the order of a client's events: Kafka places keys by this number."""
DEAD_LETTER_SUFFIX = ".dlt"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic and who uses it."""

    name: str
    key: str
    """What the key names: client, provider, group, run ..."""
    model: type[BaseModel] | None
    """None: not one kind of JSON object (commands are a family, dead letters are as they came)."""
    producer: str
    consumer: str
    partitions: int
    description: str
    cleanup_policy: Literal["delete", "compact"] = "delete"
    config: Mapping[str, str] = field(default_factory=dict)
    """Kafka's own settings beside cleanup.policy."""


_KEPT = {"retention.ms": str(14 * DAY_MS)}
_LARGE = {"max.message.bytes": str(4 * 1024 * 1024)}
_SNAPSHOT = {
    # A reader who is away for less than this long still sees every tombstone.
    "delete.retention.ms": str(7 * DAY_MS),
    "min.cleanable.dirty.ratio": "0.1",
}


def _input(name: str, key: str, model: type[BaseModel] | None, description: str) -> Topic:
    partitions = CLIENT_PARTITIONS if key == "client" else 1
    return Topic(name, key, model, "upstream services", "worker", partitions, description, config=_KEPT)


def _output(name: str, key: str, model: type[BaseModel], description: str, *, compact: bool = False) -> Topic:
    return Topic(
        name,
        key,
        model,
        "worker (relay)",
        "subscribers",
        CLIENT_PARTITIONS if key == "client" else 1,
        description,
        "compact" if compact else "delete",
        {**(_SNAPSHOT if compact else _KEPT), **_LARGE},
    )


CLIENT_REGISTERED = _input("client-registered", "client", ClientRegistered, "A client signed up.")
CLIENT_CHANGED = _input("client-changed", "client", ClientChanged, "Fields of a client changed.")
CLIENT_DELETED = _input("client-deleted", "client", ClientDeleted, "A client was deleted.")
PAYER_CHANGED = _input("payer-changed", "client", PayerChanged, "A payer of a client changed.")
VERIFICATION_COMPLETED = _input(
    "verification-completed", "client", VerificationCompleted, "A client passed or failed a verification."
)
PROVIDER_CHANGED = _input("provider-changed", "provider", ProviderChanged, "A provider changed.")
GROUP_USAGE_CHANGED = _input(
    "group-usage-changed", "group", GroupUsageChanged, "A service began or ceased to refer to a group."
)
GROUP_COMMANDS = Topic(
    "group-commands",
    "group or client",
    None,
    "operators, CLI, services",
    "worker",
    1,  # commands are carried out in the order of the topic
    "What operators want done, answered on group-command-results.",
    config=_KEPT,
)

MEMBERSHIP_CHANGED = _output(
    "membership-changed", "client", MembershipChanged, "A client joined or left a group."
)
CLIENT_MEMBERSHIPS = _output(
    "client-memberships", "client", ClientMemberships, "The groups each client is in now.", compact=True
)
CLIENT_GROUPS = _output("client-groups", "group", ClientGroup, "Each group as it is now.", compact=True)
GROUP_COMMAND_RESULTS = _output(
    "group-command-results", "as the command", GroupCommandResult, "The answer to each command."
)
ASSIGNMENT_RUNS = _output("assignment-runs", "run", AssignmentRun, "Progress and result of each run.")


def dead_letter_topic(topic: str) -> str:
    """Where what cannot be read from an input topic goes."""
    return topic + DEAD_LETTER_SUFFIX


def _dead_letters(source: Topic) -> Topic:
    return Topic(
        dead_letter_topic(source.name),
        "as it came",
        None,
        "worker (relay)",
        "operators",
        1,
        f"Records of {source.name} that could not be used, as they came, with the reason in headers.",
        config={
            # Dead letters keep their records' timestamps, and those decide what is too old: a record with a
            # wrong clock would be gone at once, or refused for being ahead. Kept by size, then, at any time.
            "retention.ms": "-1",
            "retention.bytes": str(1024**3),
            "message.timestamp.after.max.ms": str(2**63 - 1),
            **_LARGE,
        },
    )


RELAY_POSITION = Topic(
    "relay-position",
    "none",
    None,
    "worker (relay)",
    "worker (relay)",
    1,
    "Holds no records: the relay's consumer group commits its place in the log as this partition's offset.",
)

INPUTS: tuple[Topic, ...] = (
    CLIENT_REGISTERED,
    CLIENT_CHANGED,
    CLIENT_DELETED,
    PAYER_CHANGED,
    VERIFICATION_COMPLETED,
    PROVIDER_CHANGED,
    GROUP_USAGE_CHANGED,
    GROUP_COMMANDS,
)
OUTPUTS: tuple[Topic, ...] = (
    MEMBERSHIP_CHANGED,
    CLIENT_MEMBERSHIPS,
    CLIENT_GROUPS,
    GROUP_COMMAND_RESULTS,
    ASSIGNMENT_RUNS,
)
DEAD_LETTERS: tuple[Topic, ...] = tuple(map(_dead_letters, INPUTS))
ALL_TOPICS: tuple[Topic, ...] = (*INPUTS, *OUTPUTS, *DEAD_LETTERS, RELAY_POSITION)
