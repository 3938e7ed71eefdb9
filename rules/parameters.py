"""The contribution of a client's request parameters, of which there can be many on either side."""

from collections.abc import Mapping
from typing import Final

from rules.attribute_index import MEMO_ENTRIES, Contributions

FEW_NAMES: Final = 8  # names that rules read, up to which asking for each is the faster way


class Parameters:
    """What the request parameters of a client satisfy. Immutable but for its memo.

    A parameter that was not passed contributes too (its negations hold), so a plain way looks at every name
    that some rule reads. Where rules read many names, what the missing ones contribute together is kept by
    the set of those that were passed: the cost then follows what the client passed, not what rules read.
    """

    __slots__ = ("_by_name", "_few", "_not_passed")

    def __init__(self, by_name: Mapping[str, Contributions]) -> None:
        """Takes the contributions of each parameter that some rule reads."""
        self._by_name = dict(by_name)
        self._few = tuple(by_name.items()) if len(by_name) <= FEW_NAMES else None
        self._not_passed: dict[frozenset[str], int] = {}

    @property
    def names(self) -> frozenset[str]:
        """The parameters that some rule reads."""
        return frozenset(self._by_name)

    def same(self, by_name: Mapping[str, Contributions]) -> bool:
        """Whether these are the very contributions that it was made of, so that its memo still holds."""
        return self._by_name.keys() == by_name.keys() and all(
            contributions is self._by_name[name] for name, contributions in by_name.items()
        )

    def satisfied(self, passed: Mapping[str, str]) -> int:
        """The mask of the slots that these parameters satisfy; those that no rule reads cost nothing."""
        mask = 0
        if self._few is not None:
            for name, contributions in self._few:
                mask |= contributions[passed.get(name)]
            return mask
        by_name = self._by_name
        fewer, more = (passed, by_name) if len(passed) < len(by_name) else (by_name, passed)
        read = [name for name in fewer if name in more]
        for name in read:
            mask |= by_name[name][passed[name]]
        return mask | self._of_missing(frozenset(read))

    def _of_missing(self, read: frozenset[str]) -> int:
        mask = self._not_passed.get(read)
        if mask is None:
            mask = 0
            for name, contributions in self._by_name.items():
                if name not in read:
                    mask |= contributions[None]
            if len(self._not_passed) >= MEMO_ENTRIES:
                self._not_passed.clear()
            self._not_passed[read] = mask
        return mask
