"""The mix of mail addresses, as the import counts it.

Left empty: counting 400,000 rows in a migration would hold every table it has touched. The next
import fills it; until then a page counts for itself, or a built-in mix stands in.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only: a schema goes back by restoring the backup made before."""
    op.create_table(
        "mail_mixes",
        sa.Column("qualite", sa.String(length=16), nullable=False),
        sa.Column("mix", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("qualite", name=op.f("pk_mail_mixes")),
    )
