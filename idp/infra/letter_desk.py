"""What SQL knows of letters: those printed and not used, and how many wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_
from sqlalchemy import exists
from sqlalchemy import func
from sqlalchemy import or_
from sqlalchemy import select

from idp.identity.dossier import DossierStatus
from idp.identity.outbox import Kind
from idp.identity.outbox import Promise
from idp.identity.temporary_password import Channel
from idp.infra.outbox import promise_of
from idp.infra.sql import Database
from idp.infra.tables import AccountRow
from idp.infra.tables import DossierRow
from idp.infra.tables import OutboxRow
from idp.promise import UNFINISHED
from idp.promise import PromiseState

_LETTERS = OutboxRow.channel == str(Channel.LETTER)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Letters in one state of the outbox, decoys among them; ``oldest`` is when it was promised."""

    letters: int
    oldest: datetime


class SqlLetterDesk:
    """The port ``PrintedLetters``, and the counts of ``idp letters list``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unused(self, *, since: datetime, batch: str = "") -> Sequence[Promise]:
        """The newest letter with a secret of each account that has not used it."""
        other = OutboxRow.__table__.alias("other")
        newer_or_waiting = exists().where(
            other.c.account_id == OutboxRow.account_id,
            other.c.channel == str(Channel.LETTER),
            other.c.kind == str(Kind.TEMPORARY_PASSWORD),
            or_(
                other.c.state.in_([str(state) for state in UNFINISHED]),
                and_(other.c.state == str(PromiseState.DONE), other.c.id > OutboxRow.id),
            ),
        )
        wanted = (
            select(OutboxRow.__table__)
            .join(AccountRow, AccountRow.id == OutboxRow.account_id)
            .join(DossierRow, DossierRow.id == AccountRow.dossier_id)
            .where(
                _LETTERS,
                OutboxRow.kind == str(Kind.TEMPORARY_PASSWORD),
                OutboxRow.state == str(PromiseState.DONE),
                OutboxRow.done_at >= since,
                OutboxRow.credential_version == AccountRow.credential_version,
                DossierRow.status == str(DossierStatus.ACTIVE),
                ~newer_or_waiting,
            )
            .order_by(OutboxRow.id)
        )
        if batch:
            wanted = wanted.where(OutboxRow.batch == batch)
        return [promise_of(row) for row in self._database.execute(wanted)]

    def waiting(self) -> dict[PromiseState, Waiting]:
        """Count the letters that nobody has printed, by state."""
        counted = (
            select(
                OutboxRow.state,
                func.count().label("letters"),
                func.min(OutboxRow.created_at).label("oldest"),
            )
            .where(_LETTERS, OutboxRow.state.in_([str(state) for state in UNFINISHED]))
            .group_by(OutboxRow.state)
        )
        rows = self._database.execute(counted)
        return {PromiseState(row.state): Waiting(row.letters, row.oldest) for row in rows}
