"""What a check of a group would come to: counted and named, client by client."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from db.leaves import Leaving
from events.results import Previewed, PreviewSample
from rules.ruleset import RuleSet
from workers.aside.samples import Sample
from workers.commands.group_records import rules_of
from workers.runs.range_check import AT_A_TIME, RangeCheck

if TYPE_CHECKING:
    from db.groups import Group
    from db.sweeps import Seen


class PreviewCount:
    """What a check of a group would come to, as far as clients were seen."""

    def __init__(self, group: Group, sample: int, seed: str) -> None:
        self._group = group
        self._check = RangeCheck(RuleSet.compile([rules_of(group)]), [group.group_id])
        self.reads = self._check.reads
        self._join = Sample(sample, seed)
        self._leave = Sample(sample, seed)
        self._joins = self._leaves = self._unknown = 0
        self.checked = 0

    async def add(self, seen: Sequence[Seen]) -> None:
        """Check clients as a check of all clients does. Gives way to others now and then."""
        for start in range(0, len(seen), AT_A_TIME):
            for each in seen[start : start + AT_A_TIME]:
                self._add(each)
            await asyncio.sleep(0)

    def _add(self, seen: Seen) -> None:
        self.checked += 1
        verdicts, change = self._check.decide(seen)
        if verdicts.possibly != verdicts.surely:
            self._unknown += 1
        if seen.pinned:
            return  # beneath the pin only would something change
        if change.joins:
            self._joins += 1
            self._join.add(seen.client_id)
        elif change.leaves:
            self._leaves += 1
            self._leave.add(seen.client_id)

    def result(self, *, as_of: datetime, members: int) -> Previewed:
        """When all were seen. `members` the group has now, clients that are not registered among them."""
        group = self._group
        leaving = Leaving(
            group.group_id,
            self._leaves,
            members + self._joins,  # those who join do so before anybody leaves
            group.hold_leaves_percent,
            group.hold_leaves_count,
        )
        return Previewed(
            as_of=as_of,
            total=self.checked,
            would_join=self._joins,
            would_leave=self._leaves,
            would_be_held=leaving.is_too_many,
            would_stay=members - self._leaves,
            unknown=self._unknown,
            sample=PreviewSample(join=self._join.ids, leave=self._leave.ids),
        )
