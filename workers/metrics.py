"""Every metric, declared once: name, type, meaning. Read over HTTP at /metrics."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

RECORDS: Final = Counter(
    "client_groups_records",
    "Input records done, committed with their position.",
    ["topic"],
)
BATCHES: Final = Counter(
    "client_groups_batches",
    "Batches done.",
    ["lane"],
)
BATCH_SECONDS: Final = Histogram(
    "client_groups_batch_seconds",
    "From handing out a batch to its commit, retries included. Seconds.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
BATCH_RECORDS: Final = Histogram(
    "client_groups_batch_records",
    "Records in a batch.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000),
)
LAG: Final = Gauge(
    "client_groups_input_lag",
    "Offsets between the position and the end of a partition this worker has.",
    ["topic", "partition"],
)
PARTITIONS: Final = Gauge(
    "client_groups_partitions",
    "Input partitions this worker has.",
)
BLOCKED: Final = Gauge(
    "client_groups_partition_blocked",
    "1 = not consumed until an operator acts: the position is outside the log, or a record cannot be read.",
    ["topic", "partition"],
)
MOVED: Final = Counter(
    "client_groups_slices_dropped",
    "Slices dropped because another worker or batch had moved the position: their records are read again.",
)
ASSIGNMENTS: Final = Counter(
    "client_groups_assignments",
    "How often the group gave this worker its partitions.",
)
PAUSED: Final = Gauge(
    "client_groups_intake_paused",
    "1 = the intake waits for the relay.",
)
RELAY_BACKLOG: Final = Gauge(
    "client_groups_relay_backlog",
    "Rows of the log not sent yet, when last looked at.",
)
RUN_CLIENTS: Final = Counter(
    "client_groups_run_clients",
    "Clients done in chunks of runs, by kind of run: this worker's share.",
    ["kind"],
)
GEOIP_LOOKUPS: Final = Counter(
    "client_groups_geoip_lookups",
    "GeoIP lookups by result: `country`, `absent` (not in the database), `unknown` (no database).",
    ["result"],
)
OWED_CHECKS: Final = Gauge(
    "client_groups_owed_checks",
    "Checks that wait for addresses to be looked up; on the leader.",
)
GEOIP_BUILD: Final = Gauge(
    "client_groups_geoip_build_timestamp_seconds",
    "When the GeoIP database in use was built; 0 = there is none.",
)
GEOIP_FAILURES: Final = Counter(
    "client_groups_geoip_load_failures",
    "GeoIP databases that could not be used.",
)
