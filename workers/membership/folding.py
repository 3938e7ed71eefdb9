"""Folds one event into a client, and says what it changed. Pure; contracts.md, *Order* to *Deletion*.

A record that is stale, repeated or not newer than the client's deletion changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final, cast, get_args

from db.clients import FACT_FIELDS, Client, Payer, Verification
from db.stamps import CHANGED, REGISTERED, Stamp, order
from events.clients import ClientChanged, ClientDeleted, ClientRegistered
from events.payers import PayerChanged
from events.record import Record
from events.verifications import VerificationCompleted
from rules import attributes
from rules.model import Facts, Unknown
from rules.model import Payer as PayerFact

ClientEvent = ClientRegistered | ClientChanged | ClientDeleted | PayerChanged | VerificationCompleted
CLIENT_EVENTS: Final = frozenset(get_args(ClientEvent))
"""The same as a set of types, for a look-up in place of `isinstance`, which is slow for models."""
LookUp = Callable[[str], tuple[str | None, int | None]]
"""From an address to its country and the build of the GeoIP database asked (None = none could be read)."""


_NONE: Final = frozenset[str]()


@dataclass(slots=True)
class Effect:
    """What an event did to a client."""

    attributes: Set[str] = _NONE
    """The facts that are different now, as rules name them."""
    registered: bool = False
    """The client became registered by it, so that this is the moment of registration."""
    deleted: bool = False
    """The client was deleted, as of `Client.deleted_at`."""
    row: bool = False
    """The client's own row is to be written."""
    payers: Set[str] = _NONE
    verifications: Set[str] = _NONE
    """Payers and methods to be written, or erased where the client has them no more."""


NOTHING: Final = Effect()
_PAYERS: Final = frozenset({attributes.PAYERS})
_VERIFICATIONS: Final = frozenset({attributes.VERIFICATIONS})
_FACTS: Final = frozenset(FACT_FIELDS)
_ATTRIBUTES: Final = {
    "country": attributes.COUNTRY,
    "provider_id": attributes.PROVIDER,
    "authorization_method": attributes.AUTHORIZATION_METHOD,
}


def fold(client: Client, event: ClientEvent, record: Record, look_up: LookUp) -> Effect:
    """Fold `event`, read from `record`, into `client`. Only `client` is changed."""
    if client.deleted_at is not None and event.time <= client.deleted_at:
        return NOTHING
    # By the exact type: isinstance goes through the models' metaclass, at ten times the cost.
    kind = type(event)
    if kind is ClientRegistered:
        return _register(client, cast("ClientRegistered", event), record, look_up)
    if kind is ClientChanged:
        return _change(client, cast("ClientChanged", event), record, look_up)
    if kind is PayerChanged:
        return _change_payer(client, cast("PayerChanged", event), _stamp(event, record, REGISTERED))
    if kind is VerificationCompleted:
        return _verify(client, cast("VerificationCompleted", event), _stamp(event, record, REGISTERED))
    return _delete(client, event.time)


def _stamp(event: ClientEvent, record: Record, rank: int) -> Stamp:
    partition, offset = record.place
    return Stamp(event.time, order(offset, partition, rank))


def _change(client: Client, event: ClientChanged, record: Record, look_up: LookUp) -> Effect:
    effect = Effect()
    _fold_fields(client, event, _stamp(event, record, CHANGED), look_up, effect)
    return effect


def _register(client: Client, event: ClientRegistered, record: Record, look_up: LookUp) -> Effect:
    effect = Effect(registered=client.registered_at is None)
    if client.registered_at is None or event.time > client.registered_at:
        client.registered_at = event.time
        effect.row = True
    _fold_fields(client, event, _stamp(event, record, REGISTERED), look_up, effect)
    return effect


def _fold_fields(
    client: Client, event: ClientRegistered | ClientChanged, stamp: Stamp, look_up: LookUp, effect: Effect
) -> None:
    stamps = client.stamps
    for name in event.model_fields_set:
        if name not in _FACTS:
            continue
        said = stamps.get(name)
        if said is not None and stamp <= said:
            continue
        stamps[name] = stamp
        before, value = getattr(client, name), getattr(event, name) or None
        effect.row = True
        if name == "ip":
            _learn_address(client, value, look_up, effect)
        elif before != value:
            setattr(client, name, value)
            if name == "request_parameters":
                effect.attributes |= _changed_parameters(before or {}, value or {})
            else:
                effect.attributes |= {_ATTRIBUTES[name]}


def _changed_parameters(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    return {
        attributes.request_parameter(name)
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name)
    }


def _learn_address(client: Client, ip: str | None, look_up: LookUp, effect: Effect) -> None:
    if ip == client.ip and (ip is None or client.geoip_build is not None):
        return
    known = geoip_country(client)
    client.ip = ip
    client.geoip_country, client.geoip_build = (None, None) if ip is None else look_up(ip)
    if geoip_country(client) != known:
        effect.attributes |= {attributes.GEOIP_COUNTRY}


def look_up_again(client: Client, look_up: LookUp, *, known: bool = False) -> Effect:
    """Look a client's address up where that was not done yet; with `known`, also where it was.

    What cannot be looked up stays as it is.
    """
    if client.ip is None or (client.geoip_build is not None and not known):
        return NOTHING
    country, build = look_up(client.ip)
    if build is None:
        return NOTHING
    before = geoip_country(client)
    client.geoip_country, client.geoip_build = country, build
    effect = Effect(row=True)
    if geoip_country(client) != before:
        effect.attributes |= {attributes.GEOIP_COUNTRY}
    return effect


def _change_payer(client: Client, event: PayerChanged, stamp: Stamp) -> Effect:
    payer = client.payers.get(event.payer_id)
    if payer is not None and stamp <= payer.stamp:
        return NOTHING
    there = payer is not None and not payer.deleted
    effect = Effect(payers={event.payer_id})
    if event.deleted:
        client.payers[event.payer_id] = Payer(event.status, active=False, deleted=True, stamp=stamp)
        changed = there
    else:
        active = event.active
        if active is None:
            active = payer.active if payer is not None and there else True
        client.payers[event.payer_id] = Payer(event.status, active, deleted=False, stamp=stamp)
        changed = payer is None or not there or (payer.status, payer.active) != (event.status, active)
    if changed:
        effect.attributes = _PAYERS
    return effect


def _verify(client: Client, event: VerificationCompleted, stamp: Stamp) -> Effect:
    before = client.verifications.get(event.method) or Verification()
    newest: Stamp | None = getattr(before, event.result)
    if newest is not None and stamp <= newest:
        return NOTHING
    # Not changed in place: what was kept of the client as it was holds it too.
    said = {"passed": before.passed, "revoked": before.revoked, "failed": before.failed, event.result: stamp}
    verification = client.verifications[event.method] = Verification(**said)
    effect = Effect(verifications={event.method})
    if verification.is_passed != before.is_passed:
        effect.attributes = _VERIFICATIONS
    return effect


def _delete(client: Client, deleted_at: datetime) -> Effect:
    client.deleted_at = deleted_at
    effect = Effect(deleted=True, row=True)
    if client.registered_at is not None:
        if client.registered_at <= deleted_at:
            client.registered_at = None
        else:
            effect.registered = True  # the newer registration stands, and is checked as one
    for name, stamp in list(client.stamps.items()):
        if stamp.at <= deleted_at:
            del client.stamps[name]
            setattr(client, name, None)
            if name == "ip":
                client.geoip_country = client.geoip_build = None
    for payer_id in [key for key, payer in client.payers.items() if payer.stamp.at <= deleted_at]:
        del client.payers[payer_id]
        effect.payers |= {payer_id}
    for method, verification in list(client.verifications.items()):
        kept = Verification(
            *(
                None if stamp is None or stamp.at <= deleted_at else stamp
                for stamp in (verification.passed, verification.revoked, verification.failed)
            )
        )
        if kept != verification:
            effect.verifications |= {method}
            client.verifications[method] = kept
            if kept == Verification():
                del client.verifications[method]
    return effect


def geoip_country(client: Client) -> str | Unknown | None:
    """The country of the client's address; unknown where there is no address or it was never looked up."""
    # Not asked is whether there is an address: of the past it is not kept, and without one there is no build.
    return Unknown.UNKNOWN if client.geoip_build is None else client.geoip_country


@cache
def _payer_fact(status: str, active: bool) -> PayerFact:
    """The six that there are: shared ones are hashed and compared faster."""
    return PayerFact(status, active)


def facts_of(client: Client) -> Facts:
    """What rules read of a registered client."""
    return Facts(
        client.country,
        geoip_country(client),
        client.provider_id,
        client.authorization_method,
        client.request_parameters or {},
        frozenset(
            _payer_fact(payer.status, payer.active)
            for payer in client.payers.values()
            if not payer.deleted and payer.status is not None
        ),
        frozenset(method for method, verification in client.verifications.items() if verification.is_passed),
    )
