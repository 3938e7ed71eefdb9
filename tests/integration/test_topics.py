"""`client-groups topics`: makes what is missing, touches nothing that is there."""

from dataclasses import replace

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from events.topics import ALL_TOPICS, CLIENT_MEMBERSHIPS, MEMBERSHIP_CHANGED
from workers.topics import ensure_topics


async def test_creates_all_topics_and_does_nothing_the_second_time(bootstrap_servers: str) -> None:
    names = {topic.name for topic in ALL_TOPICS}

    first = await ensure_topics({"bootstrap_servers": bootstrap_servers}, 1)
    second = await ensure_topics({"bootstrap_servers": bootstrap_servers}, 1)

    assert {*first.created, *first.existing} == names
    assert second.created == ()
    assert second.existing == tuple(topic.name for topic in ALL_TOPICS)
    assert second.ok, list(map(str, second.differences))


async def test_creates_a_missing_topic_with_its_partitions_and_settings(
    bootstrap_servers: str, kafka_namespace: str
) -> None:
    wanted = replace(CLIENT_MEMBERSHIPS, name=f"{kafka_namespace}-snapshot", partitions=3)

    report = await ensure_topics({"bootstrap_servers": bootstrap_servers}, 1, [wanted])

    assert report.created == (wanted.name,)
    again = await ensure_topics({"bootstrap_servers": bootstrap_servers}, 1, [replace(wanted, partitions=3)])
    assert again.ok
    assert again.existing == (wanted.name,)


async def test_reports_fewer_partitions_and_another_cleanup_policy(
    bootstrap_servers: str, kafka_namespace: str
) -> None:
    few = replace(MEMBERSHIP_CHANGED, name=f"{kafka_namespace}-few", partitions=8)
    kept = replace(CLIENT_MEMBERSHIPS, name=f"{kafka_namespace}-kept")
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(few.name, 2, 1), NewTopic(kept.name, kept.partitions, 1)])
    await admin.close()

    report = await ensure_topics({"bootstrap_servers": bootstrap_servers}, 1, [few, kept])

    assert not report.ok
    assert [str(difference) for difference in report.differences] == [
        f"{few.name}: number of partitions should be 8, is 2",
        f"{kept.name}: cleanup.policy should be compact, is delete",
    ]
