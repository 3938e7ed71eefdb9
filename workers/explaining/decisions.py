"""What decided about a membership beyond the rules: a stable code and a sentence."""

from __future__ import annotations

from typing import Final

from events.explanations import DecidedBy
from events.outputs import time_text
from rules.explain import Verdict
from rules.model import Moment, Source
from workers.explaining.situations import Situation

_BY_OTHERS: Final = {
    (Moment.MANUAL, True): ("added_by_hand", "added by hand"),
    (Moment.MANUAL, False): ("removed_by_hand", "taken out by hand"),
    (Moment.PIN, True): ("pinned_in", "a pin put the client in"),
    (Moment.PIN, False): ("pinned_out", "a pin, or its end, took the client out"),
    (Moment.UNDO, True): ("undone", "put back when a run was undone"),
    (Moment.UNDO, False): ("undone", "taken out when a run was undone"),
    (Moment.CLIENT_DELETED, False): ("client_deleted", "the client was deleted"),
    (Moment.GROUP_DELETED, False): ("group_deleted", "the group was deleted"),
}
"""Changes that the rules did not make, by moment and whether the client joined."""


def decided_by(given: Situation, verdict: Verdict, *, is_kept: bool) -> DecidedBy | None:
    """What decided, where it was not the rules alone. `is_kept`: all that the conditions read is."""
    if given.hold is not None:
        return _pinned(given)
    by_others = _by_others(given)
    if not given.is_now and by_others is not None and given.last and given.last.version == given.version:
        return by_others  # the very change that is asked about
    if given.facts is None or not given.group.conditions or verdict is Verdict.UNKNOWN:
        return by_others or _rules_say_nothing(given, is_kept=is_kept)
    if given.member is None:
        return _not_in(given, by_others) if verdict is Verdict.MATCH else None
    return _in(given, verdict, by_others)


def _rules_say_nothing(given: Situation, *, is_kept: bool) -> DecidedBy:
    if given.facts is None:
        message = "the client is not registered: no rule is checked before it is"
        return DecidedBy(code="not_registered", message=message)
    if not given.group.conditions:
        message = "the group has no conditions: nobody is added or taken out by rules"
        return DecidedBy(code="no_conditions", message=message)
    if not is_kept:
        message = "a fact that the conditions read was known then, but is not kept"
        return DecidedBy(code="not_kept", message=message)
    message = "a fact is not known, and so nobody is added or taken out for it"
    return DecidedBy(code="unknown", message=message)


def _pinned(given: Situation) -> DecidedBy:
    assert given.hold is not None
    where = "in" if given.hold.held_in else "out of"
    until = "until it is unpinned"
    if given.hold.expires_at is not None:
        until = f"until {time_text(given.hold.expires_at)}"
    return DecidedBy(
        code="pinned_in" if given.hold.held_in else "pinned_out",
        message=f"pinned: held {where} the group {until}, whatever the rules say",
        actor=given.hold.actor,
        reason=given.hold.reason,
    )


def _by_others(given: Situation) -> DecidedBy | None:
    """Who made the last change of the client in the group, where it was not the rules."""
    last = given.last
    if last is None:
        return None
    code, message = _BY_OTHERS.get((Moment(last.moment), last.joined), (None, ""))
    if code is None:
        return None
    return DecidedBy(code=code, message=message, actor=last.actor, reason=last.reason, run_id=last.run_id)


def _not_in(given: Situation, by_others: DecidedBy | None) -> DecidedBy:
    if by_others is not None:
        message = f"{by_others.message}; meets the conditions, and so the next check adds it again"
        return by_others.model_copy(update={"message": message})
    return DecidedBy(
        code="not_checked",
        message="meets the conditions, but no check has come since the facts, or the group, became so",
    )


def _in(given: Situation, verdict: Verdict, by_others: DecidedBy | None) -> DecidedBy | None:
    assert given.member is not None
    is_manual = given.member.source == Source.MANUAL
    by_hand = {"actor": given.member.actor, "reason": given.member.reason} if is_manual else {}
    if verdict is Verdict.MATCH:
        message = "added by hand; meets the conditions as well"
        return DecidedBy(code="added_by_hand", message=message, **by_hand) if is_manual else None
    if not given.group.exclude:
        message = 'meets the conditions no more, stays: "exclude clients from the group" is off'
        if is_manual:
            message = (
                "does not meet the conditions, stays: added by hand, and"
                ' "exclude clients from the group" is off'
            )
        return DecidedBy(code="exclude_off", message=message, **by_hand)
    if is_manual and given.group.keep_manual:
        message = (
            'does not meet the conditions, stays: added by hand, and "do not exclude manually added clients"'
            " is on"
        )
        return DecidedBy(code="added_by_hand_kept", message=message, **by_hand)
    if given.leaves_by is not None:
        message = "meets the conditions no more; a run that is not through, or is held, is to take it out"
        return DecidedBy(code="leave_waits", message=message, run_id=given.leaves_by)
    if is_manual:
        message = "added by hand; does not meet the conditions, and so the next check takes it out"
        return DecidedBy(code="added_by_hand", message=message, **by_hand)
    message = "meets the conditions no more, but no check has come since the facts, or the group, became so"
    return by_others or DecidedBy(code="not_checked", message=message)
