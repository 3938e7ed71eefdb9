"""Makes dead letters: what cannot be done goes to `<topic>.dlt`, byte for byte, with the reason."""

from __future__ import annotations

from db.log import Outgoing
from events.dead_letters import dead_letter
from events.record import Record


def buried(record: Record, error: Exception) -> Outgoing:
    """The dead letter of a record."""
    topic, key, value, headers, timestamp = dead_letter(record, error)
    return Outgoing(topic, key, value, headers, timestamp)
