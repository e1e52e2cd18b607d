"""The import of the directory, and the operator's look at one dossier.

The whole file is one transaction, and every statement works on all of its rows::

    file --read_row--> STAGED --match--> MATCHED --writes--> dossiers, accounts
               |                 |
            faults            summary: where a dry run, or a refused file, ends

``directory_read`` is the file, ``directory_stage`` the first table, ``directory_apply`` the second
and the statements. What a row may change, and what it may not, is ADR 0010.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import replace
from datetime import datetime
from datetime import timedelta

from sqlalchemy import false
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import update

from idp import IdpError
from idp import StoreUnavailable
from idp.audit import Actor
from idp.audit import AuditLog
from idp.audit import Event
from idp.identity.contact import NEW_ADDRESS_WAIT
from idp.identity.directory import Fault
from idp.identity.directory import RefusedRow
from idp.identity.directory import RowRules
from idp.identity.directory import read_row
from idp.identity.dossier import NumeroPatterns
from idp.infra import directory_apply as apply
from idp.infra import directory_stage as stage
from idp.infra.directory_read import Line
from idp.infra.mail_mix import store_mail_mixes
from idp.infra.registry import raise_version
from idp.infra.sql import Database
from idp.session import EndsSessions

SIGN_IN_MEMORY = timedelta(hours=24)
"""A dossier closed earlier has its sessions ended again if it signed in this recently."""

_POSTGRES_SETTINGS = (
    "statement_timeout = '30min'",
    "lock_timeout = '15s'",
    # A planner that was told of an empty table believes so while we fill it, and would scan it
    # once a row: an hour. A hash join is never far from the best for a whole file.
    "enable_nestloop = off",
)
_ADVISORY_LOCK = 0x1D9_0010  # any number that nothing else in this database locks
_ORDINALS = ("first", "second", "third", "fourth", "fifth")
_CARDINALS = ("none", "one", "two", "three", "four", "five")

OnFault = Callable[[int, Fault], None]


class ImportRunning(IdpError):
    """Another import is at work on this database."""

    code = "import_running"


class SessionsLeftOpen(IdpError):
    """All is written, but Redis went away before the last sessions were ended."""

    code = "sessions_left_open"


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import did, or would do where ``written`` is False.

    Attributes:
        unchanged: good rows that say what was known already.
        closed: active dossiers that the file closes or tells deceased.
        qualite_changed: new rows whose number and person stand under the other qualité.
        emails_kept: confirmed addresses that differ from the file's.
        sessions_ended: SSO sessions that were open.
    """

    new: int
    changed: int
    unchanged: int
    refused: int
    closed: int
    qualite_changed: int
    emails_kept: int
    sessions_ended: int = 0
    written: bool = False

    @property
    def rows(self) -> int:
        """Every row of the file."""
        return self.new + self.changed + self.unchanged + self.refused


@dataclass(frozen=True, slots=True)
class DirectoryImport:
    """The import, given the stores and the clock it needs."""

    database: Database
    sessions: EndsSessions
    audit: AuditLog
    patterns: NumeroPatterns
    now: Callable[[], datetime]

    def run(
        self,
        lines: Iterable[Line],
        *,
        on_fault: OnFault,
        actor: Actor,
        keep_going: bool = False,
        dry_run: bool = False,
    ) -> ImportSummary:
        """Import the file in one transaction; needs an application context.

        Args:
            lines: the file (``directory_read.read``), taken once.
            on_fault: told each fault with its line as it is found; then doubles, then the
                addresses that are kept, which refuse no row.
            actor: for the audit log.
            keep_going: write the good rows of a file that has bad ones.
            dry_run: find and count everything, write nothing.

        Raises:
            UnreadableExport: nothing was written.
            ImportRunning: nothing was written.
            StoreUnavailable: nothing was written.
            SessionsLeftOpen: all was written; the same import again ends the sessions.
        """
        now = self.now()
        with self.database.transaction(unhurried=True):
            if not self.database.is_sqlite:
                for setting in _POSTGRES_SETTINGS:
                    self.database.execute(text(f"SET LOCAL {setting}"))
            unreadable = self._stage(lines, now, on_fault)
            if not dry_run:
                self._take_turn()
            summary = self._match(unreadable)
            for line in self.database.execute(apply.emails_kept()).scalars():
                on_fault(line, Fault("email", "differs from the confirmed one", "kept"))
            if dry_run or (summary.refused and not keep_going):
                return summary
            ending = list(
                self.database.execute(apply.accounts_to_end(now - SIGN_IN_MEMORY)).scalars()
            )
            # Before the first write: if Redis is away, the file is refused whole.
            ended = self._end_sessions(ending)
            self._record_ended(actor)
            for statement in apply.writes(now):
                self.database.execute(statement)
            mixed = store_mail_mixes(self.database, stood_since=now - NEW_ADDRESS_WAIT)
            if mixed or summary.new or summary.changed:
                raise_version(self.database)  # every process takes the mixes of decoys again
            summary = replace(summary, written=True, sessions_ended=ended)
            counts = {name: n for name, n in asdict(summary).items() if name != "written"}
            self.audit.record(Event.DIRECTORY_IMPORTED, actor=actor, detail=counts)
        try:
            # And after: someone may have signed in before the commit shut the door.
            with self.database.transaction():
                ended += self._end_sessions(ending)
        except StoreUnavailable as error:
            message = f"all was written, but sessions may be open: import it again ({error})"
            raise SessionsLeftOpen(message) from None
        return replace(summary, sessions_ended=ended)

    def _stage(self, lines: Iterable[Line], now: datetime, on_fault: OnFault) -> int:
        rules = RowRules(self.patterns, now)
        unreadable = 0

        def rows() -> Iterator[stage.StagedRow]:
            nonlocal unreadable
            for line in lines:
                row = (
                    RefusedRow((line.values,))
                    if isinstance(line.values, Fault)
                    else read_row(line.values, rules)
                )
                if isinstance(row, RefusedRow):
                    for fault in row.faults:
                        on_fault(line.number, fault)
                staged = stage.staged_row(line.number, row)
                if staged is None:
                    unreadable += 1
                else:
                    yield staged

        stage.create(self.database, stage.STAGED, stage.DOUBLES, apply.MATCHED)
        stage.fill(self.database, rows())
        for double in stage.refuse_doubles(self.database):
            on_fault(double.line, _double_fault(double))
        return unreadable

    def _take_turn(self) -> None:
        if self.database.is_sqlite:
            # The write lock, before the first look at what will be written: SQLite would refuse
            # to turn an older view into a newer one.
            nothing = update(stage.DOSSIERS).where(false())
            self.database.execute(nothing.values(status=stage.DOSSIERS.c.status))
            return
        turn = self.database.execute(text(f"SELECT pg_try_advisory_xact_lock({_ADVISORY_LOCK})"))
        if not turn.scalar_one():
            raise ImportRunning("another import is running on this database: nothing was written")

    def _match(self, unreadable: int) -> ImportSummary:
        self.database.execute(apply.match())
        stage.analyze(self.database, apply.MATCHED)
        found = self.database.execute(apply.counts()).one()
        moved = self.database.execute(select(func.count()).select_from(apply.moved().subquery()))
        return ImportSummary(
            new=found.new,
            changed=found.changed,
            unchanged=found.unchanged,
            refused=found.refused + unreadable,
            closed=found.closed,
            qualite_changed=moved.scalar_one(),
            emails_kept=found.emails_kept,
        )

    def _record_ended(self, actor: Actor) -> None:
        # Read before the writes, which change what a moved account is told by.
        # A page at a time: a file may close most of the directory.
        rows = self.database.execute(apply.causes().execution_options(yield_per=1000))
        for row in rows:
            self.audit.record(
                Event.SESSIONS_ENDED,
                account_id=row.account_id,
                actor=actor,
                detail={"cause": row.cause},
            )

    def _end_sessions(self, account_ids: list[str]) -> int:
        return sum(self.sessions.end_all(account_id).alive for account_id in account_ids)


def _double_fault(double: stage.Double) -> Fault:
    nth = _ORDINALS[double.nth - 1] if double.nth <= len(_ORDINALS) else f"no. {double.nth}"
    of = _CARDINALS[double.of] if double.of < len(_CARDINALS) else str(double.of)
    found = f"{nth} of {of} rows with the same qualite and numero_dossier"
    return Fault("numero_dossier", found, "one row each expected")
