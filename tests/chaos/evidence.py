"""What is left after the chaos: the inputs, the outputs, the tables, and the model folded over them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge
from itertools import groupby
from typing import Any, Final

from tests.chaos.steps import Note, StepError, Steps
from tests.chaos.tables import Tables
from tests.support.model import Model
from tests.support.model_decode import Poison, Raw, decode
from tests.support.model_net import Expected, net

LATEST: Final = datetime(2050, 1, 1, tzinfo=UTC)
"""The stream's times are all in the past, but for those of poison, which are far ahead."""
NETWORKS: Final = {
    ipaddress.ip_network("192.0.2.0/24"): "DE",
    ipaddress.ip_network("198.51.100.0/24"): "FR",
    ipaddress.ip_network("203.0.113.0/24"): "US",
    ipaddress.ip_network("2001:db8::/32"): "NL",
}
"""What the embedded stack's GeoIP database knows."""

Place = tuple[str, int, int]


def country_of(ip: str) -> str | None:
    """The GeoIP country of an address."""
    address = ipaddress.ip_address(ip)
    return next((code for network, code in NETWORKS.items() if address in network), None)


class Difference(Exception):  # noqa: N818
    """What should be and what is, with all that is needed to understand it."""


@dataclass
class Evidence:
    """Everything, read after the last change went out. `inputs` and `outputs` are by topic."""

    inputs: dict[str, list[Raw]]
    outputs: dict[str, list[Raw]]
    tables: Tables

    def __post_init__(self) -> None:
        self.records: dict[Place, Raw] = {
            (raw.topic, raw.partition, raw.offset): raw for found in self.inputs.values() for raw in found
        }
        self.model = Model(country_of, LATEST)
        self.batches: list[list[Expected]] = []
        """Of each transaction that took records the changes that it must have made."""

    def fold(self) -> None:
        """Take the records in the order of the transactions. Raises Difference."""
        self.model.runs.ids = {row["cause"]: row["run_id"] for row in self.tables.runs}
        steps = Steps(self.model)
        taken: set[str] = set()
        log = merge(self.tables.trace, self.tables.history, self.tables.notes, key=lambda row: row["seq"])
        for batch, rows in groupby(log, key=lambda row: row["batch"]):
            if batch in taken:
                raise Difference(f"transaction {batch} wrote before and after another one: seq order broken")
            taken.add(batch)
            self._fold_transaction(list(rows), steps)

    def _fold_transaction(self, rows: list[dict[str, Any]], steps: Steps) -> None:
        records = [self._record(row) for row in rows if "kafka_offset" in row]
        notes = [Note.of(row) for row in rows if "operation" in row]
        history = [row for row in rows if "version" in row]
        for raw in records:
            self.model.apply(raw)
        steps.touch([client for raw in records for client in clients_of(raw)])
        try:
            steps.take(notes, history, records=bool(records))
            self.batches.append(list(net(self.model.close())))
            steps.compare(notes)
        except StepError as error:
            clients = {row["client_id"] for row in history}
            told = "\n".join(self.story(client) for client in sorted(clients)[:3])
            raise Difference(f"at {rows[0]['seq']}: {error}\n{told}") from error

    def _record(self, row: dict[str, Any]) -> Raw:
        place = (row["topic"], row["partition"], row["kafka_offset"])
        if place not in self.records:
            raise Difference(f"{place} was taken, but is no committed record of the topic")
        return self.records[place]

    def story(self, client: str) -> str:
        """All that was said of a client in the order in which it was taken, and what came of it."""
        lines = [f"the story of client {client!r}:"]
        for row in self.tables.trace:
            raw = self.records.get((row["topic"], row["partition"], row["kafka_offset"]))
            if raw is not None and client in clients_of(raw):
                headers = " ".join(f"{name}={value!r}" for name, value in raw.headers if name == "ce_time")
                value = " ".join((raw.value or b"").decode(errors="replace").split())
                lines.append(
                    f"  {row['seq']} tx {row['batch']} {raw.place} @{raw.timestamp_ms} {headers} {value}"
                )
        lines.append("what the model makes of it:")
        lines += [f"  {move}" for move in self.model.moves if move.client == client]
        lines.append("the history:")
        lines += [f"  {shown(row)}" for row in self.tables.history if row["client_id"] == client]
        lines.append("the memberships:")
        lines += [f"  {shown(row)}" for row in self.tables.memberships if row["client_id"] == client]
        lines.append(
            f"the client: {[shown(row) for row in self.tables.clients if row['client_id'] == client]}"
        )
        lines.append(f"the model's client: {self.model.clients.get(client)}")
        return "\n".join(lines)


def clients_of(raw: Raw) -> set[str]:
    """The clients that a record is about."""
    try:
        event = decode(raw, LATEST)
    except Poison:
        return set()
    named = event.said.get("clients", [])
    return {
        event.id,
        str(event.said.get("client_id", "")),
        *map(str, named if isinstance(named, list) else []),
    }


def shown(row: dict[str, Any]) -> str:
    """A table's row in one line."""
    return " ".join(f"{name}={value}" for name, value in row.items() if value is not None)
