"""The APIs that the access tokens of a refresh family are for."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only; the default serves families that are there, and processes that still run."""
    op.add_column(
        "refresh_families", sa.Column("resources", sa.Text(), nullable=False, server_default="")
    )
