"""The facts in the tables are the model's."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tests.chaos.evidence import Difference, Evidence
from tests.support.model_conditions import UNKNOWN
from tests.support.model_state import Client

FIELDS = ("country", "ip", "provider_id", "authorization_method", "request_parameters")


def facts_agree(evidence: Evidence) -> None:
    """Clients, payers, verifications and providers."""
    clients = {row["client_id"]: row for row in evidence.tables.clients}
    payers = _by_client(evidence.tables.payers)
    verifications = _by_client(evidence.tables.verifications)
    for name in sorted(set(clients) | set(evidence.model.clients)):
        model = evidence.model.clients.get(name, Client(name))
        for what, wanted, found in (
            ("fields", _wanted_fields(evidence, model), _found_fields(clients.get(name, {}))),
            ("payers", _wanted_payers(model), _found_payers(payers[name])),
            ("verifications", _wanted_verifications(model), _found_verifications(verifications[name])),
        ):
            if wanted != found:
                raise Difference(f"{what} of {name!r}: {found}, the model {wanted}\n{evidence.story(name)}")
    _providers_agree(evidence)


def _by_client(rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["client_id"]].append(row)
    return found


def _wanted_fields(evidence: Evidence, client: Client) -> dict[str, Any]:
    wanted: dict[str, Any] = {"registered_at": client.registered_at, "deleted_at": client.deleted_at}
    for name in FIELDS:
        stamp, value = client.fields.get(name, (None, None))
        wanted[name] = value or None
        wanted[f"{name} at"] = stamp.time if stamp else None
    geoip = evidence.model.facts(client).geoip_country
    return {**wanted, "geoip_country": None if geoip == UNKNOWN else geoip}


def _found_fields(row: dict[str, Any]) -> dict[str, Any]:
    found = {name: row.get(name) for name in ("registered_at", "deleted_at", "geoip_country", *FIELDS)}
    found["request_parameters"] = json.loads(row.get("parameters") or "null") or None
    # One time for most fields, and those of the others by name; null = nothing was ever said.
    otherwise = {
        name: stamp and datetime.fromisoformat(stamp[0])
        for name, stamp in json.loads(row.get("said_otherwise") or "{}").items()
    }
    return found | {f"{name} at": otherwise.get(name, row.get("said_at")) for name in FIELDS}


def _wanted_payers(client: Client) -> dict[str, tuple[Any, ...]]:
    return {
        name: (payer.stamp.time, None if payer.deleted else (payer.status, payer.active))
        for name, payer in sorted(client.payers.items())
    }


def _found_payers(rows: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    return {
        row["payer_id"]: (row["changed_at"], None if row["deleted"] else (row["status"], row["active"]))
        for row in rows
    }


def _wanted_verifications(client: Client) -> dict[str, dict[str, datetime]]:
    return {
        method: {result: stamp.time for result, stamp in sorted(newest.items())}
        for method, newest in sorted(client.verifications.items())
    }


def _found_verifications(rows: list[dict[str, Any]]) -> dict[str, dict[str, datetime]]:
    return {
        row["method"]: {
            result: row[f"{result}_at"] for result in ("failed", "passed", "revoked") if row[f"{result}_at"]
        }
        for row in rows
    }


def _providers_agree(evidence: Evidence) -> None:
    wanted = {
        name: (stamp.time, said["name"], said["active"], said["authorization_methods"])
        for name, (stamp, said) in sorted(evidence.model.providers.items())
    }
    found = {
        row["provider_id"]: (row["changed_at"], row["name"], row["active"], row["authorization_methods"])
        for row in evidence.tables.providers
    }
    if wanted != found:
        raise Difference(f"providers: {found}, the model {wanted}")
