"""From what the worker says to bytes and headers.

The two records that go out for every change are written by orjson directly; they are the same JSON, byte for
byte, as their models give. Anything else is rare and goes through `encode`.
"""

from collections.abc import Mapping
from datetime import datetime

import orjson

from events.groups import Group
from events.outputs import Change, Moment, Output, Source, time_text

SOURCE = "/client-groups/"
TYPE = "client-groups."
Headers = list[tuple[str, bytes]]

_FIXED: dict[str, tuple[tuple[str, bytes], ...]] = {}


def headers(
    topic: str, ce_id: str, ce_time: datetime, subject: str, traceparent: str | None = None
) -> Headers:
    """CloudEvents 1.0 in Kafka's binary mode. `ce_id` must be unique in its topic, forever."""
    fixed = _FIXED.get(topic)
    if fixed is None:
        fixed = _FIXED[topic] = (
            ("ce_specversion", b"1.0"),
            ("ce_source", (SOURCE + topic).encode()),
            ("ce_type", (TYPE + topic).encode()),
            ("content-type", b"application/json"),
        )
    made = [
        *fixed,
        ("ce_id", ce_id.encode()),
        ("ce_time", time_text(ce_time).encode()),
        ("ce_subject", subject.encode()),
    ]
    if traceparent is not None:
        made.append(("traceparent", traceparent.encode()))
    return made


def encode(value: Output | Group) -> bytes:
    """Any output's JSON."""
    return value.model_dump_json().encode()


def encode_membership_changed(
    *,
    client_id: str,
    group: str,
    change: Change,
    version: int,
    source: Source,
    moment: Moment,
    changed_at: datetime,
    cause: str,
    actor: str | None = None,
    reason: str | None = None,
    run_id: str | None = None,
) -> bytes:
    """The JSON of `MembershipChanged`, unchecked: whoever calls this has it from the database."""
    value: dict[str, object] = {
        "client_id": client_id,
        "group": group,
        "change": change,
        "version": version,
        "source": source,
        "moment": moment,
        "changed_at": time_text(changed_at),
        "cause": cause,
    }
    if actor is not None:
        value["actor"] = actor
    if reason is not None:
        value["reason"] = reason
    if run_id is not None:
        value["run_id"] = run_id
    return orjson.dumps(value)


def encode_client_memberships(
    *, client_id: str, version: int, groups: Mapping[str, tuple[Source, datetime]]
) -> bytes:
    """The JSON of `ClientMemberships`, unchecked; `groups` gives source and since when for each."""
    return orjson.dumps(
        {
            "client_id": client_id,
            "version": version,
            "groups": {
                group: {"source": source, "since": time_text(since)}
                for group, (source, since) in groups.items()
            },
        }
    )
