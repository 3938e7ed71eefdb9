"""Records that belong on the dead-letter topics, one maker for each kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any, Final

AHEAD: Final = "2099-01-01T00:00:00Z"

Made = tuple[bytes | None, tuple[tuple[str, bytes], ...]]


def dump(body: object) -> bytes:
    """JSON as a service writes it; half a surrogate pair as JSON's escape."""
    try:
        return json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(body).encode()


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    """All fields but one."""
    return {key: value for key, value in body.items() if key != name}


def only(body: dict[str, Any], **changed: Any) -> Made:
    """The record with other fields."""
    return dump({**body, **changed}), ()


KINDS: Final[dict[str, dict[str, Callable[[dict[str, Any]], Made]]]] = {
    "any": {
        "no value": lambda body: (None, ()),
        "empty": lambda body: (b"", ()),
        "cut off": lambda body: (dump(body)[:-3], ()),
        "not UTF-8": lambda body: (dump(body)[:-1] + b',"x":"\xff\xfe"}', ()),
        "a list": lambda body: (dump([body]), ()),
        "text": lambda body: (dump("hello"), ()),
        "two objects": lambda body: (dump(body) + dump(body), ()),
        "NaN": lambda body: (dump(body)[:-1] + b',"x":NaN}', ()),
    },
    "client-registered": {
        "no id": lambda body: only(without(body, "client_id")),
        "id of nothing": lambda body: only(body, client_id=""),
        "id with NUL": lambda body: only(body, client_id="a\0b"),
        "future": lambda body: only(body, registered_at=AHEAD),
        "unknown country": lambda body: only(body, country="ZZ"),
        "country a number": lambda body: only(body, country=49),
        "parameters a list": lambda body: only(body, request_parameters=["fromsite"]),
        "parameter with NUL": lambda body: only(body, request_parameters={"utm": "a\0"}),
        "ce_time in the future": lambda body: (
            dump(without(body, "registered_at")),
            (("ce_time", AHEAD.encode()),),
        ),
    },
    "client-changed": {
        "lone surrogate": lambda body: (dump(body)[:-1] + b',"x":"\\ud83d"}', ()),
        "id too long": lambda body: only(body, client_id="c" * 65),
        "id with a line break": lambda body: only(body, client_id="c\n"),
        "id a list": lambda body: only(body, client_id=["1"]),
        "no address": lambda body: only(body, ip="192.0.2.256"),
        "time without offset": lambda body: only(body, changed_at="2025-06-01T00:00:00"),
        "time a number": lambda body: only(body, changed_at=1748736000),
        "method a number": lambda body: only(body, authorization_method=7),
        "provider true": lambda body: only(body, provider_id=True),
        "structured without data": lambda body: (
            dump({"specversion": "1.0", "id": "1", "source": "x", "type": "y"}),
            (("content-type", b"application/cloudevents+json"),),
        ),
    },
    "client-deleted": {
        "future": lambda body: only(body, deleted_at=AHEAD),
        "no such day": lambda body: only(body, deleted_at="2025-02-30T00:00:00Z"),
    },
    "payer-changed": {
        "unknown status": lambda body: only(body, status="company"),
        "no status": lambda body: only(without(without(body, "status"), "deleted")),
        "no payer": lambda body: only(without(body, "payer_id")),
        "active a word": lambda body: only(body, active="yes"),
        "future": lambda body: only(body, changed_at=AHEAD),
    },
    "verification-completed": {
        "unknown method": lambda body: only(body, method="owl"),
        "unknown result": lambda body: only(body, result="perhaps"),
        "no result": lambda body: only(without(body, "result")),
    },
    "provider-changed": {
        "methods a text": lambda body: only(body, authorization_methods="google"),
        "active a number": lambda body: only(body, active=1),
    },
    "group-usage-changed": {
        "unknown kind": lambda body: only(body, kind="rumour"),
        "no reference": lambda body: only(without(body, "ref_id")),
        "future": lambda body: only(body, changed_at=AHEAD),
    },
    "group-commands": {},
}


def poisoned(topic: str, body: dict[str, Any], rng: Random) -> tuple[str, Made]:
    """The kind, and a good record made bad in that way."""
    kinds = KINDS["any"] | KINDS[topic]
    kind = rng.choice(sorted(kinds))
    return kind, kinds[kind](body)
