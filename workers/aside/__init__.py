"""Commands that only read, and long ones that touch no clients: done beside the others (ADR 13)."""
