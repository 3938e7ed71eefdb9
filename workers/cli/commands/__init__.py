"""Families of commands of `client-groups`; light to import, as help and completion answer at once."""
