"""Accounts that their member, or the help desk, froze."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only. The version before signs nobody in whose version a freeze has raised.

    It would still take the password: freeze nobody before every node runs this version.
    """
    op.add_column(
        "accounts",
        sa.Column("protection", sa.String(length=16), server_default="none", nullable=False),
    )
