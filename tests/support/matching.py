"""Compares what came with what was written down by hand, where not all of it can be known before.

`…` stands for any value, `<name>` for one that is kept under this name when it is first met and must be
the same from then on.
"""

import re
from typing import Any

ANY = "…"
_NAME = re.compile(r"<[a-z ]+>")


def difference(
    expected: Any, found: Any, *, whole: bool, names: dict[str, Any] | None = None, path: str = ""
) -> str | None:
    """The first difference, with its place; None where there is none.

    Without `whole`, objects may have more fields, and null stands for a field that is not there too.
    """
    if expected == ANY:
        return None
    if names is not None and isinstance(expected, str) and _NAME.fullmatch(expected):
        expected = names.setdefault(expected, found)
    here = path or "the whole"
    if isinstance(expected, dict) and isinstance(found, dict):
        if whole and expected.keys() != found.keys():
            return f"{here}: expected the fields {sorted(expected)}, not {sorted(found)}"
        pairs = [(f"{path}.{name}", each, found.get(name)) for name, each in expected.items()]
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return f"{here}: expected {len(expected)} items, not {len(found)}: {found}"
        pairs = [(f"{path}[{at}]", each, found[at]) for at, each in enumerate(expected)]
    else:
        return None if _same(expected, found) else f"{here}: expected {expected!r}, not {found!r}"
    found_differences = (
        difference(each, other, whole=whole, names=names, path=place) for place, each, other in pairs
    )
    return next((each for each in found_differences if each is not None), None)


def _same(expected: Any, found: Any) -> bool:
    # In Python True is 1, in JSON it is not.
    return bool(expected == found) and isinstance(expected, bool) == isinstance(found, bool)
