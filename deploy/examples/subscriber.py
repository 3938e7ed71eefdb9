"""A subscriber who joins late: learns from Kafka alone who is in which group, then follows the changes.

    pip install 'aiokafka[lz4]'
    KAFKA_BOOTSTRAP_SERVERS=localhost:9092 python subscriber.py

Each change that it applies is one line of JSON. SIGTERM or Ctrl-C ends it; the last line is the whole state.
docs/subscribers.md says why it does what it does; subscriber.mjs is the same in JavaScript.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer

SNAPSHOT = "client-memberships"  # compacted: the newest record of each client, with all its groups
CHANGES = "membership-changed"  # every join and leave, numbered 1, 2, 3 ... for each client
OVERLAP_S = 30.0  # longer than a transaction stays open: what the snapshot lacks is after this point
LOOK_S = 0.5  # between looks at the clock while nothing comes


@dataclass
class Client:
    """What is held of one client."""

    version: int
    groups: set[str] = field(default_factory=set)


class Memberships:
    """Client -> version and groups. Reading a record twice changes nothing."""

    def __init__(self) -> None:
        self.clients: dict[str, Client] = {}

    def load(self, client_id: str, snapshot: dict[str, Any] | None) -> None:
        """Take over a record of client-memberships."""
        if snapshot is None:  # a tombstone: the client was deleted
            self.clients.pop(client_id, None)
        else:
            self.clients[client_id] = Client(snapshot["version"], set(snapshot["groups"]))

    def apply(self, change: dict[str, Any]) -> bool:
        """Apply a record of membership-changed; False if it is known already."""
        client_id, version = change["client_id"], change["version"]
        # One that we don't hold is new, or was deleted: then its versions go on where they were.
        client = self.clients.setdefault(client_id, Client(version - 1))
        if version <= client.version:
            return False
        if version > client.version + 1:
            sys.exit(
                f"Error: changes of client {client_id} are missing: {version} came after {client.version}"
            )
        client.version = version
        (client.groups.add if change["change"] == "joined" else client.groups.discard)(change["group"])
        return True


def consumer_of(topic: str) -> Any:
    """Read all partitions; share them by a group_id only if each process keeps the clients of its own."""
    return AIOKafkaConsumer(
        topic,
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        isolation_level="read_committed",  # not the default: aborted records would be delivered too
        auto_offset_reset="earliest",
    )


async def subscribe(memberships: Memberships, until_idle: float) -> None:
    """Load, then follow until nothing has come for `until_idle` seconds."""
    async with consumer_of(CHANGES) as changes, consumer_of(SNAPSHOT) as snapshot:
        # 1. Before anything is loaded: a place among the changes, a little before now. The ends are asked for
        #    first: they stand in where no change is so new, and one that comes in between must not be missed.
        ends = await changes.end_offsets(changes.assignment())
        since = int((time.time() - OVERLAP_S) * 1000)
        found = await changes.offsets_for_times(dict.fromkeys(ends, since))
        for partition, end in ends.items():
            changes.seek(partition, found[partition].offset if found[partition] else end)

        # 2. The snapshot, up to where it ends now. Position, not records, says when: the last offset of a
        #    transaction is a marker that nobody gets to see.
        for partition, end in (await snapshot.end_offsets(snapshot.assignment())).items():
            while await snapshot.position(partition) < end:
                for records in (await snapshot.getmany(partition, timeout_ms=1000)).values():
                    for record in records:
                        memberships.load(record.key.decode(), record.value and json.loads(record.value))
        await snapshot.stop()
        print(f"Loaded {len(memberships.clients)} clients, following.", file=sys.stderr, flush=True)

        # 3. The changes from that place on. What the snapshot held already is skipped by its version.
        last = time.monotonic()
        while time.monotonic() < last + until_idle:
            wait = min(LOOK_S, until_idle)
            for records in (await changes.getmany(timeout_ms=int(wait * 1000))).values():
                last = time.monotonic()
                for record in records:
                    change = json.loads(record.value)
                    if memberships.apply(change):
                        names = ("client_id", "version", "change", "group")
                        print(json.dumps({name: change[name] for name in names}), flush=True)


async def main(until_idle: float) -> None:
    """Subscribe until a signal comes, or all is quiet."""
    memberships = Memberships()
    subscription = asyncio.create_task(subscribe(memberships, until_idle))
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, subscription.cancel)
    with suppress(asyncio.CancelledError):
        await subscription
    state = {
        client_id: {"version": client.version, "groups": sorted(client.groups)}
        for client_id, client in memberships.clients.items()
    }
    print(json.dumps({"clients": state}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Load the memberships, then follow their changes.")
    parser.add_argument(
        "--until-idle", type=float, default=float("inf"), metavar="SECONDS", help="end when nothing comes"
    )
    asyncio.run(main(parser.parse_args().until_idle))
