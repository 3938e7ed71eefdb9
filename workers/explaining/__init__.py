"""Why a client is in a group or is not, now and then (ADR 15)."""
