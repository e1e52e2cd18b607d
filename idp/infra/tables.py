"""The SQL schema: rows only. Alembic's ``migrations/`` builds it, a test compares the two."""

from datetime import UTC
from datetime import date
from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlalchemy import BigInteger
from sqlalchemy import Date
from sqlalchemy import DateTime
from sqlalchemy import Dialect
from sqlalchemy import ForeignKey
from sqlalchemy import Index
from sqlalchemy import Integer
from sqlalchemy import LargeBinary
from sqlalchemy import MetaData
from sqlalchemy import Row
from sqlalchemy import SmallInteger
from sqlalchemy import String
from sqlalchemy import Text
from sqlalchemy import TypeDecorator
from sqlalchemy import UniqueConstraint
from sqlalchemy import text
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

RowId = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers only INTEGER keys by itself


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant on both stores: SQLite would hand back a naive one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Refuse a naive instant, store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = "an instant without a time zone"
            raise ValueError(message)
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Give back UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Constraint names are fixed so that migrations can name them on both stores."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class DossierRow(Base):
    """One dossier of the directory; written by the import alone."""

    __tablename__ = "dossiers"
    __table_args__ = (UniqueConstraint("qualite", "numero_dossier"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    qualite: Mapped[str] = mapped_column(String(16))
    numero_dossier: Mapped[str] = mapped_column(String(32))
    family_name: Mapped[str] = mapped_column(Text)
    usage_name: Mapped[str] = mapped_column(Text, default="")
    given_names: Mapped[str] = mapped_column(Text, default="")
    gender: Mapped[str] = mapped_column(String(8), default="")
    birthdate: Mapped[str] = mapped_column(String(10), default="", index=True)
    """Indexed: by it are found the dossiers that may equal a pivot identity."""
    birthplace: Mapped[str] = mapped_column(String(5), default="")
    birthcountry: Mapped[str] = mapped_column(String(5), default="")
    email: Mapped[str] = mapped_column(Text, default="")
    phone: Mapped[str] = mapped_column(Text, default="")
    address_1: Mapped[str] = mapped_column(Text, default="")
    address_2: Mapped[str] = mapped_column(Text, default="")
    address_3: Mapped[str] = mapped_column(Text, default="")
    address_4: Mapped[str] = mapped_column(Text, default="")
    address_5: Mapped[str] = mapped_column(Text, default="")
    address_6: Mapped[str] = mapped_column(Text, default="")
    situations: Mapped[str] = mapped_column(Text, default="")
    """Separated by ``|``, in the order of the export."""
    profession: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[str] = mapped_column(String(16), default="active")
    fingerprint: Mapped[str] = mapped_column(String(43), default="")
    """SHA-256, base64url, of the row as imported: tells a changed row from an unchanged one."""
    updated_at: Mapped[datetime] = mapped_column(Instant)


def address_of(row: Row[Any]) -> tuple[str, str, str, str, str, str]:  # Any: one row's columns
    """Read the six postal lines of a dossier."""
    return (
        row.address_1,
        row.address_2,
        row.address_3,
        row.address_4,
        row.address_5,
        row.address_6,
    )


class AccountRow(Base):
    """What the holder set here. One row a dossier, made with it."""

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    """128 random bits, base64url. Never the dossier number, never reused."""
    dossier_id: Mapped[int] = mapped_column(
        ForeignKey("dossiers.id", ondelete="CASCADE"), unique=True
    )
    password_hash: Mapped[str | None] = mapped_column(Text)
    password_scheme: Mapped[str | None] = mapped_column(String(64), index=True)
    """Scheme and cost in one word (``identity/password``): decoys follow the directory's mix."""
    credential_version: Mapped[int] = mapped_column(Integer, default=0)
    last_sign_in_at: Mapped[datetime | None] = mapped_column(Instant)
    email: Mapped[str | None] = mapped_column(Text)
    """An address confirmed here; it outranks the one of the import."""
    email_confirmed_at: Mapped[datetime | None] = mapped_column(Instant)
    former_email: Mapped[str | None] = mapped_column(Text)
    """The one that ``email`` replaced: it receives resets until the new one has stood its time."""
    protection: Mapped[str] = mapped_column(String(16), default="none", server_default="none")
    """``identity/account.Protection``: a frozen account opens by a letter only."""
    created_at: Mapped[datetime] = mapped_column(Instant)


class MailMixRow(Base):
    """The mix of one qualité's mail addresses, which decoys follow; each import counts it again."""

    __tablename__ = "mail_mixes"

    qualite: Mapped[str] = mapped_column(String(16), primary_key=True)
    mix: Mapped[dict[str, Any]] = mapped_column(JSON)  # Any: the fields of a MailMix
    """Counts of masked fragments (``g*****.com``): no address, and none to be made of them."""


class ClientRow(Base):
    """A relying service: its registration as RFC 7591 metadata."""

    __tablename__ = "clients"

    client_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    metadata_json: Mapped[dict[str, object]] = mapped_column("metadata", JSON)
    created_at: Mapped[datetime] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant)


class ClientSecretRow(Base):
    """A client secret, as its SHA-256: 256 random bits need no slow hash."""

    __tablename__ = "client_secrets"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    client_id: Mapped[str] = mapped_column(
        ForeignKey("clients.client_id", ondelete="CASCADE"), index=True
    )
    secret_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Instant)


class RegistryVersionRow(Base):
    """One number that rises with each change of the clients: a process knows its copy is stale."""

    __tablename__ = "registry_version"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    version: Mapped[int] = mapped_column(Integer)


class AuditRow(Base):
    """One audit event; never changed, removed only by age."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_account_id_at", "account_id", "at"),
        # The id of a removed row is in a seal: SQLite would give it again.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant, index=True)
    event: Mapped[str] = mapped_column(String(64))
    account_id: Mapped[str | None] = mapped_column(String(22))
    client_id: Mapped[str | None] = mapped_column(String(128))
    network: Mapped[str] = mapped_column(String(64), default="")
    operator: Mapped[str] = mapped_column(String(64), default="")
    request_id: Mapped[str] = mapped_column(String(64), default="")
    detail: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)


class AuditSealRow(Base):
    """One seal of the audit log's chain (``idp/audit_chain.py``); never changed, never removed."""

    __tablename__ = "audit_seals"

    number: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=False)
    previous: Mapped[str] = mapped_column(String(64))
    first_id: Mapped[int] = mapped_column(BigInteger)
    last_id: Mapped[int] = mapped_column(BigInteger)
    events: Mapped[int] = mapped_column(Integer)
    newest_at: Mapped[datetime] = mapped_column(Instant)
    sealed_at: Mapped[datetime] = mapped_column(Instant, index=True)
    rows_hash: Mapped[str] = mapped_column(String(64))
    marks_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class AuditMarksRow(Base):
    """Which rows a seal closed; removed with them by age."""

    __tablename__ = "audit_marks"

    seal: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=False)
    marks: Mapped[bytes] = mapped_column(LargeBinary)


class AuditHeadRow(Base):
    """A signed head of the chain, one a day; never changed, never removed."""

    __tablename__ = "audit_heads"

    number: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=False)
    day: Mapped[date] = mapped_column(Date)
    seal: Mapped[int] = mapped_column(BigInteger)
    jws: Mapped[str] = mapped_column(Text)
    public_jwk: Mapped[dict[str, str]] = mapped_column(JSON)


class OutboxRow(Base):
    """One promise. Without foreign key: as with the audit log, it outlives whom it was made to."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_state_channel_due_at", "state", "channel", "due_at", "id"),
        # A session is told of once to a service, however often somebody ends it.
        Index("uq_outbox_client_id_sid", "client_id", "sid", unique=True),
        # A higher number is a newer promise: SQLite would give the number of a removed row again.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    channel: Mapped[str] = mapped_column(String(8))
    account_id: Mapped[str | None] = mapped_column(String(22), index=True)
    credential_version: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[datetime] = mapped_column(Instant)
    due_at: Mapped[datetime] = mapped_column(Instant)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    lease: Mapped[str] = mapped_column(String(22), default="")
    lease_until: Mapped[datetime | None] = mapped_column(Instant)
    message_id: Mapped[str] = mapped_column(String(32))
    fault: Mapped[str] = mapped_column(String(64), default="")
    batch: Mapped[str] = mapped_column(String(64), default="", index=True)
    client_id: Mapped[str | None] = mapped_column(String(128))
    """Of sign-out notices alone; with ``sid`` it names the session that the service knows."""
    sid: Mapped[str | None] = mapped_column(String(43))
    done_at: Mapped[datetime | None] = mapped_column(Instant, index=True)


class RefreshFamilyRow(Base):
    """What a sign-in gave to one service for longer than its session; removed when it ends."""

    __tablename__ = "refresh_families"

    id: Mapped[str] = mapped_column(String(43), primary_key=True)
    """This and each hash: SHA-256, base64url, of what the service holds."""
    client_id: Mapped[str] = mapped_column(
        ForeignKey("clients.client_id", ondelete="CASCADE"), index=True
    )
    account_id: Mapped[str] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), index=True
    )
    credential_version: Mapped[int] = mapped_column(Integer)
    grant_id: Mapped[str] = mapped_column(String(24), unique=True)
    scope: Mapped[str] = mapped_column(Text)
    resources: Mapped[str] = mapped_column(Text, default="", server_default="")
    """The APIs its access tokens are for, between spaces."""
    userinfo_claims: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Claims that were asked for by name, between spaces; so in the next one."""
    id_token_claims: Mapped[str] = mapped_column(Text, default="", server_default="")
    session_key: Mapped[str] = mapped_column(String(43))
    auth_time: Mapped[datetime] = mapped_column(Instant)
    acr: Mapped[str] = mapped_column(Text)
    amr: Mapped[str] = mapped_column(Text)
    token_hash: Mapped[str] = mapped_column(String(43))
    former_hash: Mapped[str] = mapped_column(String(43), default="")
    successor: Mapped[str] = mapped_column(Text, default="")
    """The current token, sealed under a key of the one before: for a retry, or empty."""
    started_at: Mapped[datetime] = mapped_column(Instant)
    rotated_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)
    ends_at: Mapped[datetime] = mapped_column(Instant)


class ConsentRow(Base):
    """One scope that a member granted to a service; no row is ever changed, so none is lost."""

    __tablename__ = "consents"

    account_id: Mapped[str] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True
    )
    client_id: Mapped[str] = mapped_column(
        ForeignKey("clients.client_id", ondelete="CASCADE"), primary_key=True, index=True
    )
    scope: Mapped[str] = mapped_column(String(128), primary_key=True)
    given_at: Mapped[datetime] = mapped_column(Instant)


class FranceConnectLinkRow(Base):
    """A bond between a ``sub`` of FranceConnect and an account; what ended stays as history."""

    __tablename__ = "franceconnect_links"
    __table_args__ = (
        Index(
            "uq_franceconnect_links_account_id",
            "account_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_franceconnect_links_account_id_id", "account_id", "id"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    sub: Mapped[str] = mapped_column(String(255), index=True)
    rule: Mapped[str] = mapped_column(String(8))
    pivot_digest: Mapped[str] = mapped_column(String(64))
    """Keyed hash of the pivot identity that was linked."""
    credential_version: Mapped[int] = mapped_column(Integer)
    """A link by proof is dead under another one than the account's."""
    linked_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    ending: Mapped[str] = mapped_column(String(16), default="", server_default="")
