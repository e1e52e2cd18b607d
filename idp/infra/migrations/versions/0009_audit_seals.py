"""The audit log's chain: seals, marks, heads; and rows that nobody updates."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_NEVER_CHANGED = ("audit_events", "audit_seals", "audit_heads")


def upgrade() -> None:
    """Forward only; what still runs of the version before goes on as if nothing were new."""
    op.create_table(
        "audit_seals",
        sa.Column("number", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("first_id", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("newest_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rows_hash", sa.String(length=64), nullable=False),
        sa.Column("marks_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_seals")),
    )
    op.create_index(op.f("ix_audit_seals_sealed_at"), "audit_seals", ["sealed_at"])
    op.create_table(
        "audit_marks",
        sa.Column("seal", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("marks", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seal", name=op.f("pk_audit_marks")),
    )
    op.create_table(
        "audit_heads",
        sa.Column("number", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("seal", sa.BigInteger(), nullable=False),
        sa.Column("jws", sa.Text(), nullable=False),
        sa.Column("public_jwk", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_heads")),
    )
    if op.get_bind().dialect.name == "sqlite":
        # SQLite learns only with a new table not to give the id of a removed row again.
        with op.batch_alter_table(
            "audit_events", recreate="always", table_kwargs={"sqlite_autoincrement": True}
        ):
            pass
        return
    op.execute(
        "CREATE FUNCTION audit_is_never_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'the audit log is never changed'"
        " USING ERRCODE = 'insufficient_privilege'; END $$"
    )
    for table in _NEVER_CHANGED:
        op.execute(
            f"CREATE TRIGGER {table}_never_changed BEFORE UPDATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION audit_is_never_changed()"
        )
