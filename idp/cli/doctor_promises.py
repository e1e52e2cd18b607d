"""``idp doctor`` on what was promised: mails, the outbox, the audit log."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

from idp.audit import Event
from idp.audit_walk import head_is_due
from idp.cli.findings import Finding
from idp.cli.findings import Level
from idp.identity.delivery import MailUnreachable
from idp.identity.temporary_password import Channel
from idp.infra.letter_desk import SqlLetterDesk
from idp.infra.mail_text import InvalidSender
from idp.parts import Parts
from idp.promise import PromiseState
from idp.wiring.messages import build_mailer

SEALING_LAG = timedelta(hours=1)
WORKER_LAG = timedelta(minutes=15)
BACKUP_LAG = timedelta(hours=36)
PRINT_LAG = timedelta(days=5)
"""A weekend with a holiday at each end."""


def mail(built: Parts) -> Iterator[Finding]:
    """Whether a mail would leave now."""
    try:
        mailer = build_mailer(built)
    except InvalidSender as error:
        yield Finding(Level.FAIL, "mail", f"{error}; set IDP_MAIL_FROM (and IDP_MAIL_REPLY_TO)")
        return
    if mailer is None:
        yield Finding(Level.WARN, "mail", "IDP_SMTP_HOST is not set: mails wait in the outbox")
        return
    with closing(mailer):
        try:
            yield Finding(Level.OK, "mail", mailer.check())
        except MailUnreachable as away:
            yield Finding(Level.FAIL, "mail", f"{away}; see docs/operate/mail-down.md")


def outbox(built: Parts) -> Iterator[Finding]:
    """Whether promises are kept, by the worker and by the print."""
    now = built.now()
    with built.flask.app_context(), built.database.transaction():
        dead = len(built.outbox.rows(states=(PromiseState.DEAD,), limit=100))
        dead += len(built.logout_notices.rows(states=(PromiseState.DEAD,), limit=100))
        mails = built.outbox.rows(states=(PromiseState.WAITING,), channel=Channel.MAIL, limit=100)
        letters = SqlLetterDesk(built.database).waiting()
    faults = []
    if dead:
        faults.append(f"given up: {dead}; idp outbox list --state dead says why")
    if any(not row.lease and now - row.due_at > WORKER_LAG for row in mails):
        faults.append("mails are due and nobody sends them; is idp worker running?")
    waiting = letters.get(PromiseState.WAITING)
    if waiting is not None and now - waiting.oldest > PRINT_LAG:
        faults.append("letters wait for days; does a timer run idp letters print?")
    if PromiseState.HELD in letters:
        held = letters[PromiseState.HELD].letters
        faults.append(f"letters held by the breaker: {held}; see docs/operate/letters-stuck.md")
    for fault in faults:
        yield Finding(Level.WARN, "outbox", fault)
    if not faults:
        yield Finding(Level.OK, "outbox", "nothing was given up, and nothing is late")


def audit_log(built: Parts) -> Iterator[Finding]:
    """Whether the worker seals the log and signs its head."""
    now = built.now()
    with built.flask.app_context(), built.database.transaction():
        waiting = built.audit_seals.oldest_unsealed_at()
        head = built.audit_seals.newest_head()
        ended = built.audit_seals.last_of((now - timedelta(days=1)).date())
    faults = []
    if waiting is not None and now - waiting > SEALING_LAG:
        what = f"events since {waiting:%Y-%m-%d %H:%M} UTC are not sealed; is idp worker running?"
        faults.append(Finding(Level.WARN, "audit log", what))
    headed = ended is None or (head is not None and head.seal >= ended.number)
    if ended is not None and not headed and head_is_due(ended.day, now):
        what = f"no head was signed of {ended.day}; run idp audit verify, and look at idp worker"
        faults.append(Finding(Level.WARN, "audit log", what))
    yield from faults or [Finding(Level.OK, "audit log", "is sealed, and its head signed")]


def backup(built: Parts) -> Iterator[Finding]:
    """Whether the data of a service that people reach was saved of late."""
    if built.settings.is_loopback:
        return
    with built.flask.app_context(), built.database.transaction():
        made = built.audit.newest_at(Event.BACKUP_MADE, since=built.now() - BACKUP_LAG)
    if made is None:
        what = "no data was saved for 36 hours; does a timer run idp backup data?"
        yield Finding(Level.WARN, "backup", what)
    else:
        yield Finding(Level.OK, "backup", f"made {made:%Y-%m-%d %H:%M} UTC")
