"""The rules in force, compiled once for each version and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db import groups
from rules.ruleset import RuleSet

if TYPE_CHECKING:
    from db.connections import AnyConnection


class RuleSets:
    """Keeps the newest compiled rule set; one for all lanes of a process."""

    def __init__(self) -> None:
        self._version = 0
        self._rules = RuleSet.compile(())

    async def hold(self, connection: AnyConnection) -> RuleSet:
        """The rules in force, which stay so until the transaction ends.

        Waits while a command that changes rules is under way. Only groups written since the last
        call are read again.
        """
        version = await groups.hold_rules(connection)
        rules = self._rules
        if version != self._version:
            # A database restored from a backup may be behind what is kept here.
            since, base = (self._version, rules) if version > self._version else (0, RuleSet.compile(()))
            present, gone = await groups.rules_since(connection, since)
            rules = base.replace(present, gone)
            self._version, self._rules = version, rules
        return rules
