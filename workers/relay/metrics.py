"""What the relay counts."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

ACTIVE: Final = Gauge(
    "client_groups_relay_active", "1 where this process is the one relay, 0 where it stands by."
)
POSITION: Final = Gauge(
    "client_groups_relay_position", "The seq of the next row of the log to send; in the active relay only."
)
UNSENT: Final = Gauge(
    "client_groups_relay_unsent_rows",
    "Rows of the log not sent yet, at most (rolled back transactions leave holes); in the active relay only.",
)
MESSAGES: Final = Counter(
    "client_groups_relay_messages_total", "Messages committed in Kafka, by topic.", ["topic"]
)
TRANSACTION_SECONDS: Final = Histogram(
    "client_groups_relay_transaction_seconds",
    "Time of one committed Kafka transaction, from its begin on, in seconds.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
RESTARTS: Final = Counter(
    "client_groups_relay_restarts_total",
    "Times the relay dropped all and began again at the lock, by error.",
    ["error"],
)
KEPT: Final = Counter(
    "client_groups_relay_kept_records_total",
    "Records that their topic refused and that are kept in the database.",
)
