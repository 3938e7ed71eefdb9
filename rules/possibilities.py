"""What facts there can be that meet some of a group's conditions and fail others.

Values of a fact that all conditions treat alike are alike. So a sample of each fact's values stands for all
of them: what the conditions name, and *none*, which every condition takes as any value that is not named.
Payers and verifications are few enough to take all. Texts that comparisons look into (`contains`,
`greater_than` ...) have the named ones in the sample, and of the others `rules.other_texts` says what can be.

A condition is the set of the sample's values that it may be met by, as a mask, and that of those that may
fail it; where finding out would cost too much, all are in both. So what is said to be impossible is.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain, combinations, product
from typing import Final, NamedTuple

from rules.attributes import PARAMETER_PREFIX, PAYERS, VERIFICATIONS, Attribute, FactValue, attribute_of
from rules.bits import mask_of
from rules.conditions import met
from rules.model import Comparison, Condition, ConditionType, Payer
from rules.other_texts import Wanted, other_text_may_meet
from rules.problems import CLOSED_VALUES

MAX_COMPARED: Final = 100_000
"""Characters of named texts that the other comparisons are asked about."""

_NEGATIVE: Final = (Comparison.NOT_EQUALS, Comparison.NONE_OF)
_BY_NAME: Final = (Comparison.EQUALS, Comparison.ONE_OF, *_NEGATIVE)


class GaveUp(Exception):  # noqa: N818 - an outcome, not an error of the program
    """The question takes more steps than it is worth."""


class Budget:
    """So many questions may be asked; a microsecond or a few each."""

    def __init__(self, questions: int) -> None:
        self._left = questions

    def spend(self, questions: int) -> None:
        """Raises GaveUp where fewer are left."""
        if self._left < questions:
            raise GaveUp
        self._left -= questions


class Room(NamedTuple):
    """The values of one fact that are left by what is wanted of it."""

    mask: int
    wanted: tuple[tuple[int, bool], ...] = ()
    """Numbers of conditions, each with whether it is to be met."""


class Possibilities:
    """The conditions of one group, by their numbers in it, which must be without problems."""

    def __init__(self, conditions: Sequence[Condition], budget: Budget) -> None:
        """Takes time in the number of values that the conditions name; questions are paid from `budget`."""
        self.budget = budget
        self.attributes: Sequence[Attribute] = [attribute_of(each) for each in conditions]
        self._conditions = conditions
        self._all: dict[Attribute, int] = {}
        self._may_meet = [0] * len(conditions)
        self._may_fail = [0] * len(conditions)
        numbers: dict[Attribute, list[int]] = defaultdict(list)
        for place, attribute in enumerate(self.attributes):
            numbers[attribute].append(place)
        for attribute, places in numbers.items():
            self._sample(attribute, places)

    def everything(self, attribute: Attribute) -> Room:
        """The room where nothing is wanted yet."""
        return Room(self._all[attribute])

    def narrowed(self, room: Room, place: int, *, meet: bool) -> Room | None:
        """What is left of the room where the condition is to be met (or failed); None: surely nothing.

        Raises GaveUp where the budget is spent.
        """
        self.budget.spend(1)
        wanted = (*room.wanted, (place, meet))
        mask = room.mask & (self._may_meet if meet else self._may_fail)[place]
        return Room(mask, wanted) if mask or self._other_text(place, wanted) else None

    def possible(self, *wanted: tuple[int, bool]) -> bool:
        """Whether some client may meet (or fail) all of these; never wrongly False. Raises GaveUp."""
        rooms: dict[Attribute, Room] = {}
        for place, meet in wanted:
            attribute = self.attributes[place]
            room = self.narrowed(rooms.get(attribute) or self.everything(attribute), place, meet=meet)
            if room is None:
                return False
            rooms[attribute] = room
        return True

    def _other_text(self, place: int, wanted: Sequence[tuple[int, bool]]) -> bool:
        if not self.attributes[place].startswith(PARAMETER_PREFIX):
            return False
        self.budget.spend(len(wanted))
        return other_text_may_meet(Wanted(self._conditions[each], meet) for each, meet in wanted)

    def _sample(self, attribute: Attribute, places: Sequence[int]) -> None:
        if attribute in (PAYERS, VERIFICATIONS):
            values = _all_payers() if attribute == PAYERS else _all_verifications()
            self._all[attribute] = (1 << len(values)) - 1
            for place in places:
                self._may_meet[place], self._may_fail[place] = _asked(self._conditions[place], values)
            return
        bits: dict[str, int] = {}
        for place in places:
            for text in _named(self._conditions[place]):
                bits.setdefault(text, len(bits) + 1)  # bit 0: none
        everything = self._all[attribute] = (2 << len(bits)) - 1
        sample: list[FactValue] = [None, *bits]
        budget = Budget(MAX_COMPARED)
        for place in places:
            condition = self._conditions[place]
            if condition.comparison in _BY_NAME:
                named = mask_of(bits[text] for text in _named(condition))
                others = everything & ~named
                negative = condition.comparison in _NEGATIVE
                self._may_meet[place], self._may_fail[place] = (
                    (others, named) if negative else (named, others)
                )
            else:
                self._may_meet[place], self._may_fail[place] = _asked(condition, sample, budget)


def _asked(
    condition: Condition, sample: Sequence[FactValue], budget: Budget | None = None
) -> tuple[int, int]:
    """The masks of the values that may meet and may fail the condition; both where the budget is spent."""
    may_meet = may_fail = 0
    for bit, value in enumerate(sample):
        try:
            if budget is not None:
                budget.spend(len(value) if isinstance(value, str) else 1)
            holds = met(condition, value)
        except GaveUp:
            may_meet |= 1 << bit
            may_fail |= 1 << bit
        else:
            may_meet |= holds << bit
            may_fail |= (not holds) << bit
    return may_meet, may_fail


def _named(condition: Condition) -> Iterable[str]:
    """The values that the condition names whole."""
    if condition.comparison not in _BY_NAME or condition.value is None:
        return ()
    return (condition.value,) if isinstance(condition.value, str) else condition.value


@cache
def _all_payers() -> Sequence[FactValue]:
    """All that a condition can tell apart: for each status no payer, an inactive one, an active one."""
    each = [
        (None, Payer(status, active=False), Payer(status, active=True))
        for status in CLOSED_VALUES[ConditionType.PAYER_STATUS]
    ]
    return [frozenset(payer for payer in chosen if payer is not None) for chosen in product(*each)]


@cache
def _all_verifications() -> Sequence[FactValue]:
    """Every set of methods in which a client can have passed."""
    methods = CLOSED_VALUES[ConditionType.VERIFICATION_METHOD]
    sizes = range(len(methods) + 1)
    return [frozenset(each) for each in chain.from_iterable(combinations(methods, size) for size in sizes)]
