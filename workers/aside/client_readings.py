"""show-client."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from db import client_reading
from db.clients import Client, Verification
from events.outputs import Membership
from events.reading_commands import ShowClient
from events.record import FieldProblem
from events.results import ActivePin, ClientCard, Facts, KnownPayer, KnownVerification
from workers.aside.jobs import Step

if TYPE_CHECKING:
    from db.connections import AnyConnection


async def show_client(
    connection: AnyConnection, command: ShowClient, progress: dict[str, Any] | None, now: datetime
) -> Step:
    """A client's card: what is known of it, and where it is."""
    found = await client_reading.find(connection, command.client_id)
    if found is None:
        return Step(errors=[unknown_client()])
    client = found.client
    card = ClientCard(
        client_id=client.client_id,
        registered=client.registered_at is not None,
        version=client.version,
        facts=_facts(client),
        groups={
            group: Membership.model_validate({"source": each.source, "since": each.since})
            for group, each in found.memberships.items()
        },
        pins={
            group: ActivePin(
                hold="in" if pin.held_in else "out",
                since=pin.said_at,
                expires_at=pin.expires_at,
                actor=pin.actor,
                reason=pin.reason,
            )
            for group, pin in found.pins.items()
        },
    )
    return Step(result=card)


def unknown_client() -> FieldProblem:
    """What is said where nothing was ever heard of a client."""
    return FieldProblem("unknown_client", "client_id", "no event and no command has ever named this client")


def _facts(client: Client) -> Facts:
    build = client.geoip_build
    return Facts(
        registered_at=client.registered_at,
        country=client.country,
        ip=client.ip,
        geoip_country=client.geoip_country,
        geoip_build=None if build is None else datetime.fromtimestamp(build, UTC),
        provider_id=client.provider_id,
        authorization_method=client.authorization_method,
        request_parameters=client.request_parameters or {},
        payers=[
            KnownPayer(payer_id=payer_id, status=payer.status, active=payer.active, changed_at=payer.stamp.at)
            for payer_id, payer in sorted(client.payers.items())
            if not payer.deleted and payer.status is not None
        ],
        verifications=[
            _verification(method, verification)
            for method, verification in sorted(client.verifications.items())
        ],
    )


def _verification(method: str, kept: Verification) -> KnownVerification:
    """What holds: a pass unless it was revoked since, else what was said last."""
    if kept.is_passed and kept.passed is not None:
        return KnownVerification(method=method, result="passed", completed_at=kept.passed.at)
    said = {"revoked": kept.revoked, "failed": kept.failed}
    at, result = max((stamp, result) for result, stamp in said.items() if stamp is not None)
    return KnownVerification(method=method, result=result, completed_at=at.at)
