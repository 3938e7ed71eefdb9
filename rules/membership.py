"""What verdicts do to a client's memberships, for all groups at once."""

from typing import NamedTuple

from rules.ruleset import RuleSet, Verdicts


class Change(NamedTuple):
    """The masks of the groups that the client joins (with source `rule`) and leaves; they never overlap."""

    joins: int
    leaves: int


def check(
    rules: RuleSet, verdicts: Verdicts, *, checked: int, members: int, manual: int, may_leave: bool
) -> Change:
    """What a check changes for one client.

    `checked` are the groups that the check is about, `members` those the client is in, `manual` those of
    them by hand. `may_leave` is off at registration, which only adds.

    As the contract has it under *Membership, exactly*. Match: joins; a member, by hand too, stays what it is.
    No match: a member leaves where the group's `exclude` is on and the membership is by rule or the group's
    `keep_manual` is off. Unknown: nothing. A group without conditions is never checked, whatever `checked`
    says.
    """
    checked &= rules.conditional
    joins = checked & verdicts.surely & ~members
    if not may_leave:
        return Change(joins, 0)
    kept = manual & rules.keep_manual
    return Change(joins, checked & members & rules.exclude & ~(verdicts.possibly | kept))
