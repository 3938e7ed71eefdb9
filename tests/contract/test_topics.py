"""contracts.md, the tables of topics: their names, keys, partitions and policies."""

from events.topics import (
    ALL_TOPICS,
    DEAD_LETTERS,
    INPUTS,
    OUTPUTS,
    RELAY_POSITION,
    dead_letter_topic,
)

EVENTS = ["client-registered", "client-changed", "client-deleted", "payer-changed", "verification-completed"]
OTHERS = ["provider-changed", "group-usage-changed", "group-commands"]
EMITTED = [
    "membership-changed",
    "client-memberships",
    "client-groups",
    "group-command-results",
    "assignment-runs",
]


def test_all_topics_of_the_contracts() -> None:
    assert [topic.name for topic in INPUTS] == EVENTS + OTHERS
    assert [topic.name for topic in OUTPUTS] == EMITTED
    assert [topic.name for topic in DEAD_LETTERS] == [f"{name}.dlt" for name in EVENTS + OTHERS]
    assert dead_letter_topic("payer-changed") == "payer-changed.dlt"
    assert RELAY_POSITION.name == "relay-position"
    names = [topic.name for topic in ALL_TOPICS]
    assert len(set(names)) == len(names) == 8 + 5 + 8 + 1


def test_topics_by_client_are_spread() -> None:
    for topic in ALL_TOPICS:
        assert topic.partitions == (8 if topic.key == "client" else 1)
    assert {topic.name for topic in ALL_TOPICS if topic.key == "client"} == {
        *EVENTS,
        "membership-changed",
        "client-memberships",
    }


def test_present_states_are_compacted() -> None:
    compacted = {topic.name for topic in ALL_TOPICS if topic.cleanup_policy == "compact"}
    assert compacted == {"client-memberships", "client-groups"}


def test_every_topic_is_told_of() -> None:
    for topic in ALL_TOPICS:
        assert topic.description
        assert topic.producer
        assert topic.consumer
        assert all(isinstance(value, str) for value in topic.config.values())


def test_dead_letters_are_kept_whatever_their_timestamps_say() -> None:
    for topic in DEAD_LETTERS:
        assert topic.config["retention.ms"] == "-1"
        assert int(topic.config["message.timestamp.after.max.ms"]) > 10**15
