"""GeoIP: a country, not there, or unknown; never an exception; the file may change under it."""

import os
from pathlib import Path

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from workers import geoip
from workers.geoip import UNKNOWN, GeoIP


@pytest.fixture(autouse=True)
def _looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geoip, "CHECK_SECONDS", 0.0)


def write(path: Path, networks: dict[str, str], kind: str = "GeoLite2-Country", version: int = 6) -> None:
    writer = MMDBWriter(version, database_type=kind, ipv4_compatible=version == 6)
    for network, code in networks.items():
        writer.insert_network(
            IPSet([network]), {"country": {"iso_code": code}} if code else {"continent": {}}
        )
    scratch = path.with_suffix(".new")
    writer.to_db_file(str(scratch))
    scratch.replace(path)


def test_countries(geoip_path: Path) -> None:
    database = GeoIP(geoip_path)
    assert database.build is not None
    assert database.lookup("192.0.2.7").country == "DE"
    assert database.lookup("2001:db8::1").country == "NL"
    assert database.lookup("192.0.2.7").build == database.build
    database.close()


def test_an_address_that_is_not_there_is_known_to_have_no_country(tmp_path: Path) -> None:
    path = tmp_path / "country.mmdb"
    write(path, {"192.0.2.0/24": "DE", "198.51.100.0/24": ""})
    database = GeoIP(path)
    for ip in ("203.0.113.1", "198.51.100.1", "2001:db8::1", "no address"):
        found = database.lookup(ip)
        assert found.country is None
        assert found.build == database.build
        assert found.build is not None


def test_a_database_of_ipv4_only(tmp_path: Path) -> None:
    path = tmp_path / "country.mmdb"
    write(path, {"192.0.2.0/24": "DE"}, version=4)
    database = GeoIP(path)
    assert database.lookup("192.0.2.1").country == "DE"
    assert database.lookup("2001:db8::1") == (None, database.build)


def test_without_a_database_all_is_unknown(tmp_path: Path) -> None:
    assert GeoIP(None).lookup("192.0.2.7") == UNKNOWN
    assert GeoIP(tmp_path / "missing.mmdb").lookup("192.0.2.7") == UNKNOWN


def test_a_new_file_is_used_and_a_broken_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "country.mmdb"
    database = GeoIP(path)
    assert database.lookup("192.0.2.1") == UNKNOWN
    write(path, {"192.0.2.0/24": "DE"})
    assert database.lookup("192.0.2.1").country == "DE"
    write(path, {"192.0.2.0/24": "FR"})
    assert database.lookup("192.0.2.1").country == "FR"
    path.write_bytes(b"no database")
    assert database.lookup("192.0.2.1") == UNKNOWN
    write(path, {"192.0.2.0/24": "NL"}, kind="GeoLite2-ASN")
    assert database.lookup("192.0.2.1") == UNKNOWN
    write(path, {"192.0.2.0/24": "NL"})
    assert database.lookup("192.0.2.1").country == "NL"
    path.unlink()
    assert database.lookup("192.0.2.1") == UNKNOWN


def test_a_file_cut_short_in_place_does_not_kill_the_process(tmp_path: Path) -> None:
    path = tmp_path / "country.mmdb"
    write(path, {f"10.{number}.0.0/16": "DE" for number in range(250)})
    database = GeoIP(path)
    assert database.lookup("10.1.0.1").country == "DE"
    reader = database._reader
    assert reader is not None
    os.truncate(path, 0)
    # Through the mapping that is open, as a lookup within the same second does.
    assert reader.country("10.2.0.1").country.iso_code == "DE"
    assert database.lookup("10.2.0.1") == UNKNOWN


def test_remembers_a_bounded_number_of_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geoip, "REMEMBERED", 10)
    path = tmp_path / "country.mmdb"
    write(path, {"10.0.0.0/8": "DE"})
    database = GeoIP(path)
    assert {database.lookup(f"10.0.0.{number}").country for number in range(200)} == {"DE"}
    assert len(database._remembered) == 10
