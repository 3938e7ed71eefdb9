"""Checks that are owed while no GeoIP database can be read."""

from db.migrations.files import run

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run(__file__)
