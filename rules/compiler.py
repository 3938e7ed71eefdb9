"""From groups to the tables that `rules.ruleset` evaluates with, and from one state to the next."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from rules.attribute_index import AttributeIndex
from rules.attributes import Attribute, attribute_of
from rules.bits import mask_of
from rules.model import Condition, GroupRules
from rules.placement import Grid, Placed

HOLE: Final = GroupRules(group="")
"""Stands where a removed group was; no group has an empty id."""

_SWITCHES: Final[dict[str, Callable[[GroupRules], bool]]] = {
    "upon_registration": lambda rules: rules.upon_registration and bool(rules.conditions),
    "upon_change": lambda rules: rules.upon_change and bool(rules.conditions),
    "exclude": lambda rules: rules.exclude,
    "keep_manual": lambda rules: rules.keep_manual,
    "conditional": lambda rules: bool(rules.conditions),
}


@dataclass(frozen=True, slots=True)
class Tables:
    """The compiled rules of all groups. Never changed: `next_tables` makes new ones that share what stays."""

    grid: Grid
    groups: Sequence[GroupRules] = ()
    """By bit; HOLE where there is no group."""
    bits: Mapping[str, int] = field(default_factory=dict)
    placed: Mapping[int, Placed] = field(default_factory=dict)
    """By bit, for the groups with conditions."""
    extra: Mapping[int, int] = field(default_factory=dict)
    """By bit, for the groups with extra columns: the mask of those columns."""
    used: int = 0
    """The mask of the columns that are taken."""
    base: int = 0
    """The slots that are always set."""
    indexes: Mapping[Attribute, AttributeIndex] = field(default_factory=dict)
    """For each attribute that some condition reads."""
    upon_registration: int = 0
    upon_change: int = 0
    exclude: int = 0
    keep_manual: int = 0
    conditional: int = 0


def tables_for(groups: Sequence[GroupRules]) -> Tables:
    """New tables for the groups, each at the bit of its place in the sequence."""
    fresh = Tables(Grid.fitting(groups))
    tables = _moved(fresh, groups, range(len(groups)))
    if tables is None:
        raise AssertionError("a grid made for these groups does not hold them")
    return tables


def next_tables(tables: Tables, changed: Iterable[GroupRules], removed: Iterable[str]) -> Tables:
    """The tables with `removed` gone, then `changed` put in place of their predecessors or at free bits."""
    groups = list(tables.groups)
    touched: set[int] = set()
    for group in removed:
        bit = tables.bits.get(group)
        if bit is not None:
            groups[bit] = HOLE
            touched.add(bit)
    used = tables.used
    for rules in changed:
        bit = tables.bits.get(rules.group)
        if bit is None:
            bit = _lowest_free(used)
            used |= 1 << bit
            groups.extend([HOLE] * (bit + 1 - len(groups)))
        groups[bit] = rules
        touched.add(bit)
    return _moved(tables, groups, touched) or tables_for(groups)


def _moved(tables: Tables, groups: Sequence[GroupRules], touched: Collection[int]) -> Tables | None:
    """The tables for `groups`, which differ at the touched bits; None where the grid doesn't suit them."""
    old = {bit: tables.groups[bit] if bit < len(tables.groups) else HOLE for bit in touched}
    keep = ~mask_of(touched)
    masks = {
        name: getattr(tables, name) & keep | mask_of(bit for bit in touched if has(groups[bit]))
        for name, has in _SWITCHES.items()
    }
    bits = tables.bits
    if any(old[bit].group != groups[bit].group for bit in touched):
        gone = {old[bit].group for bit in touched}
        bits = {group: bit for group, bit in bits.items() if group not in gone}
        bits |= {groups[bit].group: bit for bit in touched if groups[bit] is not HOLE}
    moving = [
        bit
        for bit in touched
        if old[bit].conditions != groups[bit].conditions or (old[bit] is HOLE) != (groups[bit] is HOLE)
    ]
    after = replace(tables, groups=tuple(groups), bits=bits, **masks)
    return _placed(after, moving) if moving else after


def _placed(tables: Tables, moving: Sequence[int]) -> Tables | None:
    """The tables with the conditions of the groups at these bits taken out and put in anew; None as above."""
    placed, extra = dict(tables.placed), dict(tables.extra)
    left = [placed.pop(bit) for bit in moving if bit in placed]
    for bit in moving:
        extra.pop(bit, None)
    freed = [column for place in left for column in place.columns]
    present = [bit for bit in moving if tables.groups[bit] is not HOLE]
    used = tables.used & ~mask_of([*freed, *moving]) | mask_of(present)
    arrived: dict[int, Placed] = {}
    for bit in present:
        rules = tables.groups[bit]
        columns = [bit]
        while len(columns) < tables.grid.columns_for(rules):
            column = _highest_free(used, tables.grid.width)
            if column is None:
                return None
            used |= 1 << column
            columns.append(column)
        if rules.conditions:
            arrived[bit] = tables.grid.place(rules, tuple(columns))
            if len(columns) > 1:
                extra[bit] = mask_of(columns[1:])
    if used.bit_length() > tables.grid.width or not tables.grid.suits(len(extra), len(placed) + len(arrived)):
        return None
    padding_left = mask_of(slot for place in left for slot in place.padding)
    padding = mask_of(slot for place in arrived.values() for slot in place.padding)
    return replace(
        tables,
        placed=placed | arrived,
        extra=extra,
        used=used,
        base=tables.base & ~padding_left | padding,
        indexes=_reindexed(tables.indexes, moving, left, arrived),
    )


def _reindexed(
    indexes: Mapping[Attribute, AttributeIndex],
    moving: Iterable[int],
    left: Iterable[Placed],
    arrived: Mapping[int, Placed],
) -> dict[Attribute, AttributeIndex]:
    """The indexes with the slots of those that left emptied and of those that arrived filled."""
    slots: dict[Attribute, dict[int, list[Condition]]] = {}
    readers: dict[Attribute, set[int]] = {}
    for place in left:
        for slot, conditions in place.clauses:
            for condition in conditions:
                slots.setdefault(attribute_of(condition), {})[slot] = []
    for bit, place in arrived.items():
        for slot, conditions in place.clauses:
            for condition in conditions:
                attribute = attribute_of(condition)
                slots.setdefault(attribute, {}).setdefault(slot, []).append(condition)
                readers.setdefault(attribute, set()).add(bit)
    keep = ~mask_of(moving)
    after = dict(indexes)
    for attribute, changes in slots.items():
        index = after.pop(attribute, None) or AttributeIndex()
        index = index.changed(changes, index.readers & keep | mask_of(readers.get(attribute, ())))
        if index.readers:
            after[attribute] = index
    return after


def _lowest_free(used: int) -> int:
    return (~used & (used + 1)).bit_length() - 1


def _highest_free(used: int, width: int) -> int | None:
    free = ~used & ((1 << width) - 1)
    return free.bit_length() - 1 if free else None
