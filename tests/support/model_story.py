"""A story told to the plain model, record by record: how its own tests are written."""

from __future__ import annotations

import ipaddress
import json
from datetime import UTC, datetime
from typing import Any, Final

from tests.support.model import Model
from tests.support.model_decode import Raw

DE: Final = {"type": "country", "value": "DE"}
COMPANY: Final = {"type": "payer_status", "value": "legal_entity"}
LATEST: Final = datetime(2026, 1, 1, tzinfo=UTC)


def geoip(ip: str) -> str | None:
    return "DE" if ipaddress.ip_address(ip) in ipaddress.ip_network("192.0.2.0/24") else None


def at(minute: int) -> str:
    return f"2025-06-01T{minute // 60:02}:{minute % 60:02}:00Z"


class Story:
    """Records on one partition a topic, told one after the other."""

    def __init__(self) -> None:
        self.model = Model(geoip, LATEST)
        self._offset = 0

    def tell(self, topic: str, said: dict[str, Any], minute: int = 0) -> Story:
        self._offset += 1
        timestamp = int(datetime.fromisoformat(at(minute)).timestamp() * 1000)
        self.model.apply(Raw(topic, 0, self._offset, timestamp, None, json.dumps(said).encode()))
        return self

    def group(self, name: str, *conditions: dict[str, Any], **auto: Any) -> Story:
        auto = {"upon_registration": True, "exclude": True, **auto}
        conditions = tuple({"condition_group": 1, "comparison": "equals", **one} for one in conditions)
        body = {
            "command": "put-group",
            "group": name,
            "name": name,
            "auto_assignment": auto,
            "conditions": conditions,
        }
        return self.tell("group-commands", body)

    def register(self, minute: int, **said: Any) -> Story:
        return self.tell("client-registered", {"client_id": "c", "registered_at": at(minute), **said})

    def change(self, minute: int, **said: Any) -> Story:
        return self.tell("client-changed", {"client_id": "c", "changed_at": at(minute), **said})

    def delete(self, minute: int) -> Story:
        return self.tell("client-deleted", {"client_id": "c", "deleted_at": at(minute)})

    def payer(self, minute: int, payer_id: str = "p", **said: Any) -> Story:
        said = {"client_id": "c", "payer_id": payer_id, "changed_at": at(minute), **said}
        return self.tell("payer-changed", said)

    def verify(self, minute: int, method: str, result: str) -> Story:
        said = {"client_id": "c", "completed_at": at(minute), "method": method, "result": result}
        return self.tell("verification-completed", said)

    def provider(self, minute: int, provider_id: str, *methods: str, active: bool = True) -> Story:
        said = {"provider_id": provider_id, "changed_at": at(minute), "name": provider_id, "active": active}
        return self.tell("provider-changed", said | {"authorization_methods": methods})

    def used(self, minute: int, group: str, *, used: bool = True) -> Story:
        said = {"group": group, "changed_at": at(minute), "kind": "tariff", "ref_id": "7", "used": used}
        return self.tell("group-usage-changed", said)

    def command(self, command: str, minute: int = 0, **said: Any) -> Story:
        return self.tell("group-commands", {"command": command, **said}, minute)

    def pin(self, minute: int, group: str, hold: str, expires_at: int | None = None) -> Story:
        said: dict[str, Any] = {"group": group, "clients": ["c"], "hold": hold}
        if expires_at is not None:
            said["expires_at"] = at(expires_at)
        return self.command("pin", minute, **said)

    def unpin(self, minute: int, group: str) -> Story:
        return self.command("unpin", minute, group=group, clients=["c"])

    def clock(self, minute: int) -> Story:
        self.model.set_clock(datetime.fromisoformat(at(minute)))
        return self

    def hand(self, minute: int, command: str, group: str) -> Story:
        return self.tell("group-commands", {"command": command, "group": group, "clients": ["c"]}, minute)

    def groups(self) -> dict[str, str]:
        client = self.model.clients.get("c")
        return {} if client is None else client.in_force()

    def statuses(self) -> list[str]:
        return [answer.status for answer in self.model.answers]

    def result(self) -> dict[str, Any]:
        return dict(self.model.answers[-1].result or {})

    def country(self) -> Any:
        return self.model.facts(self.model.clients["c"]).country

    def moves(self) -> list[tuple[str, str, str]]:
        return [(move.what, move.moment, move.cause.split("/")[0]) for move in self.model.moves]
