"""Sign-in with a dossier number and a password.

One verification an attempt, whatever is wrong: a known account verifies its hash; an unknown
number, a closed dossier or an account without a password verifies a decoy. One refusal, whatever
the cause, which goes to the audit log only.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from datetime import timedelta
from enum import StrEnum
from typing import NoReturn

from idp import Busy
from idp import IdpError
from idp import StoreUnavailable
from idp.audit import Actor
from idp.audit import AuditLog
from idp.audit import Event
from idp.identity.account import Account
from idp.identity.account import Accounts
from idp.identity.account import Protection
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.hash_pool import HashPool
from idp.identity.notices import Notices
from idp.identity.outbox import Kind
from idp.identity.outbox import Outbox
from idp.identity.password import PASSWORD_LIMIT
from idp.identity.password import PasswordHash
from idp.identity.password import Passwords
from idp.identity.password import PasswordTooLong
from idp.identity.reset_quotas import ResetQuotas
from idp.identity.temporary_password import LEASE
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import State
from idp.identity.temporary_password import TemporaryPassword
from idp.identity.temporary_password import TemporaryPasswords
from idp.identity.temporary_password import channel_of
from idp.identity.temporary_password import fold
from idp.identity.temporary_password import has_shape
from idp.limits import DAY
from idp.limits import Attempts
from idp.limits import Once
from idp.limits import Origin
from idp.limits import Reservation
from idp.limits import SignInDelayed
from idp.session import SignedIn
from idp.session import new_session_token
from idp.session import session_key

ACR_PASSWORD = "urn:carpimko:acr:mot-de-passe"  # noqa: S105 - the name of a level
ACR_VALUES = (ACR_PASSWORD,)
"""Every level that a sign-in can reach: what is announced, and all that a service may insist on."""

AMR_PASSWORD = ("pwd",)
FAILURES_TOLD = 10
"""From so many failures in a row on, the member is written to, once a day."""


class Cause(StrEnum):
    """Why a sign-in was refused: for the audit log, never for a page."""

    UNKNOWN_DOSSIER = "unknown_dossier"
    NOT_ACTIVE = "dossier_not_active"
    FROZEN = "frozen"
    NO_PASSWORD = "no_password"  # noqa: S105 - a cause
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a cause
    MUST_RESET = "must_reset"
    CHANGED_MEANWHILE = "changed_meanwhile"
    NO_TEMPORARY = "no_temporary"
    WRONG_TEMPORARY = "wrong_temporary"


class SignInRefused(IdpError):
    """The one refusal.

    Attributes:
        wait: how long this account must now wait, zero for most.
        slip: what was typed has the shape of a temporary password and not its check symbol.
    """

    code = "sign_in_refused"

    def __init__(self, wait: timedelta, *, slip: bool = False) -> None:
        super().__init__("sign-in refused")
        self.wait = wait
        self.slip = slip


@dataclass(frozen=True, slots=True)
class MustChoosePassword:
    """A temporary password was right: it opens the choice of a new one and nothing else.

    ``token`` proves the lease; the store knows its hash (``session_key``), and until when.
    """

    account_id: str
    channel: Channel
    token: str

    def __repr__(self) -> str:
        return f"MustChoosePassword({self.account_id}, {self.channel})"


def subject_of(decoy_key: bytes, qualite: Qualite, numero: NumeroDossier) -> str:
    """Name what was typed, known or not, in counters and decoys, without keeping the number."""
    typed = f"subject:{qualite}:{numero.value}".encode()
    return hmac.digest(decoy_key, typed, "sha256").hex()[:32]


def browser_key(browser: str) -> str:
    """Name a browser in a counter, without keeping what its cookie holds."""
    named = b"browser:" + browser.encode("utf-8", "surrogatepass")
    return hashlib.sha256(named).hexdigest()[:32] if browser else "none"


@dataclass(frozen=True, slots=True)
class _Typed:
    """A temporary password as typed, and from where."""

    folded: str = field(repr=False)
    channel: Channel
    network: str
    browser: str


@dataclass(frozen=True, slots=True)
class SignIn:
    """The sign-in use case, given its stores, the hash pool and the clock.

    Attributes:
        redesign_at: an account last used before this instant must reset its password
            (product.md, March 2021).
        notices: tell of a sign-in from a browser that the account does not know, beside others
            that it knows; None for an installation that does not.
    """

    accounts: Accounts
    attempts: Attempts
    temporaries: TemporaryPasswords
    passwords: Passwords
    pool: HashPool
    quotas: ResetQuotas
    outbox: Outbox
    once: Once
    notices: Notices | None
    audit: AuditLog
    decoy_key: bytes = field(repr=False)
    redesign_at: datetime
    now: Callable[[], datetime]

    def with_password(
        self,
        qualite: Qualite,
        numero: NumeroDossier,
        clear: str,
        *,
        origin: Origin,
        device: str,
        browser: str,
        actor: Actor,
    ) -> SignedIn | MustChoosePassword:
        """Verify a password once and tell who signed in, or must now choose a password.

        Args:
            qualite: the box that was ticked.
            numero: the number that was typed, in canonical form.
            clear: the password as typed.
            origin: the network, and the device identifier the browser proved to have, if any.
            device: the identifier under which a success makes this browser known.
            browser: the browser's name for itself.
            actor: for the audit log.

        Raises:
            PasswordTooLong: told as such; nothing was counted.
            SignInDelayed: a limit holds the account or the network back; nothing was verified.
            SignInRefused: anything that does not fit, one error for all causes.
            Busy, StoreUnavailable: no verdict; the try was not counted.
        """
        if len(clear) > PASSWORD_LIMIT:
            raise PasswordTooLong
        subject = subject_of(self.decoy_key, qualite, numero)
        channel = channel_of(clear)
        try:
            reservation = self.attempts.reserve(subject, origin, temporary=channel is not None)
        except SignInDelayed as delayed:
            if delayed.first:
                self.audit.record(
                    Event.SIGN_IN_DELAYED,
                    actor=actor,
                    detail={"subject": subject, "held_by": delayed.held_by},
                )
            raise
        try:
            account = self.accounts.find(qualite, numero)
            if channel is not None:
                typed = _Typed(fold(clear), channel, origin.network, browser_key(browser))
                return self._open_temporary(account, typed, reservation, actor)
            cause, replacement = self._judge(account, subject, qualite, clear)
            if account is not None and cause is None:
                cause = self._note(account, replacement)
        except (Busy, StoreUnavailable):
            self.attempts.release(reservation)
            raise
        if account is None or cause is not None:
            self._record_refusal(account, cause, subject, reservation, actor)
            raise SignInRefused(reservation.wait, slip=has_shape(clear))
        self.attempts.succeeded(reservation, device=device)
        self.audit.record(
            Event.SIGN_IN_SUCCEEDED,
            account_id=account.id,
            actor=actor,
            detail={"known_device": int(reservation.known_device)},
        )
        if reservation.others_known and self.notices is not None:
            # Not of the first browser of all: the first day would write to everybody.
            version = account.credential_version
            self.notices.tell(Kind.NEW_BROWSER, account.id, version=version)
        return SignedIn(account.id, account.credential_version, AMR_PASSWORD, ACR_PASSWORD)

    def takes_password(self, qualite: Qualite, numero: NumeroDossier) -> bool:
        """Tell whether a password opens an account: whoever came otherwise may have none.

        Or one that waits for its reset. Raises StoreUnavailable.
        """
        account = self.accounts.find(qualite, numero)
        return account is not None and not account.must_reset(self.redesign_at)

    def _open_temporary(
        self, account: Account | None, typed: "_Typed", reservation: Reservation, actor: Actor
    ) -> MustChoosePassword:
        """Verify once against the temporary password of the channel, or a decoy of its cost."""
        usable = account is not None and account.dossier_status is DossierStatus.ACTIVE
        if account is not None and account.protection is Protection.FROZEN:
            # None can have been drawn since; a letter goes to the directory's address alone.
            usable = usable and typed.channel is Channel.LETTER
        found = self.temporaries.reserve_try(
            account.id if account is not None and usable else reservation.subject,
            typed.channel,
            version=account.credential_version if account is not None else 0,
            network=typed.network,
            browser=typed.browser,
        )
        own = found.hash if found is not None else None
        stored = own or self.passwords.temporary_decoy()
        try:
            right = self.pool.run(lambda: self.passwords.verify(stored, typed.folded))
        except Busy:
            if found is not None:
                self.temporaries.release(found, network=typed.network, browser=typed.browser)
            raise
        if account is None or found is None or own is None or not right:
            cause = Cause.WRONG_TEMPORARY if own is not None else Cause.NO_TEMPORARY
            self._refuse_temporary(account, found, typed, cause, reservation, actor)
        token = new_session_token()
        try:
            opened = self.temporaries.open(
                found,
                network=typed.network,
                browser=typed.browser,
                holder=session_key(token),
                until=self.now() + LEASE,
            )
        except StoreUnavailable:
            # A store that stumbles must not lock out who typed the right secret.
            self.temporaries.release(found, network=typed.network, browser=typed.browser)
            raise
        if not opened:
            changed = Cause.CHANGED_MEANWHILE
            self._refuse_temporary(account, found, typed, changed, reservation, actor)
        # The row of failures stays: only the new password lifts a waiting time.
        self.attempts.release(reservation)
        self.audit.record(
            Event.TEMPORARY_OPENED,
            account_id=account.id,
            actor=actor,
            detail={"channel": typed.channel},
        )
        return MustChoosePassword(account.id, typed.channel, token)

    def _refuse_temporary(
        self,
        account: Account | None,
        found: TemporaryPassword | None,
        typed: "_Typed",
        cause: Cause,
        reservation: Reservation,
        actor: Actor,
    ) -> NoReturn:
        if typed.channel is Channel.LETTER:
            # Of everybody: a letter that only a real secret's lock freed would tell who has one.
            self.quotas.letter_refused(
                reservation.subject, network=typed.network, browser=typed.browser
            )
        locked = found is not None and found.state is State.LOCKED
        self.audit.record(
            Event.TEMPORARY_LOCKED if locked else Event.TEMPORARY_REFUSED,
            account_id=account.id if account else None,
            actor=actor,
            detail={"subject": reservation.subject, "cause": cause},
        )
        raise SignInRefused(timedelta(0))

    def _judge(
        self, account: Account | None, subject: str, qualite: Qualite, clear: str
    ) -> tuple[Cause | None, PasswordHash | None]:
        """Verify once; give the cause of a refusal, or the hash to put for an outdated one."""
        usable = account is not None and account.dossier_status is DossierStatus.ACTIVE
        own = account.password if account is not None and usable else None
        decoy = self.passwords.decoy(subject, qualite)  # made for everyone: its time tells nothing
        stored = own or decoy
        # An outdated hash is replaced in the same turn of the pool, and only for who signs in: a
        # refusal that took longer would tell that the password was right.
        must_reset = account is not None and account.must_reset(self.redesign_at)
        frozen = account is not None and account.protection is not Protection.NONE
        renew = own is not None and not must_reset and not frozen
        right, replacement = self.pool.run(lambda: self._verify(stored, clear, renew=renew))
        if account is None:
            return Cause.UNKNOWN_DOSSIER, None
        if not usable:
            return Cause.NOT_ACTIVE, None
        if own is None:
            return Cause.NO_PASSWORD, None
        if not right:
            return Cause.WRONG_PASSWORD, None
        if frozen:
            return Cause.FROZEN, None
        if must_reset:
            return Cause.MUST_RESET, None
        return None, replacement

    def _note(self, account: Account, replacement: PasswordHash | None) -> Cause | None:
        """Note the sign-in; give the cause of a refusal when the account changed meanwhile."""
        at = self.now()
        kept = self.accounts.signed_in(account, at=at, replacement=replacement)
        return None if kept else Cause.CHANGED_MEANWHILE

    def _verify(
        self, stored: PasswordHash, clear: str, *, renew: bool
    ) -> tuple[bool, PasswordHash | None]:
        right = self.passwords.verify(stored, clear)
        if right and renew and self.passwords.outdated(stored):
            return True, self.passwords.hash(clear)
        return right, None

    def _record_refusal(
        self,
        account: Account | None,
        cause: Cause | None,
        subject: str,
        reservation: Reservation,
        actor: Actor,
    ) -> None:
        self.audit.record(
            Event.SIGN_IN_REFUSED,
            account_id=account.id if account else None,
            actor=actor,
            detail={
                "subject": subject,
                "cause": cause or Cause.UNKNOWN_DOSSIER,
                "streak": reservation.streak,
                "known_device": int(reservation.known_device),
            },
        )
        if reservation.streak >= FAILURES_TOLD:
            self._tell_of_failures(account, reservation.subject)

    def _tell_of_failures(self, account: Account | None, subject: str) -> None:
        """Promise the mail that tells of failures, once a day; for an unknown number a decoy."""
        name = f"failures-told:{subject}"
        if self.once.take(name, "1", lifetime=DAY) is not None:
            return
        try:
            self.outbox.add(
                Kind.SIGN_IN_FAILURES,
                Channel.MAIL,
                account_id=account.id if account is not None else None,
                credential_version=account.credential_version if account is not None else 0,
            )
        except StoreUnavailable:
            self.once.give_back(name)
            raise
