"""Commands done aside that take long."""

from db.migrations.files import run

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL file beside this one."""
    run(__file__)
