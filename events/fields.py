"""The kinds of fields: ids, times, countries, codes, addresses.

Each is an annotated type whose usual case is checked by pydantic's compiled core alone; Python is called only
for the unusual one (another case of letters, an integer for an id, an IPv6 address). `null` and `""` are
*none* in the `Maybe...` types. Messages name what was expected and never the value: it may be a client's.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeAlias

import pycountry
from pydantic_core import core_schema
from pydantic_core.core_schema import UnionSchema

from events.kinds import Kind, from_text, maybe, maybe_json, one_error

ID_MAX = 64
"""Characters."""
TEXT_MAX = 1_000
"""Characters of a name, title, reason."""
ID_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]+$"
NO_TIME = datetime.min.replace(tzinfo=UTC)
"""Stands in a model's time field until `decode` resolves it."""

COUNTRIES = frozenset({country.alpha_2 for country in pycountry.countries} | {"XK"})
"""ISO 3166-1 alpha-2, and Kosovo's XK, which ISO leaves to users and GeoIP databases use."""

WITHDRAWN_COUNTRIES = frozenset({country.alpha_2 for country in pycountry.historic_countries}) - COUNTRIES
"""Codes of countries that do not exist any more; conditions may go on naming them."""

_IPV4_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"^(?:{_IPV4_BYTE}\.){{3}}{_IPV4_BYTE}$"
_RFC_3339 = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,40})?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})$"
)
_SECOND_60 = re.compile(r"(?<=^.{17})60")


# ---- ids
def _decimal(value: int) -> str:
    text = str(value)
    if len(text) > ID_MAX:
        raise ValueError
    return text


def _id() -> UnionSchema:
    return one_error(
        "id",
        "expected text of 1-64 characters without control characters, or an integer",
        core_schema.str_schema(strict=True, min_length=1, max_length=ID_MAX, pattern=ID_PATTERN),
        core_schema.no_info_after_validator_function(_decimal, core_schema.int_schema(strict=True)),
    )


def _short_json(limit: int) -> dict[str, Any]:
    pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$"
    return {
        "anyOf": [
            {"type": "string", "minLength": 1, "maxLength": limit, "pattern": pattern},
            {"type": "integer"},
        ]
    }


_ID_JSON = _short_json(ID_MAX)
Id = Annotated[str, Kind(_id, _ID_JSON, out={"type": "string"})]
MaybeId = Annotated[str | None, Kind(lambda: maybe(_id()), maybe_json(_ID_JSON))]
ClientId: TypeAlias = Id
GroupId: TypeAlias = Id
PayerId: TypeAlias = Id
ProviderId: TypeAlias = Id


# ---- times
def utc(text: str) -> datetime:
    """An RFC 3339 time with an offset, in UTC; digits below a microsecond are cut off.

    A leap second (`:60`) is the first instant of the next minute. Raises ValueError.
    """
    if not re.fullmatch(_RFC_3339, text):
        raise ValueError("expected an RFC 3339 time with an offset")
    return _utc(text)


def _utc(text: str) -> datetime:
    leap = timedelta(0)
    if text[17] == "6":
        text, leap = _SECOND_60.sub("59", text), timedelta(seconds=1)
    elif text[-1] == "Z":  # nearly all
        return datetime.fromisoformat(text)
    try:
        return (datetime.fromisoformat(text.upper()) + leap).astimezone(UTC)
    except OverflowError as exc:  # year 1 or 9999 and an offset
        raise ValueError("out of range") from exc


def _timestamp() -> UnionSchema:
    return one_error(
        "timestamp",
        "expected an RFC 3339 time with an offset, as 2026-11-22T10:15:00Z",
        from_text(_utc, pattern=_RFC_3339),
    )


def _event_time() -> UnionSchema:
    none = core_schema.no_info_after_validator_function(
        lambda _: NO_TIME, core_schema.literal_schema(["", None])
    )
    return one_error(
        "timestamp",
        "expected an RFC 3339 time with an offset, as 2026-11-22T10:15:00Z",
        from_text(_utc, pattern=_RFC_3339),
        none,
    )


_TIME_JSON = {"type": "string", "format": "date-time"}
Timestamp = Annotated[datetime, Kind(_timestamp, _TIME_JSON)]
MaybeTimestamp = Annotated[datetime | None, Kind(lambda: maybe(_timestamp()), maybe_json(_TIME_JSON))]
EventTime = Annotated[
    datetime,
    Kind(
        _event_time,
        {
            **maybe_json(_TIME_JSON),
            "description": "RFC 3339 with an offset. Missing or none: ce_time, else the record's timestamp.",
        },
    ),
]
"""The time of an input. Missing or none: `NO_TIME`, which `decode` replaces by `ce_time` or the record's."""


# ---- codes
def _one_of(values: Iterable[str], fold: Callable[[str], str], code: str, message: str) -> UnionSchema:
    allowed = sorted(values)
    known = frozenset(allowed)

    def folded(text: str) -> str:
        # Some letters beyond ASCII fold into it: the long s into S.
        if not text.isascii() or (found := fold(text)) not in known:
            raise ValueError
        return found

    # The usual spelling is found by the core's own hash table; Python is asked about the others.
    return one_error(code, message, core_schema.literal_schema(allowed), from_text(folded, max_length=64))


def _country(codes: frozenset[str] = COUNTRIES) -> UnionSchema:
    return _one_of(codes, str.upper, "country", "expected an ISO 3166-1 alpha-2 country code, or XK")


_COUNTRY_JSON = {"type": "string", "pattern": "^[A-Za-z]{2}$", "description": "ISO 3166-1 alpha-2 or XK"}
CountryCode = Annotated[str, Kind(_country, _COUNTRY_JSON)]
PastOrPresentCountry = Annotated[str, Kind(lambda: _country(COUNTRIES | WITHDRAWN_COUNTRIES), _COUNTRY_JSON)]
"""Withdrawn codes too: a group must stay as it is when a country ceases to exist."""
MaybeCountry = Annotated[str | None, Kind(lambda: maybe(_country()), maybe_json(_COUNTRY_JSON))]


def _closed(*values: str) -> UnionSchema:
    return _one_of(values, str.lower, "code", "expected one of " + ", ".join(values))


def code_of(*values: str) -> Kind:
    """A closed list of codes, in any case; becomes lower case."""
    letters = "".join
    patterns = [letters(f"[{c.upper()}{c}]" if c.isalpha() else c for c in value) for value in values]
    return Kind(
        lambda: _closed(*values),
        {"type": "string", "pattern": f"^({'|'.join(patterns)})$", "examples": list(values)},
    )


def maybe_code_of(*values: str) -> Kind:
    """As `code_of`; `null` and `""` are none."""
    kind = code_of(*values)
    return Kind(lambda: maybe(_closed(*values)), maybe_json(kind.json))


def _lower(text: str) -> str:
    if len(text := text.lower()) > ID_MAX:  # a few letters become two
        raise ValueError
    return text


def _open_code() -> UnionSchema:
    return one_error(
        "code",
        "expected a code of 1-64 characters without control characters",
        core_schema.str_schema(strict=True, max_length=ID_MAX, pattern=r"^[a-z0-9_.-]+$"),
        from_text(_lower, min_length=1, max_length=ID_MAX, pattern=ID_PATTERN),
    )


_OPEN_CODE_JSON = {"type": "string", "minLength": 1, "maxLength": ID_MAX}
OpenCode = Annotated[str, Kind(_open_code, _OPEN_CODE_JSON)]
MaybeOpenCode = Annotated[str | None, Kind(lambda: maybe(_open_code()), maybe_json(_OPEN_CODE_JSON))]
"""A code from a list that others may extend (authorization methods); becomes lower case."""


# ---- addresses and plain text
def _address(text: str) -> str:
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise ValueError
        # The same host, and GeoIP databases know it by the IPv4 address only.
        return str(address.ipv4_mapped or address)
    return str(address)


def _ip() -> UnionSchema:
    return one_error(
        "ip",
        "expected an IPv4 or IPv6 address",
        core_schema.str_schema(strict=True, max_length=15, pattern=_IPV4),
        from_text(_address, min_length=1, max_length=64),
    )


_IP_JSON = {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]}
MaybeIp = Annotated[str | None, Kind(lambda: maybe(_ip()), maybe_json(_IP_JSON))]
"""Normalised: IPv6 compressed and in lower case; an IPv4-mapped one (`::ffff:192.0.2.7`) becomes IPv4."""


def _text() -> UnionSchema:
    return one_error(
        "text",
        f"expected text of at most {TEXT_MAX} characters",
        core_schema.str_schema(strict=True, min_length=1, max_length=TEXT_MAX),
    )


def _flag() -> UnionSchema:
    return one_error("wrong_type", "expected true or false", core_schema.bool_schema(strict=True))


MaybeFlag = Annotated[bool | None, Kind(lambda: maybe(_flag()), maybe_json({"type": "boolean"}))]

MaybeText = Annotated[
    str | None,
    Kind(lambda: maybe(_text()), {"anyOf": [{"type": "string", "maxLength": TEXT_MAX}, {"type": "null"}]}),
]


def maybe_label(limit: int) -> Kind:
    """A short text (an actor, a command's id) or an integer; no control characters; `null`, `""`: none."""
    message = f"expected text of 1-{limit} characters without control characters, or an integer"

    def schema() -> UnionSchema:
        return one_error(
            "label",
            message,
            core_schema.str_schema(strict=True, min_length=1, max_length=limit, pattern=ID_PATTERN),
            core_schema.no_info_after_validator_function(_decimal, core_schema.int_schema(strict=True)),
        )

    return Kind(lambda: maybe(schema()), maybe_json(_short_json(limit)))
