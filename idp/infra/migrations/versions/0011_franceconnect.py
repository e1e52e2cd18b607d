"""Which accounts FranceConnect opens, and the index by which dossiers are found for it."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_LIVES = sa.text("ended_at IS NULL")


def upgrade() -> None:
    """Forward only. An import waits while the index is built: a second for 400,000 dossiers.

    Nobody else does, for ``accounts`` is held by the foreign key below alone, for a moment; but for
    who comes from before 0010, which holds it until both are through.
    """
    op.create_index(op.f("ix_dossiers_birthdate"), "dossiers", ["birthdate"])
    op.create_table(
        "franceconnect_links",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("account_id", sa.String(length=22), nullable=False),
        sa.Column("sub", sa.String(length=255), nullable=False),
        sa.Column("rule", sa.String(length=8), nullable=False),
        sa.Column("pivot_digest", sa.String(length=64), nullable=False),
        sa.Column("credential_version", sa.Integer(), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ending", sa.String(length=16), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
            name=op.f("fk_franceconnect_links_account_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_franceconnect_links")),
    )
    op.create_index(
        "uq_franceconnect_links_account_id",
        "franceconnect_links",
        ["account_id"],
        unique=True,
        sqlite_where=_LIVES,
        postgresql_where=_LIVES,
    )
    op.create_index(
        "ix_franceconnect_links_account_id_id", "franceconnect_links", ["account_id", "id"]
    )
    op.create_index(op.f("ix_franceconnect_links_sub"), "franceconnect_links", ["sub"])
