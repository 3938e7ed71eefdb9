"""The country of an address, by a database in GeoLite2's form."""

import tempfile
import time
from collections import OrderedDict
from pathlib import Path
from typing import Final, NamedTuple

import geoip2.database
import maxminddb
from geoip2.errors import AddressNotFoundError

from workers import logs, metrics

CHECK_SECONDS: Final = 1.0
"""How often, at most, the file is looked at for a newer one."""
REMEMBERED: Final = 20_000
"""Addresses whose country is kept: about 4 MB. A lookup takes 11 microseconds, a remembered one 0.3."""


class Lookup(NamedTuple):
    """What the database says. `build` is its build time (seconds since the epoch); None = nothing is known.

    `country` None with a build: the database does not have the address.
    """

    country: str | None
    build: int | None


UNKNOWN: Final = Lookup(None, None)


class GeoIP:
    """Looks countries up; never raises. Not for several threads."""

    def __init__(self, path: Path | None) -> None:
        """With no path everything is unknown. The file may be missing now and come later."""
        self._path = path
        self._reader: geoip2.database.Reader | None = None
        self._absent = UNKNOWN
        self._remembered: OrderedDict[str, Lookup] = OrderedDict()
        self._checked = float("-inf")
        self._stamp: tuple[int, int, int] | None = None
        self._complained = False
        self._log = logs.get(__name__)

    @property
    def build(self) -> int | None:
        """Build time of the database in use (seconds since the epoch); None where there is none."""
        self._check()
        return self._absent.build

    def lookup(self, ip: str) -> Lookup:
        """The country (ISO 3166-1 alpha-2, upper case) of an address, v4 or v6.

        Takes microseconds; once after the file was replaced, as long as reading it does.
        """
        self._check()
        found = self._remembered.get(ip)
        if found is None:
            found = self._find(ip)
            self._remembered[ip] = found
            if len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        result = "unknown" if found.build is None else "absent" if found.country is None else "country"
        metrics.GEOIP_LOOKUPS.labels(result).inc()
        return found

    def close(self) -> None:
        """Let go of the file."""
        self._use(None, None)
        self._path = None

    def _find(self, ip: str) -> Lookup:
        if self._reader is None:
            return UNKNOWN
        try:
            code = self._reader.country(ip).country.iso_code
        except (AddressNotFoundError, ValueError):
            # ValueError: an IPv6 address in a database of IPv4 only. It does not have the address.
            return self._absent
        except maxminddb.InvalidDatabaseError as error:
            self._broken(str(error))
            return UNKNOWN
        return Lookup(code.upper(), self._absent.build) if code else self._absent

    def _check(self) -> None:
        now = time.monotonic()
        if self._path is None or now - self._checked < CHECK_SECONDS:
            return
        self._checked = now
        try:
            status = self._path.stat()
        except OSError as error:
            if self._stamp is not None or not self._complained:
                self._broken(error.strerror or str(error))
            self._stamp = None
            return
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        self._load(self._path)

    def _load(self, path: Path) -> None:
        try:
            reader = _open_copy(path)
        except (OSError, maxminddb.InvalidDatabaseError, ValueError) as error:
            self._broken(str(error))
            return
        metadata = reader.metadata()
        if "Country" not in metadata.database_type:
            reader.close()
            self._broken(f"is a {metadata.database_type} database, not one of countries")
            return
        self._use(reader, metadata.build_epoch)
        self._complained = False
        self._log.info("GeoIP database in use", path=str(path), build=metadata.build_epoch)

    def _broken(self, reason: str) -> None:
        self._complained = True
        metrics.GEOIP_FAILURES.inc()
        self._log.error(
            "GeoIP database cannot be used: countries by address are unknown",
            path=str(self._path),
            reason=reason,
        )
        self._use(None, None)

    def _use(self, reader: geoip2.database.Reader | None, build: int | None) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = reader
        self._absent = Lookup(None, build)
        self._remembered.clear()
        metrics.GEOIP_BUILD.set(build or 0)


def _open_copy(path: Path) -> geoip2.database.Reader:
    # The reader maps its file into memory: were the file itself written over or cut short in place, the
    # process would die of SIGBUS. So it maps a private copy, which has no name once it is open.
    with tempfile.NamedTemporaryFile(suffix=".mmdb") as copy:
        copy.write(path.read_bytes())
        copy.flush()
        return geoip2.database.Reader(copy.name)
