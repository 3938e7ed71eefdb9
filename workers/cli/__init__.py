"""The command `client-groups`: what operators type and see. It needs Kafka only: it asks by commands."""
