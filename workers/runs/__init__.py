"""What touches many clients, chunk by chunk: checks, long commands, undoing; and what the clock starts."""
