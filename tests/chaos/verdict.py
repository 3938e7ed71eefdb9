"""What must hold of changes, memberships, answers and dead letters: each raises the first Difference."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

from tests.chaos.evidence import Difference, Evidence
from tests.chaos.groups import STEADY
from tests.support.model_conditions import verdict_of_group
from tests.support.model_decode import Raw
from tests.support.model_net import Expected

Change = dict[str, Any]


def every_record_taken_once(evidence: Evidence) -> None:
    """The trace holds each record below its partition's position once, and none above; in offset order."""
    positions = {(row["topic"], row["partition"]): row["next_offset"] for row in evidence.tables.positions}
    taken = Counter((row["topic"], row["partition"], row["kafka_offset"]) for row in evidence.tables.trace)
    last: dict[tuple[str, int], int] = {}
    for topic, partition, offset in evidence.records:
        times = taken[topic, partition, offset]
        wanted = 1 if offset < positions.get((topic, partition), 0) else 0
        if times != wanted:
            raise Difference(
                f"{topic}/{partition}/{offset} was taken {times} times, not {wanted}: {positions=}"
            )
        if not wanted:
            raise Difference(f"{topic}/{partition}/{offset} was not reached: {positions=}")
    for row in evidence.tables.trace:
        place = (row["topic"], row["partition"])
        if row["kafka_offset"] <= last.get(place, -1):
            raise Difference(f"{place}: {row['kafka_offset']} was taken after {last[place]}")
        last[place] = row["kafka_offset"]


def dead_letters(evidence: Evidence) -> None:
    """What the model cannot read is on its dead-letter topic once, byte for byte, and nothing else is."""
    found: Counter[str] = Counter()
    for topic in evidence.inputs:
        for letter in evidence.outputs[f"{topic}.dlt"]:
            headers = {name: (value or b"").decode() for name, value in letter.headers}
            place = "/".join(
                headers.get(f"__connect.errors.{what}", "?") for what in ("topic", "partition", "offset")
            )
            found[place] += 1
            if place not in evidence.model.dead:
                raise Difference(f"{place} is a dead letter, but the model can read it: {letter}")
            parts = place.split("/")
            record = evidence.records[parts[0], int(parts[1]), int(parts[2])]
            kept = (letter.key, letter.value, letter.timestamp_ms, letter.headers[: len(record.headers)])
            if kept != (record.key, record.value, record.timestamp_ms, record.headers):
                raise Difference(
                    f"{place} is not on its dead-letter topic as it came:\n  {record}\n  {letter}"
                )
            if not headers.get("__connect.errors.exception.message"):
                raise Difference(f"{place} is a dead letter without a reason: {letter}")
    for place, reason in evidence.model.dead.items():
        if found[place] != 1:
            raise Difference(f"{place} ({reason}) is {found[place]} times on its dead-letter topic")


def answers(evidence: Evidence) -> None:
    """Each command is answered once, and as the model does."""
    given: dict[str, list[str]] = defaultdict(list)
    for raw in evidence.outputs["group-command-results"]:
        answer = body(raw)
        given[answer["command_id"]].append(answer["status"])
    expected: dict[str, list[str]] = defaultdict(list)
    causes: dict[str, list[str]] = defaultdict(list)
    for by_model in evidence.model.answers:
        expected[by_model.command_id].append(by_model.status)
        causes[by_model.command_id].append(by_model.cause)
    for command in sorted(set(given) | set(expected)):
        if given[command] != expected[command]:
            records = [raw for raw in evidence.inputs["group-commands"] if raw.place in causes[command]]
            answered, wanted = given[command], expected[command]
            raise Difference(f"command {command} is answered {answered}, the model does {wanted}: {records}")


def events_are_cloud_events(evidence: Evidence) -> None:
    """Binary mode on everything emitted; source and id together name one record."""
    ids: dict[tuple[str, str], Raw] = {}
    for topic, found in evidence.outputs.items():
        for raw in found if not topic.endswith(".dlt") else []:
            headers = {name: (value or b"").decode() for name, value in raw.headers}
            if (headers.get("ce_specversion"), headers.get("ce_type")) != ("1.0", f"client-groups.{topic}"):
                raise Difference(f"no CloudEvent of its topic: {raw}")
            if not headers.get("ce_source", "").endswith(topic) or not {"ce_time", "ce_subject"} <= set(
                headers
            ):
                raise Difference(f"a header of CloudEvents is missing or wrong: {raw}")
            event = (headers["ce_source"], headers["ce_id"])
            if event in ids:
                raise Difference(f"two records are {event}:\n  {ids[event]}\n  {raw}")
            ids[event] = raw


def changes_by_client(evidence: Evidence) -> dict[str, list[Change]]:
    """membership-changed as subscribers read it: versions without gap or repeat, in one partition."""
    found: dict[str, list[Change]] = defaultdict(list)
    partitions: dict[str, int] = {}
    for raw in evidence.outputs["membership-changed"]:
        change = body(raw)
        client = change["client_id"]
        headers = {name: (value or b"").decode() for name, value in raw.headers}
        if raw.key != client.encode() or partitions.setdefault(client, raw.partition) != raw.partition:
            raise Difference(f"the key or the partition is not the client's: {raw}")
        if change["version"] != len(found[client]) + 1:
            raise Difference(f"after version {len(found[client])} comes {raw}\n{evidence.story(client)}")
        if headers.get("ce_id") != f"{client}:{change['version']}":
            raise Difference(f"the ce_id is not the client's and the version's: {raw}")
        _carries_the_trace_on(evidence, change, headers)
        found[client].append(change)
    return found


def _carries_the_trace_on(evidence: Evidence, change: Change, headers: dict[str, str]) -> None:
    if change["cause"].startswith("run/"):
        return  # what a run does follows from no one record
    topic, partition, offset = change["cause"].split("/")
    record = evidence.records.get((topic, int(partition), int(offset)))
    if record is None:
        raise Difference(f"the cause of {change} is no record")
    came = dict(record.headers).get("traceparent")
    if came is not None and headers.get("traceparent", "").split("-")[1:2] != came.decode().split("-")[1:2]:
        raise Difference(f"the traceparent of {record.place} is not carried on: {headers}")


def changes_are_the_history(evidence: Evidence, changes: dict[str, list[Change]]) -> None:
    """What went out is what the table holds, no more and no less."""
    fields = ("version", "group", "change", "source", "moment", "cause", "actor", "reason", "run_id")
    table: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for row in evidence.tables.history:
        as_sent = {**row, "group": row["group_id"], "change": "joined" if row["joined"] else "left"}
        table[row["client_id"]].append(tuple(as_sent[name] for name in fields))
    for client in sorted(set(table) | set(changes)):
        sent = [tuple(change.get(name) for name in fields) for change in changes.get(client, [])]
        if sent != table[client]:
            raise Difference(f"membership-changed of {client!r} is {sent}, the history {table[client]}")


def changes_are_the_models(evidence: Evidence, changes: dict[str, list[Change]]) -> None:
    """Transaction by transaction the net changes, their sources, moments and causes are the model's."""
    done: Counter[str] = Counter()
    for batch in evidence.batches:
        by_client: dict[str, list[Expected]] = defaultdict(list)
        for expected in batch:
            by_client[expected.client].append(expected)
        for client, all_expected in by_client.items():
            first = done[client]
            got = {
                (one["group"], one["change"]): one
                for one in changes.get(client, [])[first : first + len(all_expected)]
            }
            done[client] += len(all_expected)
            if set(got) != {(one.group, one.change) for one in all_expected}:
                told = f"{client!r} after version {first}: changes {sorted(got)}, the model {all_expected}"
                raise Difference(f"{told}\n{evidence.story(client)}")
            for expected in all_expected:
                one = got[expected.group, expected.change]
                if (one["moment"], one["cause"]) not in expected.decided or one[
                    "source"
                ] not in expected.sources:
                    raise Difference(f"{one} should be {expected}\n{evidence.story(client)}")
    for client, sent in changes.items():
        if len(sent) != done[client]:
            raise Difference(
                f"{client!r} has {len(sent)} changes, the model {done[client]}\n{evidence.story(client)}"
            )


def changes_in_the_history(evidence: Evidence) -> dict[str, list[Change]]:
    """The same from the table, in the order of seq: what the relay is to send."""
    found: dict[str, list[Change]] = defaultdict(list)
    for row in evidence.tables.history:
        change = {**row, "group": row["group_id"], "change": "joined" if row["joined"] else "left"}
        if row["version"] != len(found[row["client_id"]]) + 1:
            raise Difference(f"after version {len(found[row['client_id']])} comes {row}")
        found[row["client_id"]].append(change)
    return found


def memberships_agree(evidence: Evidence, changes: dict[str, list[Change]]) -> None:
    """Folded changes = the table = the model; the version of a client is that of its last change."""
    table: dict[str, dict[str, str]] = defaultdict(dict)
    for row in evidence.tables.memberships:
        table[row["client_id"]][row["group_id"]] = row["source"]
    versions = {row["client_id"]: row["version"] for row in evidence.tables.clients}
    for client in sorted(set(changes) | set(table) | set(evidence.model.clients)):
        wanted = wanted_groups(evidence, client)
        if table[client] != wanted:
            raise Difference(
                f"{client!r} is in {table[client]}, in the model in {wanted}\n{evidence.story(client)}"
            )
        sent = changes.get(client, [])
        last = {one["group"]: one["change"] for one in sent}
        folded = {group for group, change in last.items() if change == "joined"}
        if folded != set(wanted):
            raise Difference(
                f"{client!r} by its changes is in {folded}, not {wanted}\n{evidence.story(client)}"
            )
        if versions.get(client, 0) != len(sent):
            raise Difference(f"{client!r} has version {versions.get(client)}, but {len(sent)} changes")


def wanted_groups(evidence: Evidence, client_id: str) -> dict[str, str]:
    """The model's groups of a client, with their sources."""
    client = evidence.model.clients.get(client_id)
    return {} if client is None else client.in_force()


def snapshots_agree(evidence: Evidence, changes: dict[str, list[Change]]) -> None:
    """The newest record of each client on client-memberships; a tombstone where it is deleted."""
    newest: dict[str, Raw] = {}
    versions: Counter[str] = Counter()
    for raw in evidence.outputs["client-memberships"]:
        client = (raw.key or b"").decode()
        newest[client] = raw
        if raw.value is not None:
            version = body(raw)["version"]
            if version < versions[client]:
                raise Difference(f"client-memberships of {client!r} goes back from {versions[client]}: {raw}")
            versions[client] = version
    for client in sorted(set(changes) | set(newest) | set(evidence.model.clients)):
        model = evidence.model.clients.get(client)
        wanted, version = wanted_groups(evidence, client), len(changes.get(client, []))
        problem = _snapshot_problem(newest.get(client), version, wanted)
        if model is not None and model.registered_at is None and model.deleted_at is not None and not wanted:
            problem = "no tombstone" if client in newest and newest[client].value is not None else ""
        if problem:
            told = f"client-memberships of {client!r}: {problem}: {newest.get(client)}"
            raise Difference(f"{told}, wanted version {version} {wanted}\n{evidence.story(client)}")


def _snapshot_problem(raw: Raw | None, version: int, wanted: dict[str, str]) -> str:
    if raw is None or raw.value is None:
        return "nothing there" if wanted else ""
    record = body(raw)
    groups = {name: one["source"] for name, one in record["groups"].items()}
    if groups != wanted:
        return "other groups"
    return "" if record["version"] == version else "another version"


def groups_agree(evidence: Evidence) -> None:
    """The table and client-groups hold each group in the model's version."""
    wanted = {name: group.version for name, group in sorted(evidence.model.groups.items())}
    table = {row["group_id"]: row["version"] for row in evidence.tables.groups}
    newest = {(raw.key or b"").decode(): raw for raw in evidence.outputs["client-groups"]}
    sent = {name: body(raw)["version"] for name, raw in sorted(newest.items()) if raw.value is not None}
    if not table == sent == wanted:
        raise Difference(f"versions of groups: the table {table}, client-groups {sent}, the model {wanted}")


def steady_groups_follow_from_the_facts(evidence: Evidence) -> None:
    """With every moment and *exclude* on: membership is what the final facts say, however they came."""
    members = {(row["client_id"], row["group_id"]) for row in evidence.tables.memberships}
    for group in STEADY:
        for name, client in evidence.model.clients.items():
            registered = client.registered_at is not None
            verdict = registered and verdict_of_group(group["conditions"], evidence.model.facts(client))
            if verdict is not None and ((name, group["group"]) in members) != verdict:
                raise Difference(f"{name!r} should be in {group}: {verdict}\n{evidence.story(name)}")


def body(raw: Raw) -> dict[str, Any]:
    """The JSON object of an output record."""
    value: dict[str, Any] = json.loads(raw.value or b"{}")
    return value
