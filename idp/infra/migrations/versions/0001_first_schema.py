"""The first schema: dossiers, accounts, clients, audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(
    sa.Integer(), "sqlite"
)  # SQLite numbers only INTEGER keys by itself


def upgrade() -> None:
    """Forward only: a schema goes back by restoring the backup made before."""
    op.create_table(
        "audit_events",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=22), nullable=True),
        sa.Column("client_id", sa.String(length=128), nullable=True),
        sa.Column("network", sa.String(length=64), nullable=False),
        sa.Column("operator", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index(
        "ix_audit_events_account_id_at", "audit_events", ["account_id", "at"], unique=False
    )
    op.create_index(op.f("ix_audit_events_at"), "audit_events", ["at"], unique=False)
    op.create_table(
        "clients",
        sa.Column("client_id", sa.String(length=128), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_clients")),
    )
    op.create_table(
        "dossiers",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("qualite", sa.String(length=16), nullable=False),
        sa.Column("numero_dossier", sa.String(length=32), nullable=False),
        sa.Column("family_name", sa.Text(), nullable=False),
        sa.Column("usage_name", sa.Text(), nullable=False),
        sa.Column("given_names", sa.Text(), nullable=False),
        sa.Column("gender", sa.String(length=8), nullable=False),
        sa.Column("birthdate", sa.String(length=10), nullable=False),
        sa.Column("birthplace", sa.String(length=5), nullable=False),
        sa.Column("birthcountry", sa.String(length=5), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("address_1", sa.Text(), nullable=False),
        sa.Column("address_2", sa.Text(), nullable=False),
        sa.Column("address_3", sa.Text(), nullable=False),
        sa.Column("address_4", sa.Text(), nullable=False),
        sa.Column("address_5", sa.Text(), nullable=False),
        sa.Column("address_6", sa.Text(), nullable=False),
        sa.Column("situations", sa.Text(), nullable=False),
        sa.Column("profession", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("fingerprint", sa.String(length=43), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dossiers")),
        sa.UniqueConstraint(
            "qualite", "numero_dossier", name=op.f("uq_dossiers_qualite_numero_dossier")
        ),
    )
    registry_version = op.create_table(
        "registry_version",
        sa.Column("id", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_version")),
    )
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("dossier_id", _ROW_ID, nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("password_scheme", sa.String(length=64), nullable=True),
        sa.Column("credential_version", sa.Integer(), nullable=False),
        sa.Column("last_sign_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("email_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["dossier_id"], ["dossiers.id"], name=op.f("fk_accounts_dossier_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("dossier_id", name=op.f("uq_accounts_dossier_id")),
    )
    op.create_index(
        op.f("ix_accounts_password_scheme"), "accounts", ["password_scheme"], unique=False
    )
    op.create_table(
        "client_secrets",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("client_id", sa.String(length=128), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.client_id"],
            name=op.f("fk_client_secrets_client_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client_secrets")),
    )
    op.create_index(
        op.f("ix_client_secrets_client_id"), "client_secrets", ["client_id"], unique=False
    )
    op.bulk_insert(registry_version, [{"id": 1, "version": 1}])
