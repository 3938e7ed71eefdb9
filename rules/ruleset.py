"""All client groups at once: which of them a client matches, in a few operations on big integers.

Conditions are in conjunctive form, AND over condition groups of OR over conditions. Each attribute's value
contributes the mask of the condition groups it satisfies (`rules.attribute_index`, kept by value), an OR of
the contributions says which condition groups hold, and an AND of the rows of that mask which client groups
match (`rules.placement`). What is not known follows Kleene's strong three-valued logic (S. C. Kleene,
*Introduction to Metamathematics*, section 64), with one mask for what surely holds and one for what
possibly does.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from rules import attributes as known_attributes
from rules.attribute_index import AttributeIndex, Contributions
from rules.attributes import Attribute
from rules.bits import bits_of, mask_of
from rules.compiler import Tables, next_tables, tables_for
from rules.model import Facts, GroupRules, Unknown
from rules.parameters import Parameters

_UNKNOWN: Final = Unknown.UNKNOWN


class Verdicts(NamedTuple):
    """Two masks of groups. In `surely`: match. In neither: no match. Only in `possibly`: unknown."""

    surely: int
    possibly: int


class RuleSet:
    """The rules of all groups, compiled. Bit *i* of every mask is `groups[i]`; immutable but for memos.

    `upon_registration`, `upon_change`, `exclude` and `keep_manual` are the masks of the groups with that
    switch, `conditional` of those with conditions. A group without conditions is in neither `upon_…` mask:
    it is never checked. Where a group was removed, `groups` has a hole (a group with an empty id), whose
    bit is in no mask and is given to a later group.
    """

    __slots__ = (
        "_authorization_method",
        "_base",
        "_country",
        "_extra",
        "_extra_mask",
        "_geoip_country",
        "_geoip_slots",
        "_parameters",
        "_payers",
        "_provider",
        "_shifts",
        "_tables",
        "_verifications",
        "conditional",
        "exclude",
        "groups",
        "keep_manual",
        "upon_change",
        "upon_registration",
    )

    def __init__(self, tables: Tables, parameters: Parameters | None = None) -> None:
        """For `compile` and `replace`; takes `parameters`, with its memo, where it still holds."""
        self._tables = tables
        self.groups: Sequence[GroupRules] = tables.groups
        self.upon_registration = tables.upon_registration
        self.upon_change = tables.upon_change
        self.exclude = tables.exclude
        self.keep_manual = tables.keep_manual
        self.conditional = tables.conditional
        # Below: what `evaluate` reads, one look-up away.
        self._base = tables.base
        self._extra = tables.extra
        self._extra_mask = mask_of(tables.extra)
        # From the highest row down: the first AND then already leaves a number of one row's length.
        self._shifts = tuple(tables.grid.width * plane for plane in range(tables.grid.planes - 1, 0, -1))
        self._country = self._contributions(known_attributes.COUNTRY)
        self._geoip_country = self._contributions(known_attributes.GEOIP_COUNTRY)
        geoip = tables.indexes.get(known_attributes.GEOIP_COUNTRY)
        self._geoip_slots = geoip.slots if geoip else 0
        self._payers = self._contributions(known_attributes.PAYERS)
        self._provider = self._contributions(known_attributes.PROVIDER)
        self._authorization_method = self._contributions(known_attributes.AUTHORIZATION_METHOD)
        self._verifications = self._contributions(known_attributes.VERIFICATIONS)
        by_name = {
            attribute.removeprefix(known_attributes.PARAMETER_PREFIX): index.contributions
            for attribute, index in tables.indexes.items()
            if attribute.startswith(known_attributes.PARAMETER_PREFIX)
        }
        same = parameters is not None and parameters.same(by_name)
        self._parameters = parameters if parameters is not None and same else Parameters(by_name)

    @classmethod
    def compile(cls, groups: Iterable[GroupRules]) -> "RuleSet":
        """The rule set of these groups, in their order. Raises ValueError for an id given twice or empty."""
        given = list(groups)
        _check_ids(given)
        return cls(tables_for(given))

    def replace(self, changed: Iterable[GroupRules], removed: Iterable[str] = ()) -> "RuleSet":
        """The rule set with `removed` gone, then `changed` put in or added. Groups that stay keep bits.

        Costs what changed, plus copies of some dictionaries; what attributes that the change does not
        concern have in their memos stays. Only when the spare columns are used up is all compiled anew. Ids
        in `removed` that are not here are passed over. Raises ValueError as `compile` does.
        """
        given = list(changed)
        _check_ids(given)
        return RuleSet(next_tables(self._tables, given, removed), self._parameters)

    def bit(self, group: str) -> int | None:
        """The number of the group's bit; None for a group that is not here."""
        return self._tables.bits.get(group)

    def mask(self, groups: Iterable[str]) -> int:
        """The mask of these groups; ids that are not here are passed over."""
        bits = self._tables.bits
        return mask_of(bits[group] for group in groups if group in bits)

    def decode(self, mask: int) -> list[str]:
        """The ids of the groups in the mask, in the order of their bits."""
        return [self.groups[bit].group for bit in bits_of(mask)]

    def readers(self, attributes: Iterable[Attribute]) -> int:
        """The mask of the groups with a condition that reads any of the attributes.

        When only these attributes change, no other group's verdict can.
        """
        mask = 0
        for attribute in attributes:
            index = self._tables.indexes.get(attribute)
            if index is not None:
                mask |= index.readers
        return mask

    @property
    def parameters_read(self) -> frozenset[str]:
        """The names of the request parameters that some group reads."""
        return self._parameters.names

    @property
    def reads_parameters(self) -> bool:
        """Whether any condition reads a request parameter."""
        return any(each.startswith(known_attributes.PARAMETER_PREFIX) for each in self._tables.indexes)

    def evaluate(self, facts: Facts) -> Verdicts:
        """The verdict of every group with conditions for this client, whether or not a check is due."""
        known = (
            self._base
            | self._country[facts.country]
            | self._provider[facts.provider_id]
            | self._authorization_method[facts.authorization_method]
            | self._payers[facts.payers]
            | self._verifications[facts.verification_methods]
            | self._parameters.satisfied(facts.request_parameters)
        )
        geoip_country = facts.geoip_country
        if geoip_country is _UNKNOWN:
            surely = self._all_hold(known)
            possibly = self._all_hold(known | self._geoip_slots) if self._geoip_slots else surely
            return Verdicts(surely, possibly)
        surely = self._all_hold(known | self._geoip_country[geoip_country])
        return Verdicts(surely, surely)

    def _all_hold(self, wide: int) -> int:
        """The groups of which every condition group's slot is set in the wide mask."""
        matched = wide
        for shift in self._shifts:
            matched &= wide >> shift
        if self._extra:
            for bit in bits_of(matched & self._extra_mask):
                columns = self._extra[bit]
                if matched & columns != columns:
                    matched ^= 1 << bit
            matched &= self.conditional
        return matched

    def _contributions(self, attribute: Attribute) -> Contributions:
        index = self._tables.indexes.get(attribute)
        return (index or AttributeIndex()).contributions


def _check_ids(groups: Sequence[GroupRules]) -> None:
    ids = {rules.group for rules in groups}
    if len(ids) != len(groups):
        raise ValueError("each group may be given once only")
    if "" in ids:
        raise ValueError("a group's id cannot be empty")
