"""Finds in a range of clients those for whom a check would change something, without locking any."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from db.sweeps import METHODS, PAYERS, Reads, Seen
from rules import attributes
from rules.bits import bits_of
from rules.membership import Change, check
from rules.model import NO_PARAMETERS, Facts, Payer, Unknown
from rules.ruleset import RuleSet, Verdicts

AT_A_TIME: Final = 100
"""Clients decided before others on the event loop have their turn: about a millisecond."""
_MEMBERS_KEPT: Final = 4_096
"""Sets of groups whose masks are remembered: most clients share theirs with many."""


class RangeCheck:
    """A check of some groups. Only their rules are evaluated, and only what these read is to be read."""

    def __init__(self, rules: RuleSet, groups: Sequence[str]) -> None:
        """Compiles the rules of these groups; those that are not in `rules` are passed over."""
        bits = (rules.bit(group) for group in groups)
        self._rules = RuleSet.compile(rules.groups[bit] for bit in bits if bit is not None)
        self._mask = lru_cache(_MEMBERS_KEPT)(self._mask_of)
        self._owes = bool(self._rules.readers([attributes.GEOIP_COUNTRY]))
        self.reads = Reads(
            parameters=self._rules.reads_parameters,
            payers=bool(self._rules.readers([attributes.PAYERS])),
            verifications=bool(self._rules.readers([attributes.VERIFICATIONS])),
        )

    async def concerned(self, seen: Sequence[Seen]) -> list[str]:
        """The ids of those who would join or leave, are pinned, or of whom something is owed.

        Gives way to others now and then.
        """
        found: list[str] = []
        for start in range(0, len(seen), AT_A_TIME):
            found += (each.client_id for each in seen[start : start + AT_A_TIME] if self._changes(each))
            await asyncio.sleep(0)
        return found

    def _changes(self, seen: Seen) -> bool:
        if seen.pinned or (self._owes and seen.has_failed_lookup):
            return True
        _, change = self.decide(seen)
        return bool(change.joins or change.leaves)

    def decide(self, seen: Seen) -> tuple[Verdicts, Change]:
        """What the rules say of a client, and what that would change, were it not for pins."""
        manual = self._mask(seen.by_hand) if seen.by_hand else 0
        members = self._mask(seen.by_rule) | manual if seen.by_rule else manual
        rules = self._rules
        verdicts = rules.evaluate(facts_seen(seen))
        change = check(
            rules, verdicts, checked=rules.conditional, members=members, manual=manual, may_leave=True
        )
        return verdicts, change

    def _mask_of(self, groups: str) -> int:
        return self._rules.mask(groups.split("\n"))


@lru_cache(maxsize=8)
def range_check(rules: RuleSet, groups: tuple[str, ...]) -> RangeCheck:
    """The check of these groups by these rules, made once for the chunks of a run."""
    return RangeCheck(rules, groups)


def facts_seen(seen: Seen) -> Facts:
    """What rules read of a client."""
    return Facts(
        seen.country,
        seen.geoip_country if seen.looked_up else Unknown.UNKNOWN,
        seen.provider_id,
        seen.authorization_method,
        seen.request_parameters or NO_PARAMETERS,
        _payers(seen.payers or 0),
        _methods(seen.verifications or 0),
    )


@lru_cache(maxsize=64)
def _payers(kinds: int) -> frozenset[Payer]:
    return frozenset(Payer(*PAYERS[bit]) for bit in bits_of(kinds))


@lru_cache(maxsize=16)
def _methods(methods: int) -> frozenset[str]:
    return frozenset(METHODS[bit] for bit in bits_of(methods))
