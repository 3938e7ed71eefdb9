"""Countries that do not exist any more."""

from functools import cache
from typing import Final

import pycountry

_IN_USE_ALL_THE_SAME: Final = frozenset({"XK"})


def withdrawn(code: str) -> str | None:
    """The country whose ISO 3166-1 alpha-2 code this was: its name, and the day or year until which it was.

    None for a code in use, also where another country had it before. The first call reads pycountry's lists.
    """
    return _withdrawn().get(code)


@cache
def _withdrawn() -> dict[str, str]:
    in_use = {country.alpha_2 for country in pycountry.countries} | _IN_USE_ALL_THE_SAME
    # Where two countries had a code, the one that had it last.
    by_date = sorted(pycountry.historic_countries, key=lambda country: country.withdrawal_date)
    return {
        country.alpha_2: f"{country.name}, until {country.withdrawal_date}"
        for country in by_date
        if country.alpha_2 not in in_use
    }
