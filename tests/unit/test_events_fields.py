"""The kinds of fields by themselves: properties over all their values."""

import ipaddress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pycountry
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from events.fields import COUNTRIES, CountryCode, Id, MaybeCountry, MaybeIp, MaybeOpenCode, Timestamp, utc
from events.outputs import time_text

ID = TypeAdapter[str](Id)
COUNTRY = TypeAdapter[str](CountryCode)
IP = TypeAdapter[str | None](MaybeIp)
TIME = TypeAdapter[datetime](Timestamp)


@given(st.integers())
def test_an_integer_is_its_decimal_text(number: int) -> None:
    if len(str(number)) <= 64:
        assert ID.validate_json(str(number)) == ID.validate_python(number) == str(number)
    else:
        with pytest.raises(ValidationError):
            ID.validate_python(number)


@given(st.text())
def test_an_id_is_kept_exactly_or_refused(text: str) -> None:
    import unicodedata

    control = any(unicodedata.category(character) == "Cc" for character in text)
    if 1 <= len(text) <= 64 and not control:
        assert ID.validate_python(text) == text
    else:
        with pytest.raises(ValidationError):
            ID.validate_python(text)


@pytest.mark.parametrize("code", sorted(COUNTRIES))
def test_every_country_in_every_case(code: str) -> None:
    for given_code in (code, code.lower(), code.title(), code[0].lower() + code[1]):
        assert COUNTRY.validate_python(given_code) == code


def test_the_countries_are_iso_s_and_kosovo() -> None:
    assert len(COUNTRIES) == len(pycountry.countries) + 1
    assert "XK" in COUNTRIES
    assert "EU" not in COUNTRIES


@given(st.ip_addresses())
def test_an_address_has_one_spelling(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    kept = IP.validate_python(address.exploded.upper())
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    assert kept == str(mapped or address)
    assert IP.validate_python(kept) == kept


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_is_the_ipv4_one(address: ipaddress.IPv4Address) -> None:
    assert IP.validate_python(f"::ffff:{address}") == str(address)


offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=offsets)  # noqa: DTZ001 - bounds


@given(times)
def test_a_time_comes_back(time: datetime) -> None:
    for text in (time.isoformat(), time_text(time), time_text(time).lower()):
        assert TIME.validate_python(text) == utc(text) == time
        assert TIME.validate_python(text).tzinfo is UTC


@given(times, times)
def test_texts_of_times_sort_as_the_times(one: datetime, other: datetime) -> None:
    assert (time_text(one) < time_text(other)) == (one < other)


@pytest.mark.parametrize("kind", [MaybeCountry, MaybeIp, MaybeOpenCode])
@pytest.mark.parametrize("none", [None, ""])
def test_null_and_empty_are_none(kind: Any, none: str | None) -> None:
    assert TypeAdapter(kind).validate_python(none) is None
