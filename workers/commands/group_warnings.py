"""What to warn of in a group that can be stored: what its rules say that is useless."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from db import groups
from db.connections import AnyConnection
from db.groups import Group
from rules.lint import lint
from rules.problems import Problem
from workers.commands.group_records import rules_of

_SHOWN: Final = 5


async def warnings_of(connection: AnyConnection, group: Group) -> list[Problem]:
    """The findings of lint, and other groups with the same conditions. Those must have no problems."""
    found = lint_of(group)
    same = await groups.with_same_conditions(connection, group, limit=_SHOWN + 1)
    return [*found, _same_conditions(same)] if same else found


def lint_of(group: Group) -> list[Problem]:
    """What the group itself shows."""
    return lint(rules_of(group), periodic=group.periodic)


def _same_conditions(others: Sequence[str]) -> Problem:
    named = ", ".join(others[:_SHOWN]) + (" and others" if len(others) > _SHOWN else "")
    message = f"Keep one group, or tell them apart: the conditions are the same as those of {named}."
    return Problem("same_conditions", "conditions", message)
