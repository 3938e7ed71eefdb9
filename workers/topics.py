"""Creates the topics of events/topics.py, and says where those that exist are not as they should be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import tenacity
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import NoError, TopicAlreadyExistsError, for_code

from events.topics import ALL_TOPICS, GROUP_COMMANDS, Topic

_CLEANUP_POLICY: Final = "cleanup.policy"
_VISIBLE_TIMEOUT_S: Final = 15.0
"""The controller has made a topic before every broker knows of it: milliseconds, more on a busy cluster."""


class TopicError(Exception):
    """Kafka refused to make or to describe a topic; the text says which and why."""


@dataclass(frozen=True, slots=True)
class TopicDifference:
    """A topic that exists, but not as it should be."""

    topic: str
    setting: str
    wanted: str
    found: str

    def __str__(self) -> str:
        """One line for an operator."""
        return f"{self.topic}: {self.setting} should be {self.wanted}, is {self.found}"


@dataclass(frozen=True, slots=True)
class TopicsReport:
    """What became of the topics. Names are in the order of events/topics.py."""

    created: tuple[str, ...]
    existing: tuple[str, ...]
    differences: tuple[TopicDifference, ...]
    """Of existing topics; nothing is changed there, as more partitions would move keys."""

    @property
    def ok(self) -> bool:
        """Whether all topics are as they should be."""
        return not self.differences


async def ensure_topics(
    kafka: Mapping[str, Any], replication_factor: int, topics: Sequence[Topic] = ALL_TOPICS
) -> TopicsReport:
    """Create the topics that are missing; returns when clients can use them.

    `kafka` is how to reach it: workers.kafka.client_arguments.

    Does nothing to topics that exist; several processes may call it at once. Raises
    aiokafka.errors.KafkaError when Kafka cannot be reached and TopicError when it refuses.
    """
    admin = AIOKafkaAdminClient(**kafka)
    try:
        await admin.start()
        known = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in known]
        created = await _create(admin, missing, replication_factor)
        await _wait_until_visible(admin, [topic.name for topic in missing])
        existing = [topic for topic in topics if topic.name not in created]
        return TopicsReport(
            created=tuple(topic.name for topic in topics if topic.name in created),
            existing=tuple(topic.name for topic in existing),
            differences=tuple(await _differences(admin, existing)),
        )
    finally:
        await admin.close()


async def _create(
    admin: AIOKafkaAdminClient, topics: Sequence[Topic], replication_factor: int
) -> frozenset[str]:
    if not topics:
        return frozenset()
    response = await admin.create_topics(
        [
            NewTopic(
                topic.name,
                topic.partitions,
                replication_factor,
                topic_configs={_CLEANUP_POLICY: topic.cleanup_policy, **topic.config},
            )
            for topic in topics
        ]
    )
    created = set()
    for name, code, message in response.topic_errors:
        error = for_code(code)
        if error is NoError:
            created.add(name)
        elif error is not TopicAlreadyExistsError:  # somebody else was faster
            raise TopicError(f"{name} cannot be created: {message or error.message}")
    return frozenset(created)


async def _wait_until_visible(admin: AIOKafkaAdminClient, names: Iterable[str]) -> None:
    async for attempt in tenacity.AsyncRetrying(
        stop=tenacity.stop_after_delay(_VISIBLE_TIMEOUT_S), wait=tenacity.wait_fixed(0.05), reraise=True
    ):
        with attempt:
            unseen = set(names) - set(await admin.list_topics())
            if unseen:
                raise TopicError(f"Kafka has created these topics, but does not show them: {sorted(unseen)}")


async def _differences(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> list[TopicDifference]:
    if not topics:
        return []
    partitions: dict[str, int] = {
        described["topic"]: len(described["partitions"])
        for described in await admin.describe_topics([topic.name for topic in topics])
    }
    policies = await _cleanup_policies(admin, topics)
    differences = []
    for topic in topics:
        count = partitions.get(topic.name, 0)
        # More partitions are an operator's choice, but not here: commands go in the order of the topic.
        if count < topic.partitions or (topic.name == GROUP_COMMANDS.name and count > topic.partitions):
            differences.append(
                TopicDifference(topic.name, "number of partitions", str(topic.partitions), str(count))
            )
        policy = policies[topic.name]
        if policy != topic.cleanup_policy:
            differences.append(TopicDifference(topic.name, _CLEANUP_POLICY, topic.cleanup_policy, policy))
    return differences


async def _cleanup_policies(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> dict[str, str]:
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, topic.name, configs={_CLEANUP_POLICY: None})
        for topic in topics
    ]
    policies = {}
    for response in await admin.describe_configs(resources):
        for code, message, _, name, entries in response.resources:
            if for_code(code) is not NoError:
                raise TopicError(f"{name} cannot be described: {message or for_code(code).message}")
            policies[name] = _value(entries)
    return policies


def _value(entries: Sequence[Sequence[Any]]) -> str:
    return next((str(value) for key, value, *_ in entries if key == _CLEANUP_POLICY), "unknown")
