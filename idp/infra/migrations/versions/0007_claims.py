"""The claims that were asked for by name, kept with a refresh family."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only; the default serves families that are there, and processes that still run."""
    for name in ("userinfo_claims", "id_token_claims"):
        op.add_column(
            "refresh_families", sa.Column(name, sa.Text(), nullable=False, server_default="")
        )
