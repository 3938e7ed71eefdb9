"""The one error the embedded stack raises."""


class StackError(Exception):
    """Something the stack needs is missing or broke; the text is one sentence for a person to read."""
