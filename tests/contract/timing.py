"""`python -m tests.contract.timing`: microseconds of CPU for each decoding and encoding, the best round."""

import json
import time
import timeit
from collections.abc import Callable
from datetime import UTC, datetime

from events import encode
from events.decode import decode
from events.examples import EXAMPLES
from events.outputs import Source
from tests.contract.records import MINIMAL, NOW, record

ROUNDS, CALLS = 7, 20_000
SINCE = datetime(2026, 11, 22, 10, 15, 0, 12_345, tzinfo=UTC)


def microseconds(call: Callable[[], object]) -> float:
    return min(timeit.repeat(call, timer=time.process_time, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6


def report(name: str, **calls: Callable[[], object]) -> None:
    print(f"{name:24}", *(f"{what} {microseconds(call):5.1f}  " for what, call in calls.items()))


def report_decoding(topic: str) -> None:
    plain = record(topic, EXAMPLES[topic])
    value = plain.value or b""
    bare = type(decode(plain, now=NOW)).__pydantic_validator__.validate_json
    report(
        topic,
        decode=lambda: decode(plain, now=NOW),
        pydantic_alone=lambda: bare(value, context={"json": value}),
        json_loads=lambda: json.loads(value),
    )


def main() -> None:
    for topic in MINIMAL:
        report_decoding(topic)
    change = {**EXAMPLES["membership-changed"], "changed_at": SINCE}
    groups: dict[str, tuple[Source, datetime]] = {"eu-companies": ("rule", SINCE), "vip": ("manual", SINCE)}
    report("membership-changed", encode=lambda: encode.encode_membership_changed(**change))
    report(
        "client-memberships",
        encode=lambda: encode.encode_client_memberships(client_id="1", version=1, groups=groups),
    )
    report("headers", encode=lambda: encode.headers("membership-changed", "1:1", SINCE, "1"))


if __name__ == "__main__":
    main()
