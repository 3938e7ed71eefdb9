"""From the log in PostgreSQL to Kafka, each row exactly once and in order (ADR 4)."""
