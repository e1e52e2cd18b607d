"""Sign-out notices in the outbox: to which service, and of which session."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward only; mails and letters, and processes that still run, leave both empty."""
    op.add_column("outbox", sa.Column("client_id", sa.String(length=128), nullable=True))
    op.add_column("outbox", sa.Column("sid", sa.String(length=43), nullable=True))
    op.create_index("uq_outbox_client_id_sid", "outbox", ["client_id", "sid"], unique=True)
