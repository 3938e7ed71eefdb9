"""How the relay works, and the words for how it does."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from workers.relay.producer import ProducerSettings


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """How the relay works. The defaults were measured."""

    transactional_id: str = "membership-relay"
    group: str = "membership-relay"
    """Both belong to one database: the position in Kafka counts that database's rows."""
    rows: int = 2_000
    """Rows of the log in a transaction, at most."""
    read_bytes: int = 8 * 1024 * 1024
    """Bytes of values in a transaction, about."""
    batch_bytes: int = 256 * 1024
    """Bytes of a Kafka record batch, before compression."""
    compression_type: str | None = "lz4"
    poll_s: float = 0.5
    """Between looks at the log when nothing wakes the relay: how late a lost notification makes it."""
    standby_s: float = 0.25
    """Between tries for the lock: how late another relay takes over."""
    transaction_timeout_ms: int = 10_000
    """Then the broker aborts: so long a dead relay without a successor holds up read_committed readers."""
    retry_backoff_ms: int = 5
    """Kafka refuses the next transaction while it still writes the end of the one before."""
    stall_s: float = 10.0
    """No transaction takes so long, and the broker aborts it then anyway: begin again."""
    stalls: int = 6
    """So many in a row, with a broker that can be reached, end the process."""
    longest_wait_s: float = 2.0
    """Between tries while the database or Kafka is away."""

    def producer(self, kafka: Mapping[str, Any], *, batch_bytes: int | None = None) -> ProducerSettings:
        """What of it concerns the producer."""
        return ProducerSettings(
            kafka=kafka,
            transactional_id=self.transactional_id,
            group=self.group,
            transaction_timeout_ms=self.transaction_timeout_ms,
            retry_backoff_ms=self.retry_backoff_ms,
            compression_type=self.compression_type,
            batch_bytes=batch_bytes or self.batch_bytes,
        )


class RelayStalledError(Exception):
    """Kafka can be reached, but transactions do not come to their end."""


class PositionAheadError(Exception):
    """Kafka's position is above the log: this is not the database that the position was made for."""

    def __init__(self, position: int, last_seq: int, group: str) -> None:
        super().__init__(
            f"the position in Kafka is {position}, but the log of this database ends at {last_seq}: was an"
            " older database restored? Rows would be skipped, so nothing is sent until the offset of the"
            f" group {group} is set to the first row to send (kafka-consumer-groups --reset-offsets)"
        )


class State(Enum):
    """What a relay does, for logs and readiness."""

    STOPPED = "stopped"
    STANDING_BY = "standing by"
    """Another one is active."""
    ACTIVE = "active"
    WAITING = "waiting to begin again"
    """After an error; the database or Kafka may be away."""
