"""All conditions that read one attribute, ready to tell for a value which slots it satisfies.

A *slot* is the place of one condition group of one client group: a bit of a wide mask (`rules.ruleset`
hands them out). A slot is satisfied by an attribute when any of the slot's conditions on that attribute
holds. The value of the attribute alone decides that, so the answer is kept by value.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Generic, NamedTuple, TypeVar

from rules.attributes import FactValue
from rules.bits import mask_of
from rules.conditions import met
from rules.model import Comparison, Condition, ConditionType

MEMO_ENTRIES: Final = 2_048  # a value; the memo starts anew when full: what is in use is back at once
MEMO_CHARACTERS: Final = 200  # longer texts are hardly seen twice and would only fill memory

_MANY_VALUED: Final = frozenset(
    {ConditionType.PAYER_STATUS, ConditionType.VERIFICATION_STATUS, ConditionType.VERIFICATION_METHOD}
)

_Key = TypeVar("_Key", str, Condition)


class Contributions(dict[FactValue, int]):
    """The satisfied slots by value, computed when first asked for: `contributions[value]` never fails."""

    __slots__ = ("_index",)

    def __init__(self, index: "AttributeIndex") -> None:
        """Starts empty; the index computes."""
        super().__init__()
        self._index = index

    def __missing__(self, value: FactValue) -> int:
        """Computes, and keeps it unless the value is a long text."""
        mask = self._index.satisfied(value)
        if not isinstance(value, str) or len(value) <= MEMO_CHARACTERS:
            if len(self) >= MEMO_ENTRIES:
                self.clear()
            self[value] = mask
        return mask


class _Reading(NamedTuple):
    """The conditions of one slot on one attribute, in the form that needs no loop over slots.

    For a value in `exceptions` the listing comparisons (equals, one_of and their negations) together say
    the opposite of `otherwise`; `scanned` are the conditions that must be asked one by one.
    """

    otherwise: bool
    exceptions: frozenset[str]
    scanned: frozenset[Condition]


class AttributeIndex:
    """The conditions on one attribute, by slot. Immutable but for its memo; `changed` makes the next one.

    `contributions` maps a known value to the mask of satisfied slots, `slots` is the mask of all slots with
    a condition on the attribute (those that an unknown value might satisfy), `readers` the mask of the
    client groups that have one.
    """

    __slots__ = (
        "_exceptions",
        "_otherwise",
        "_readings",
        "_scan",
        "_scanned",
        "contributions",
        "readers",
        "slots",
    )

    def __init__(self) -> None:
        """An index without conditions: every value contributes nothing."""
        self._readings: dict[int, _Reading] = {}
        self._exceptions: dict[str, set[int]] = {}
        self._scanned: dict[Condition, set[int]] = {}
        self._otherwise = 0
        self._scan: list[tuple[Condition, int]] | None = None
        self.slots = 0
        self.readers = 0
        self.contributions = Contributions(self)

    def satisfied(self, value: FactValue) -> int:
        """The mask of the slots that a known value satisfies, computed anew."""
        mask = self._otherwise
        if isinstance(value, str) and value in self._exceptions:
            mask ^= mask_of(self._exceptions[value])
        if self._scan is None:
            self._scan = [(condition, mask_of(slots)) for condition, slots in self._scanned.items()]
        for condition, slots in self._scan:
            if met(condition, value):
                mask |= slots
        return mask

    def changed(self, slots: Mapping[int, Iterable[Condition]], readers: int) -> "AttributeIndex":
        """The index with these slots' conditions replaced (none: removed), and the given readers.

        Costs a copy of the dictionaries and the work of the given slots; the masks of the others are not
        touched.
        """
        after = AttributeIndex()
        after.readers = readers
        after._readings = dict(self._readings)
        exceptions, scanned = _SlotSets(self._exceptions), _SlotSets(self._scanned)
        cleared: list[int] = []
        satisfied: list[int] = []
        for slot, conditions in slots.items():
            before = after._readings.pop(slot, None)
            if before is not None:
                exceptions.discard(before.exceptions, slot)
                scanned.discard(before.scanned, slot)
            cleared.append(slot)
            reading = _reading_of(conditions)
            if reading is not None:
                after._readings[slot] = reading
                exceptions.add(reading.exceptions, slot)
                scanned.add(reading.scanned, slot)
                if reading.otherwise:
                    satisfied.append(slot)
        keep = ~mask_of(cleared)
        after._exceptions = exceptions.by_key
        after._scanned = scanned.by_key
        after._otherwise = self._otherwise & keep | mask_of(satisfied)
        after.slots = self.slots & keep | mask_of(slot for slot in slots if slot in after._readings)
        return after


def _reading_of(conditions: Iterable[Condition]) -> _Reading | None:
    """The slot's conditions on one attribute, sorted into listing and scanned ones; None without any."""
    listed: set[str] = set()
    excluded: set[str] | None = None
    scanned: set[Condition] = set()
    empty = True
    for condition in conditions:
        empty = False
        values = {condition.value} if isinstance(condition.value, str) else set(condition.value or ())
        if condition.type in _MANY_VALUED:
            scanned.add(_without_place(condition))
        elif condition.comparison in (Comparison.EQUALS, Comparison.ONE_OF):
            listed |= values
        elif condition.comparison in (Comparison.NOT_EQUALS, Comparison.NONE_OF):
            # Joined by OR, "not DE" and "not FR" exclude only what both exclude.
            excluded = values if excluded is None else excluded & values
        else:
            scanned.add(_without_place(condition))
    if empty:
        return None
    exceptions = listed if excluded is None else excluded - listed
    return _Reading(excluded is not None, frozenset(exceptions), frozenset(scanned))


def _without_place(condition: Condition) -> Condition:
    """The condition apart from its condition group: what many rules ask alike is then computed once."""
    return Condition(
        0,
        condition.type,
        condition.comparison,
        condition.value,
        condition.parameter,
        condition.include_inactive,
    )


class _SlotSets(Generic[_Key]):
    """Slots by key, changed in a copy: sets that no change touches stay shared with the index before."""

    def __init__(self, shared: Mapping[_Key, set[int]]) -> None:
        """Begins as `shared`, which is left as it is."""
        self.by_key: dict[_Key, set[int]] = dict(shared)
        self._own: set[_Key] = set()

    def add(self, keys: Iterable[_Key], slot: int) -> None:
        """Adds the slot under each key."""
        for key in keys:
            self._own_set(key).add(slot)

    def discard(self, keys: Iterable[_Key], slot: int) -> None:
        """Takes the slot from under each key; a key without slots goes."""
        for key in keys:
            slots = self._own_set(key)
            slots.discard(slot)
            if not slots:
                del self.by_key[key]
                self._own.discard(key)

    def _own_set(self, key: _Key) -> set[int]:
        if key not in self._own:
            self.by_key[key] = set(self.by_key.get(key, ()))
            self._own.add(key)
        return self.by_key[key]
