"""A digest of each group's conditions."""

from itertools import groupby

from alembic import op
from sqlalchemy import text

from db.groups import condition_of
from db.migrations.files import run
from rules.normal_form import digest

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_CONDITIONS = """
    SELECT group_id::text, condition_group, type, comparison, value, parameter, include_inactive
    FROM conditions
    ORDER BY group_id, position
"""


def upgrade() -> None:
    """Run the SQL file beside this one, then give each group that is there its digest."""
    run(__file__)
    connection = op.get_bind()
    rows = connection.execute(text(_CONDITIONS)).mappings().all()
    digests = [
        {"group_id": group_id, "digest": digest([condition_of({**row}) for row in of_group])}
        for group_id, of_group in groupby(rows, key=lambda row: row["group_id"])
    ]
    if digests:
        statement = "UPDATE groups SET conditions_digest = :digest WHERE group_id = :group_id"
        connection.execute(text(statement), digests)
