"""What the demo holds of itself: the changes that arrived give the memberships that are published."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deploy.local.demo_traffic import Seen, Sent


@dataclass(slots=True)
class Folded:
    """All changes, folded as a subscriber does it."""

    groups: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Client -> groups."""
    versions: dict[str, int] = field(default_factory=dict)
    joined: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """Gaps, repeats and changes that change nothing: there must be none."""

    @property
    def members(self) -> Counter[str]:
        """Group -> how many are in it."""
        return Counter(group for groups in self.groups.values() for group in groups)


def fold(seen: Iterable[Seen]) -> Folded:
    """Apply changes in the order of their arrival."""
    folded = Folded()
    for each in seen:
        change = each.change
        client_id, group, version = change["client_id"], change["group"], change["version"]
        before = folded.versions.get(client_id, 0)
        if version != before + 1:
            folded.faults.append(f"client {client_id}: version {version} came after {before}")
        folded.versions[client_id] = version
        groups, joined = folded.groups[client_id], change["change"] == "joined"
        if (group in groups) is joined:
            folded.faults.append(f"client {client_id}: {change['change']} {group} twice (version {version})")
        (folded.joined if joined else folded.left)[group] += 1
        (groups.add if joined else groups.discard)(group)
    return folded


def differences(folded: Folded, published: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """Where the changes and client-memberships disagree; empty when they tell the same."""
    found = list(folded.faults)
    for client_id in sorted(folded.versions.keys() | published.keys()):
        record = published.get(client_id)
        groups = set() if record is None else set(record["groups"])
        if groups != folded.groups.get(client_id, set()):
            found.append(f"client {client_id}: client-memberships differs from the changes in its groups")
        elif record is not None and record["version"] != folded.versions.get(client_id, 0):
            found.append(f"client {client_id}: client-memberships has version {record['version']}")
        elif record is None and client_id not in published:
            found.append(f"client {client_id}: client-memberships has nothing of it")
    return found


def latencies(seen: Iterable[Seen], sent: Mapping[str, Sent], phase: str) -> list[float]:
    """Seconds from producing an event to reading, committed, each change that it caused; sorted."""
    return sorted(
        each.at - cause.at
        for each in seen
        if (cause := sent.get(each.change["cause"])) is not None and cause.phase == phase
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that is not below `share` of all; `ordered` is not empty."""
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]
