"""Commands that are done aside, and what the reading ones need."""

from db.migrations.files import run

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run(__file__)
