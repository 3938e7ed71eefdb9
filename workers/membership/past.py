"""What a transaction adds to a client's past: the history, and what it can be explained with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from typing import TYPE_CHECKING

from db.evidence import PastFacts, PastPin, kept_parameters
from db.log import HistoryRow

if TYPE_CHECKING:
    from workers.membership.touched import Touched


def history_of(touched: Touched) -> Iterator[HistoryRow]:
    """The net joins and leaves, each with what decided last about it; leaves first."""
    client, before, after = touched.client, touched.in_force_before, touched.client.memberships_in_force
    version = client.version
    left = [group for group in before if group not in after]
    joined = [group for group in after if group not in before]
    for groups, is_join in ((left, False), (joined, True)):
        for group in groups:
            version += 1
            cause = touched.causes[group]
            yield HistoryRow(
                client.client_id,
                version,
                group,
                is_join,
                (after if is_join else before)[group].source,
                cause.moment.value,
                cause.at,
                cause.cause,
                cause.actor,
                cause.reason,
                cause.run_id,
                cause.traceparent,
            )


def erased(touched: Touched) -> list[str]:
    """The client, where it was deleted: what was kept of it before goes."""
    return [touched.client.client_id] if touched.past[0].client is None else []


def past_facts(
    touched: Touched, rows: Sequence[HistoryRow], parameters_read: Set[str]
) -> Iterator[PastFacts]:
    """The states of the facts that ended, each with the rows of the history that it decided."""
    for row in rows:
        place = touched.decided_after[row.group_id]
        if place < len(touched.past):
            past = touched.past[place]
            past.decided = [*(past.decided or ()), row.version]
    for place, past in enumerate(touched.past):
        # One that came and went in one transaction is of use only where it decided something.
        if place > 0 and past.decided is None:
            continue
        if past.client is not None:
            past.client.request_parameters, past.parameters_left_out = kept_parameters(
                past.client.request_parameters, parameters_read
            )
        yield past


def past_pins(touched: Touched) -> Iterator[PastPin]:
    """The pins that ended or were replaced."""
    for group in touched.pins & touched.pins_before.keys():
        pin = touched.pins_before[group]
        yield PastPin(
            touched.client.client_id,
            group,
            pin.membership is not None,
            pin.said_at,
            touched.causes[group].at,
            pin.expires_at,
            pin.actor,
            pin.reason,
        )
