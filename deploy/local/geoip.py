"""A small GeoIP country database in GeoLite2's form: the documentation networks, each in a country."""

import os
from pathlib import Path

from mmdb_writer import MMDBWriter
from netaddr import IPSet

NETWORKS = {
    "192.0.2.0/24": ("DE", "Germany"),
    "198.51.100.0/24": ("FR", "France"),
    "203.0.113.0/24": ("US", "United States"),
    "2001:db8::/32": ("NL", "Netherlands"),
}


def write_country_database(path: Path) -> None:
    """Write the database, stamped with the present time as its build; replaces the file in one step."""
    writer = MMDBWriter(
        ip_version=6,
        ipv4_compatible=True,
        database_type="GeoLite2-Country",
        languages=["en"],
        description="Documentation networks, for demonstrations and tests",
    )
    for network, (code, name) in NETWORKS.items():
        country = {"iso_code": code, "names": {"en": name}}
        writer.insert_network(IPSet([network]), {"country": country, "registered_country": country})
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    writer.to_db_file(str(scratch))
    scratch.replace(path)
