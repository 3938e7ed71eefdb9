"""Commands of operators that change something: each done and answered in one transaction."""
