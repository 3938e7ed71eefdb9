"""What a check of a group would come to: counted and named, client by client."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from db.leaves import Leaving
from events.results import Previewed, PreviewSample
from rules.model import GroupRules
from rules.ruleset import RuleSet
from workers.check_runs import change_of, facts_seen
from workers.samples import Sample

if TYPE_CHECKING:
    from db.groups import Group
    from db.sweeps import Seen


class PreviewCount:
    """What a check of a group would come to, as far as clients were seen."""

    def __init__(self, group: Group, sample: int, seed: str) -> None:
        self._group = group
        self._rules = RuleSet.compile(
            [
                GroupRules(
                    group.group_id, group.conditions, exclude=group.exclude, keep_manual=group.keep_manual
                )
            ]
        )
        self._checked = self._rules.mask([group.group_id])
        self._join = Sample(sample, seed)
        self._leave = Sample(sample, seed)
        self._joins = self._leaves = self._unknown = 0
        self.checked = 0

    def add(self, seen: Seen) -> None:
        """Check a client as a check of all clients does: beneath a pin nothing is seen to change."""
        self.checked += 1
        verdicts = self._rules.evaluate(facts_seen(seen))
        if verdicts.possibly != verdicts.surely:
            self._unknown += 1
        if seen.pinned:
            return
        change = change_of(seen, verdicts, self._checked, self._rules)
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
