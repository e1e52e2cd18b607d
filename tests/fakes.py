"""Every port in memory, with the contract of the real adapters and a clock that tests move.

The suites of ``tests/contract`` run on these and on the real stores alike, so that a unit test
which passes on a fake says something of production.
"""

import secrets
import threading
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from functools import cache

from idp import StoreUnavailable
from idp.audit import Actor
from idp.audit import Event
from idp.identity.account import Account
from idp.identity.audit_trail import BY_SUBJECT
from idp.identity.audit_trail import BY_SUBJECT_SPAN
from idp.identity.audit_trail import UNTOLD
from idp.identity.audit_trail import PastEvent
from idp.identity.contact import LETTER_ARRIVES
from idp.identity.contact import NEW_ADDRESS_WAIT
from idp.identity.contact import Contact
from idp.identity.contact import MailMix
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.mask import LOCAL_STARS
from idp.identity.mask import mask_email
from idp.identity.password import PasswordHash
from idp.identity.reset_quotas import HOUR
from idp.identity.reset_quotas import LETTERS_WINDOW
from idp.identity.reset_quotas import Quota
from idp.identity.reset_quotas import QuotaPolicy
from idp.identity.reset_quotas import QuotaReached
from idp.identity.temporary_password import REMEMBERED
from idp.identity.temporary_password import REQUEST_LIFETIME
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import State
from idp.identity.temporary_password import TemporaryPassword
from idp.identity.temporary_password import TryPolicy
from idp.limits import DAY
from idp.limits import AttemptPolicy
from idp.limits import HeldBy
from idp.limits import Origin
from idp.limits import Reservation
from idp.limits import SignInDelayed
from idp.limits import TooManyClientFailures
from idp.limits import Waiting
from idp.limits import audited_network
from idp.limits import longest
from idp.oidc.assertions import Assertions
from idp.oidc.authorization import Authorization
from idp.oidc.authorization import CodeReplayed
from idp.oidc.authorization import grant_id_of
from idp.oidc.claims import Subject
from idp.oidc.clients import Client
from idp.oidc.clients import hash_client_secret
from idp.oidc.keys import KeyRing
from idp.oidc.keys import generate
from idp.oidc.service_keys import ServiceKey
from idp.session import Session

Now = Callable[[], datetime]
NOBODY = Actor()


class _Store:
    """One lock a store, and ``away`` for the tests of what happens without it."""

    def __init__(self) -> None:
        self.away = False
        self._lock = threading.RLock()

    def _look(self) -> None:
        if self.away:
            raise StoreUnavailable(type(self).__name__)


def subject(**changes: object) -> Subject:
    """Somebody, as tokens speak of them."""
    values: dict[str, object] = {
        "account_id": "account",
        "credential_version": 3,
        "signs_in": True,
        "qualite": "affilie",
        "numero_dossier": "1234567",
        "situations": ("cotisant",),
        "family_name": "LEFÈVRE",
        "usage_name": "MARTIN",
        "given_names": "Anne Marie Louise",
        "gender": "female",
        "birthdate": "1950-05-12",
        "email": "anne@example.org",
        "email_verified": False,
        "phone": "06 12 34 56 78",
        "address": ("MME ANNE MARTIN", "", "12 RUE DES LILAS", "", "75012 PARIS", ""),
        "updated_at": datetime(2026, 11, 1, tzinfo=UTC),
        **changes,
    }
    return Subject(**values)  # type: ignore[arg-type]


def client(**changes: object) -> Client:
    """A confidential service with the usual registration."""
    values: dict[str, object] = {
        "client_id": "cotisations",
        "client_name": "Mes cotisations",
        "redirect_uris": ("https://cotisations.example/callback",),
        "post_logout_redirect_uris": ("https://cotisations.example/bye",),
        "scope": frozenset({"openid", "profile", "email", "address", "phone", "dossier"}),
        "id_token_signed_response_alg": "ES256",
        "secret_hashes": (hash_client_secret("the secret"),),
        **changes,
    }
    return Client(**values)  # type: ignore[arg-type]


def authorization(**changes: object) -> Authorization:
    """What a sign-in gave to that service."""
    at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    values: dict[str, object] = {
        "client_id": "cotisations",
        "redirect_uri": "https://cotisations.example/callback",
        "scope": ("openid", "dossier"),
        "account_id": "account",
        "credential_version": 3,
        "session_key": "session",
        "session_ends_at": at + timedelta(hours=8),
        "auth_time": at,
        "acr": "urn:example:acr",
        "amr": ("pwd",),
        **changes,
    }
    return Authorization(**values)  # type: ignore[arg-type]


def assertions(issuer: str, *, now: Now) -> Assertions:
    """What reads client assertions, where no service publishes keys anywhere."""
    return Assertions(
        issuer=issuer,
        token_endpoint=f"{issuer}/token",
        fetched=NoFetchedKeys(),
        once=MemoryOnce(now=now),
        now=now,
    )


@cache
def signing_key(alg: str, number: int = 0) -> bytes:
    """The PEM of a key, drawn once for the whole run: RSA keys take their time."""
    return generate(alg)


@dataclass
class DirectoryEntry:
    """A dossier and its account: what the directory's two tables hold of one person."""

    account: Account
    qualite: Qualite
    numero: NumeroDossier
    subject: Subject
    confirmed_email: str = ""
    email_confirmed_at: datetime | None = None
    former_email: str = ""

    def receives(self, stood_since: datetime) -> str:
        """The address that may receive a reset: a new one must have stood its time first."""
        return self.confirmed_email if self.stood(stood_since) else self.former

    @property
    def former(self) -> str:
        """The address that might receive a reset before the newest was recorded."""
        return self.former_email or self.subject.email

    def stood(self, stood_since: datetime) -> bool:
        """Whether the newest address stood its time: without a former one the letter's too."""
        since = stood_since if self.former else stood_since - LETTER_ARRIVES
        return self.email_confirmed_at is not None and self.email_confirmed_at <= since


class MemoryAccounts(_Store):
    """The ports ``Accounts``, ``Subjects`` and ``SchemeMix``."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[str, DirectoryEntry] = {}

    def add(self, entry: DirectoryEntry) -> None:
        """Put somebody into the directory."""
        self.entries[entry.account.id] = entry

    def change(self, account_id: str, **changes: object) -> Account:
        """Change an account as the import or another sign-in would, and give it back."""
        entry = self.entries[account_id]
        entry.account = replace(entry.account, **changes)  # type: ignore[arg-type]
        return entry.account

    def find(self, qualite: Qualite, numero: NumeroDossier) -> Account | None:
        """Read the account of a dossier."""
        self._look()
        for entry in self.entries.values():
            if (entry.qualite, entry.numero) == (qualite, numero):
                return entry.account
        return None

    def signed_in(
        self, account: Account, *, at: datetime, replacement: PasswordHash | None
    ) -> bool:
        """Note a sign-in; False when password, version or status changed meanwhile."""
        self._look()
        with self._lock:
            kept = self.entries[account.id].account
            if kept.credential_version != account.credential_version:
                return False
            if kept.dossier_status is not DossierStatus.ACTIVE:
                return False
            replaced_already = kept.password != account.password
            password = kept.password if replaced_already else replacement or kept.password
            self.change(account.id, last_sign_in_at=at, password=password)
            return True

    def choose_password(
        self, account_id: str, *, version: int, hashed: PasswordHash, at: datetime
    ) -> bool:
        """Put a new password in force; False when somebody was first or the dossier is closed."""
        self._look()
        with self._lock:
            entry = self._active(account_id)
            if entry is None or entry.account.credential_version != version:
                return False
            self.change(
                account_id, password=hashed, credential_version=version + 1, last_sign_in_at=at
            )
            return True

    def record_email(self, account_id: str, address: str, *, at: datetime) -> bool:
        """Note a confirmed address; False when there is no such account that may sign in."""
        self._look()
        with self._lock:
            entry = self._active(account_id)
            if entry is None:
                return False
            if entry.stood(at - NEW_ADDRESS_WAIT):
                entry.former_email = entry.confirmed_email
            entry.confirmed_email, entry.email_confirmed_at = address, at
            return True

    def _active(self, account_id: str) -> DirectoryEntry | None:
        entry = self.entries.get(account_id)
        active = entry is not None and entry.account.dossier_status is DossierStatus.ACTIVE
        return entry if active else None

    def get(self, account_id: str) -> Subject | None:
        """Read the subject of an account."""
        self._look()
        entry = self.entries.get(account_id)
        if entry is None:
            return None
        return replace(
            entry.subject,
            email=entry.confirmed_email or entry.subject.email,
            email_verified=bool(entry.confirmed_email) or entry.subject.email_verified,
            credential_version=entry.account.credential_version,
            signs_in=entry.account.dossier_status is DossierStatus.ACTIVE,
        )

    def scheme_counts(self, qualite: Qualite) -> Mapping[str, int]:
        """Count the accounts of a qualité by password scheme."""
        self._look()
        counts: dict[str, int] = {}
        for entry in self.entries.values():
            if entry.qualite is qualite and entry.account.password is not None:
                scheme = entry.account.password.scheme
                counts[scheme] = counts.get(scheme, 0) + 1
        return counts


class MemoryContacts(_Store):
    """The ports ``Contacts`` and ``MailMixes``, over the entries of ``MemoryAccounts``."""

    def __init__(self, accounts: MemoryAccounts, *, now: Now) -> None:
        super().__init__()
        self._accounts = accounts
        self._now = now

    def find(self, qualite: Qualite, numero: NumeroDossier) -> Contact | None:
        """Read the contact of what was typed."""
        self._look()
        for entry in self._accounts.entries.values():
            if (entry.qualite, entry.numero) == (qualite, numero):
                return self._contact(entry)
        return None

    def get(self, account_id: str) -> Contact | None:
        """Read the contact of an account."""
        self._look()
        entry = self._accounts.entries.get(account_id)
        return None if entry is None else self._contact(entry)

    def mail_mix(self, qualite: Qualite) -> MailMix:
        """Count the fragments of the masks of one qualité."""
        self._look()
        counts: dict[str, dict[str, int]] = {"domain": {}, "first": {}, "last": {}}
        dossiers = having = 0
        for entry in self._accounts.entries.values():
            active = entry.account.dossier_status is DossierStatus.ACTIVE
            if entry.qualite is not qualite or not active:
                continue
            dossiers += 1
            if mask := mask_email(self._receives(entry)):
                having += 1
                local, domain = mask.split("@")
                first, last = local[0], local[1:].removeprefix(LOCAL_STARS)
                for part, shown in (("domain", domain), ("first", first), ("last", last)):
                    counts[part][shown] = counts[part].get(shown, 0) + 1
        return MailMix(
            post_only=1 - having / dossiers if dossiers else 1.0,
            domains=counts["domain"],
            firsts=counts["first"],
            lasts=counts["last"],
        )

    def _receives(self, entry: DirectoryEntry) -> str:
        return entry.receives(self._now() - NEW_ADDRESS_WAIT)

    def _contact(self, entry: DirectoryEntry) -> Contact:
        account, person = entry.account, entry.subject
        return Contact(
            account_id=account.id,
            qualite=entry.qualite,
            numero=entry.numero,
            status=account.dossier_status,
            credential_version=account.credential_version,
            has_password=account.password is not None,
            email=self._receives(entry),
            confirmed_email=entry.confirmed_email,
            former_email=entry.former,
            given_names=person.given_names,
            usage_name=person.usage_name,
            family_name=person.family_name,
            birthdate=person.birthdate,
            address=person.address,
        )


class MemorySessions(_Store):
    """The port ``Sessions``."""

    def __init__(self, *, idle: timedelta, now: Now) -> None:
        super().__init__()
        self._idle = idle
        self._now = now
        self._kept: dict[str, tuple[Session, datetime]] = {}

    def put(self, key: str, session: Session) -> None:
        """Keep a new session."""
        self._look()
        self._kept[key] = (session, self._now() + self._idle)

    def get(self, key: str) -> Session | None:
        """Read a session and renew its idle time."""
        self._look()
        session = self.living(key)
        if session is not None:
            self._kept[key] = (session, self._now() + self._idle)
        return session

    def end(self, key: str) -> None:
        """End one session."""
        self._look()
        self._kept.pop(key, None)

    def end_all(self, account_id: str) -> int:
        """End every session of an account."""
        self._look()
        keys = [key for key, (session, _) in self._kept.items() if session.account_id == account_id]
        living = [key for key in keys if self.living(key) is not None]
        for key in keys:
            self._kept.pop(key, None)
        return len(living)

    def living(self, key: str) -> Session | None:
        """Look at a session without renewing it: what a grant asks."""
        session, idle_until = self._kept.get(key, (None, None))
        if session is None or idle_until is None:
            return None
        return session if self._now() < min(idle_until, session.ends_at) else None


class MemoryCodes(_Store):
    """The port ``Codes``."""

    def __init__(self, sessions: MemorySessions, *, tombstone: timedelta, now: Now) -> None:
        super().__init__()
        self._sessions = sessions
        self._tombstone = tombstone
        self._now = now
        self._codes: dict[str, tuple[Authorization, datetime]] = {}
        self._used: dict[str, tuple[str, datetime]] = {}
        self._grants: dict[str, tuple[Authorization, datetime]] = {}
        self._revoked: dict[str, datetime] = {}

    def put(self, code: str, authorization: Authorization, *, lifetime: timedelta) -> None:
        """Keep a fresh code."""
        self._look()
        self._codes[grant_id_of(code)] = (authorization, self._now() + lifetime)

    def take(self, code: str, *, client_id: str, grant_lifetime: timedelta) -> Authorization | None:
        """Take a code of this client once; a second time revokes its grant."""
        self._look()
        name = grant_id_of(code)
        with self._lock:
            authorization, expires_at = self._codes.get(name, (None, None))
            if authorization is not None and expires_at is not None and self._now() < expires_at:
                if authorization.client_id != client_id:
                    return None
                del self._codes[name]
                self._used[name] = (client_id, self._now() + self._tombstone)
                if self._sessions.living(authorization.session_key) is None:
                    return None
                self._grants[name] = (authorization, self._now() + grant_lifetime)
                return authorization
            used_by, until = self._used.get(name, ("", self._now()))
            if used_by == client_id and self._now() < until:
                _, expires_at = self._grants.pop(name, (None, self._now()))
                raise CodeReplayed(revoked=self._now() < expires_at)
            return None

    def grant(self, grant_id: str, *, token_id: str = "") -> Authorization | None:
        """Read a live grant, of a live session or offline, unless that token is revoked."""
        self._look()
        authorization, expires_at = self._grants.get(grant_id, (None, None))
        if authorization is None or expires_at is None or self._now() >= expires_at:
            return None
        if self._now() < self._revoked.get(token_id, self._now()):
            return None
        alive = self._sessions.living(authorization.session_key) is not None
        return authorization if alive or authorization.is_offline else None

    def renew(self, grant_id: str, authorization: Authorization, *, lifetime: timedelta) -> None:
        """Keep an offline grant for the access tokens of a refresh."""
        self._look()
        self._grants[grant_id] = (authorization, self._now() + lifetime)

    def revoke_token(self, token_id: str, *, lifetime: timedelta) -> None:
        """End one access token."""
        self._look()
        self._revoked[token_id] = self._now() + lifetime

    def revoke(self, grant_id: str) -> None:
        """End a grant."""
        self._look()
        self._grants.pop(grant_id, None)


@dataclass
class _Counters:
    """Failures of one account, or of one of its known devices: try identifier to instant."""

    in_a_row: dict[str, datetime] = field(default_factory=dict)
    of_the_day: dict[str, datetime] = field(default_factory=dict)


class MemoryAttempts(_Store):
    """The port ``Attempts``."""

    def __init__(self, policy: AttemptPolicy, *, now: Now) -> None:
        super().__init__()
        self._policy = policy
        self._now = now
        self._networks: dict[str, dict[str, datetime]] = {}
        self._devices: dict[str, dict[str, datetime]] = {}
        self._counters: dict[tuple[str, str], _Counters] = {}
        self._told: dict[str, datetime] = {}

    def reserve(self, subject: str, origin: Origin, *, temporary: bool = False) -> Reservation:
        """Count one try as failed, ahead of its verification; a temporary one for the network."""
        self._look()
        with self._lock:
            now, policy = self._now(), self._policy
            known_at = self._devices.get(subject, {}).get(origin.device)
            known = known_at is not None and known_at + policy.device_lifetime > now
            network = self._networks.setdefault(origin.network, {})
            _forget(network, before=now - policy.network_window)
            counted = not known or temporary
            if counted and len(network) >= policy.network_limit:
                left = min(network.values()) + policy.network_window - now
                raise self._delay(HeldBy.NETWORK, origin.network, left)
            try_id = secrets.token_hex(8)
            if temporary:
                network[try_id] = now
                return Reservation(subject, origin, try_id, 0, timedelta(0), known, temporary)
            counters = self._counters_of(subject, origin.device if known else "")
            row, day = counters.in_a_row, counters.of_the_day
            if row and max(row.values()) + DAY <= now:
                row.clear()
            _forget(day, before=now - DAY)
            if (left := self._held(row, day)) > timedelta(0):
                raise self._delay(HeldBy.ACCOUNT, subject, left)
            row[try_id] = day[try_id] = now
            if counted:
                network[try_id] = now
            return Reservation(subject, origin, try_id, len(row), self._held(row, day), known)

    def _delay(self, held_by: HeldBy, whose: str, left: timedelta) -> SignInDelayed:
        first = self._told.get(whose, self._now()) <= self._now()
        if first:
            self._told[whose] = self._now() + left
        return SignInDelayed(held_by, left, first=first)

    def succeeded(self, reservation: Reservation, *, device: str) -> None:
        """Take the failure back, end the row of failures, and know ``device`` from now on."""
        self._look()
        with self._lock:
            self.release(reservation)
            if not reservation.temporary:
                self._of(reservation).in_a_row.clear()
                self._know(reservation.subject, device)

    def release(self, reservation: Reservation) -> None:
        """Take the failure back without a verdict."""
        self._look()
        with self._lock:
            counters = self._of(reservation)
            network = self._networks[reservation.origin.network]
            for failures in (counters.in_a_row, counters.of_the_day, network):
                failures.pop(reservation.try_id, None)

    def is_suspected(self, network: str) -> bool:
        """Tell whether a network failed so often that strangers on it solve an anti-robot."""
        self._look()
        with self._lock:
            failures = self._networks.get(network, {})
            _forget(failures, before=self._now() - self._policy.network_window)
            return len(failures) >= self._policy.anti_robot_from

    def look(self, subject: str) -> Waiting:
        """Read how an account stands."""
        self._look()
        with self._lock:
            since = self._now() - self._policy.device_lifetime
            devices = self._devices.get(subject, {})
            known = [self._standing(subject, name) for name in devices if devices[name] > since]
            return replace(self._standing(subject, ""), known=longest(known))

    def _standing(self, subject: str, device: str) -> Waiting:
        counters = self._counters.get((subject, device), _Counters())
        row, day = sorted(counters.in_a_row.values()), sorted(counters.of_the_day.values())
        return self._policy.standing(row, day, at=self._now())

    def lift(self, subject: str, *, device: str = "") -> None:
        """End the account's waiting time, every known device's too."""
        self._look()
        with self._lock:
            for name in ["", *self._devices.get(subject, {})]:
                self._counters.pop((subject, name), None)
            self._told.pop(subject, None)
            if device:
                self._know(subject, device)

    def _know(self, subject: str, device: str) -> None:
        devices = self._devices.setdefault(subject, {})
        devices.pop(device, None)
        devices[device] = self._now()
        while len(devices) > self._policy.devices:
            devices.pop(min(devices, key=lambda known: devices[known]))

    def _held(self, row: dict[str, datetime], day: dict[str, datetime]) -> timedelta:
        now = self._now()
        held = timedelta(0)
        if row:
            held = max(row.values()) + self._policy.wait_after(len(row)) - now
        if len(day) >= self._policy.day_limit:
            held = max(held, min(day.values()) + DAY - now)
        return max(held, timedelta(0))

    def _of(self, reservation: Reservation) -> _Counters:
        device = reservation.origin.device if reservation.known_device else ""
        return self._counters_of(reservation.subject, device)

    def _counters_of(self, subject: str, device: str) -> _Counters:
        return self._counters.setdefault((subject, device), _Counters())


def _forget(failures: dict[str, datetime], *, before: datetime) -> None:
    for try_id in [name for name, at in failures.items() if at <= before]:
        del failures[try_id]


@dataclass
class _Slot:
    """One account's temporary password of one channel."""

    kept: TemporaryPassword
    asked_at: datetime
    forget_at: datetime
    holder: str = ""
    tries: dict[tuple[str, str], int] = field(default_factory=dict)


class MemoryTemporaryPasswords(_Store):
    """The port ``TemporaryPasswords``."""

    def __init__(self, policy: TryPolicy, *, now: Now) -> None:
        super().__init__()
        self._policy = policy
        self._now = now
        self._slots: dict[tuple[str, Channel], _Slot] = {}

    def request(self, account_id: str, channel: Channel, promise: int, *, version: int) -> None:
        """Note a request. A secret that is alive stays so until the newer one is drawn."""
        self._look()
        with self._lock:
            now, slot = self._now(), self._slot(account_id, channel)
            forget_at = now + REQUEST_LIFETIME + REMEMBERED
            if slot is not None:
                if slot.kept.newest >= promise or slot.kept.credential_version > version:
                    return
                forget_at = max(forget_at, slot.forget_at)
            if slot is None or not self._alive(slot.kept, version, now):
                kept = TemporaryPassword(
                    account_id, channel, State.REQUESTED, promise, promise, version, None, now, None
                )
                self._slots[account_id, channel] = _Slot(kept, now, forget_at)
                return
            slot.kept = replace(slot.kept, newest=promise)
            slot.asked_at, slot.forget_at = now, forget_at

    def issue(
        self,
        account_id: str,
        channel: Channel,
        promise: int,
        *,
        version: int,
        hashed: PasswordHash,
        expires_at: datetime,
    ) -> bool:
        """Put a freshly drawn secret in the place of the former one; False: it must not leave."""
        self._look()
        with self._lock:
            asked_at, tries, slot = self._now(), {}, self._slot(account_id, channel)
            if slot is not None:
                if slot.kept.newest > promise or slot.kept.credential_version > version:
                    return False
                if slot.kept.promise == promise:
                    if slot.kept.opened_until is not None:
                        return False
                    tries = slot.tries
                if slot.kept.newest == promise:
                    asked_at = slot.asked_at
            kept = TemporaryPassword(
                account_id, channel, State.ISSUED, promise, promise, version, hashed, asked_at,
                expires_at,
            )  # fmt: skip
            forget_at = expires_at + REMEMBERED
            self._slots[account_id, channel] = _Slot(kept, asked_at, forget_at, tries=tries)
            return True

    def sent(self, account_id: str, channel: Channel, promise: int) -> None:
        """Note that the message was handed over."""
        self._look()
        with self._lock:
            slot = self._slot(account_id, channel)
            if slot is not None and slot.kept.promise == promise and slot.kept.hash is not None:
                slot.kept = replace(slot.kept, state=State.SENT)

    def reserve_try(
        self, account_id: str, channel: Channel, *, version: int, network: str, browser: str
    ) -> TemporaryPassword | None:
        """Count one try as wrong, and give what it is verified against."""
        self._look()
        with self._lock:
            now, slot = self._now(), self._slot(account_id, channel)
            if slot is None or slot.kept.expires_at is None or slot.kept.expires_at <= now:
                return None
            if slot.kept.credential_version != version:
                return None
            origins = ("network", network), ("browser", browser)
            most = max(slot.tries.get(origin, 0) for origin in origins)
            if slot.kept.wrong_tries >= self._policy.in_all or most >= self._policy.by_origin:
                return None
            self._count(slot, origins, 1)
            return slot.kept.standing(self._policy, at=now)

    def release(self, found: TemporaryPassword, *, network: str, browser: str) -> None:
        """Take the reserved try back without a verdict."""
        self._look()
        with self._lock:
            self._take_back(found, network, browser)

    def open(
        self, found: TemporaryPassword, *, network: str, browser: str, holder: str, until: datetime
    ) -> bool:
        """Take the reserved try back and lease the secret to ``holder``."""
        self._look()
        with self._lock:
            slot = self._take_back(found, network, browser)
            if slot is None:
                return False
            slot.kept = replace(slot.kept, state=State.SENT, opened_until=until)
            slot.holder = holder
            slot.forget_at = max(slot.forget_at, until + REMEMBERED)
            return True

    def is_open(self, account_id: str, channel: Channel, holder: str) -> bool:
        """Tell whether ``holder`` still has the lease."""
        self._look()
        slot = self._slot(account_id, channel)
        if slot is None or slot.kept.opened_until is None:
            return False
        return slot.kept.opened_until > self._now() and slot.holder == holder

    def use_up(self, account_id: str) -> None:
        """Forget the secrets of both channels."""
        self._look()
        with self._lock:
            for channel in Channel:
                self._slots.pop((account_id, channel), None)

    def look(self, account_id: str) -> list[TemporaryPassword]:
        """Read what is there, for the help desk."""
        self._look()
        slots = [self._slot(account_id, channel) for channel in Channel]
        now = self._now()
        return [slot.kept.standing(self._policy, at=now) for slot in slots if slot is not None]

    def forget_everything(self) -> None:
        """Be a store that was emptied."""
        self._slots.clear()

    def _slot(self, account_id: str, channel: Channel) -> _Slot | None:
        slot = self._slots.get((account_id, channel))
        return slot if slot is not None and self._now() < slot.forget_at else None

    def _alive(self, kept: TemporaryPassword, version: int, now: datetime) -> bool:
        if kept.expires_at is None or kept.credential_version != version:
            return False
        return now < max(kept.expires_at, kept.opened_until or now)

    def _take_back(self, found: TemporaryPassword, network: str, browser: str) -> _Slot | None:
        slot = self._slot(found.account_id, found.channel)
        if slot is None or slot.kept.hash is None or slot.kept.hash != found.hash:
            return None
        if slot.kept.expires_at is None or slot.kept.expires_at <= self._now():
            return None
        self._count(slot, (("network", network), ("browser", browser)), -1)
        return slot

    def _count(self, slot: _Slot, origins: tuple[tuple[str, str], ...], by: int) -> None:
        slot.kept = replace(slot.kept, wrong_tries=max(0, slot.kept.wrong_tries + by))
        for origin in origins:
            slot.tries[origin] = max(0, slot.tries.get(origin, 0) + by)


class MemoryResetQuotas(_Store):
    """The port ``ResetQuotas``."""

    def __init__(self, policy: QuotaPolicy, *, now: Now) -> None:
        super().__init__()
        self._policy = policy
        self._now = now
        self._counted: dict[tuple[str, str], dict[str, datetime]] = {}
        self._raised: tuple[int, datetime] | None = None
        self._tries: dict[str, tuple[datetime, list[tuple[str, str]]]] = {}
        self._refused: dict[str, tuple[int, datetime]] = {}

    def begin(self, network: str, *, by_question: bool) -> None:
        """Count a reset request of a network."""
        policy = self._policy
        windows = [(Quota.NETWORK, ("requests", network), HOUR, policy.requests_an_hour)]
        if by_question:
            answers = ("requests by question", network)
            windows.append((Quota.NETWORK, answers, HOUR, policy.requests_by_question))
        self._count(windows, secrets.token_hex(8))

    def mail(self, subject: str, *, request: str = "") -> None:
        """Count a mail to the account of a subject."""
        policy, mails = self._policy, ("mails", subject)
        self._count(
            [
                (Quota.MAIL, mails, HOUR, policy.mails_an_hour),
                (Quota.MAIL, mails, DAY, policy.mails_a_day),
            ],
            request or secrets.token_hex(8),
        )

    def letter(self, subject: str, network: str, *, request: str = "") -> bool:
        """Count a letter of a subject, a network and all; True when the breaker holds it."""
        policy, request = self._policy, request or secrets.token_hex(8)
        of_network = ("letters of network", network)
        with self._lock:
            self._count(
                [
                    (Quota.LETTER, ("last letter", subject), policy.letter_every, 1),
                    (
                        Quota.LETTER,
                        ("letters", subject),
                        LETTERS_WINDOW,
                        policy.letters_in_90_days,
                    ),
                    (
                        Quota.LETTERS_OF_NETWORK,
                        of_network,
                        DAY,
                        policy.letters_of_network_a_day,
                    ),
                ],
                request,
            )
            limit, until = self._raised or (policy.letters_a_day, self._now())
            limit = limit if self._now() < until else policy.letters_a_day
            of_all = self._counted.setdefault(("letters", "of all"), {})
            within = [at for at in of_all.values() if at + DAY > self._now()]
            if request not in of_all and len(within) >= limit:
                return True
            of_all[request] = self._now()
            return False

    def letter_refused(self, subject: str, *, network: str, browser: str) -> None:
        """Count a letter's secret that was typed wrong; the last of all forgets its days."""
        self._look()
        with self._lock:
            asked = [*self._counted.get(("last letter", subject), {}).values()]
            if not asked or asked[-1] + self._policy.letter_every <= self._now():
                return
            letter, tries = self._tries.get(subject, (asked[-1], []))
            tries = tries if letter == asked[-1] else []
            self._tries[subject] = (asked[-1], tries)
            limit = self._policy.letter_tries.by_origin
            if any([one[n] for one in tries].count((network, browser)[n]) >= limit for n in (0, 1)):
                return
            tries.append((network, browser))
            if len(tries) >= self._policy.letter_tries.in_all:
                del self._tries[subject], self._counted["last letter", subject]

    def forget_letter(self, subject: str) -> None:
        """Let the last letter not count for the days until the next one."""
        self._look()
        self._counted.pop(("last letter", subject), None)
        self._tries.pop(subject, None)

    def choice_refused(self, journey_id: str, *, lifetime: timedelta) -> int:
        """Count a choice that a quota refused, and tell how many the journey has had."""
        self._look()
        with self._lock:
            refused, until = self._refused.get(journey_id, (0, self._now()))
            refused = refused + 1 if self._now() < until else 1
            self._refused[journey_id] = (refused, self._now() + lifetime)
            return refused

    def raise_breaker(self, letters_a_day: int, *, until: datetime) -> None:
        """Let that many letters of all leave in a day, until then."""
        self._look()
        self._raised = (letters_a_day, until)

    def _count(
        self, windows: list[tuple[Quota, tuple[str, str], timedelta, int]], request: str
    ) -> None:
        self._look()
        with self._lock:
            now = self._now()
            held: list[tuple[timedelta, Quota]] = []
            for quota, name, span, limit in windows:
                counted = self._counted.get(name, {})
                within = [at for at in counted.values() if at + span > now]
                if request not in counted and len(within) >= limit:
                    held.append((within[-limit] + span - now, quota))
            if held:
                left, quota = max(held, key=lambda one: one[0])
                raise QuotaReached(quota, left)
            for name in {name for _, name, _, _ in windows}:
                self._counted.setdefault(name, {})[request] = now


class MemoryOnce(_Store):
    """The port ``Once``."""

    def __init__(self, *, now: Now) -> None:
        super().__init__()
        self._now = now
        self._there: dict[str, tuple[str, datetime]] = {}

    def take(self, name: str, value: str, *, lifetime: timedelta) -> str | None:
        """Put ``value`` under ``name`` unless something is there, and give what was there."""
        self._look()
        with self._lock:
            there, until = self._there.get(name, ("", self._now()))
            if self._now() < until:
                return there
            self._there[name] = (value, self._now() + lifetime)
            return None

    def keep(self, name: str, value: str, *, lifetime: timedelta) -> None:
        """Put ``value`` in the place of what was taken."""
        self._look()
        with self._lock:
            self._there[name] = (value, self._now() + lifetime)

    def give_back(self, name: str) -> None:
        """Take away what was put."""
        self._look()
        self._there.pop(name, None)


class NoFetchedKeys:
    """The port ``FetchedKeys``, when nothing can be fetched."""

    def keys(self, _client: Client) -> tuple[ServiceKey, ...]:
        """Give none."""
        return ()

    def look_again(self, _client: Client, _tried: tuple[ServiceKey, ...]) -> tuple[ServiceKey, ...]:
        """Give none."""
        return ()


class MemoryClientFailures(_Store):
    """The port ``ClientFailures``."""

    def __init__(self, *, limit: int, window: timedelta, now: Now) -> None:
        super().__init__()
        self._limit = limit
        self._window = window
        self._now = now
        self.counts: dict[str, tuple[int, datetime]] = {}

    def check(self, network: str) -> None:
        """Raise TooManyClientFailures while the network must wait."""
        self._look()
        failures, until = self._living(network)
        if failures >= self._limit:
            raise TooManyClientFailures(until - self._now())

    def count(self, network: str) -> None:
        """Count one wrong credential."""
        self._look()
        with self._lock:
            failures, until = self._living(network)
            self.counts[network] = (failures + 1, until)

    def _living(self, network: str) -> tuple[int, datetime]:
        failures, until = self.counts.get(network, (0, self._now()))
        return (failures, until) if self._now() < until else (0, self._now() + self._window)


class MemoryClients(_Store):
    """The port ``Clients``."""

    def __init__(self, *clients: Client) -> None:
        super().__init__()
        self._clients = {client.client_id: client for client in clients}

    def add(self, client: Client) -> None:
        """Register a client, in the place of the one of its name."""
        self._clients[client.client_id] = client

    def remove(self, client_id: str) -> None:
        """Take a client away."""
        del self._clients[client_id]

    def find(self, client_id: str) -> Client | None:
        """Read one client."""
        self._look()
        return self._clients.get(client_id)


@dataclass(frozen=True)
class RecordedEvent:
    """One audit event as recorded."""

    event: Event
    account_id: str | None
    client_id: str | None
    actor: Actor
    detail: dict[str, str | int]
    at: datetime | None = field(default=None, compare=False)


class MemoryAuditLog(_Store):
    """The ports ``AuditLog`` and, given a clock, ``AuditTrail``."""

    def __init__(self, now: Now | None = None) -> None:
        super().__init__()
        self._now = now
        self.events: list[RecordedEvent] = []

    def record(
        self,
        event: Event,
        *,
        account_id: str | None = None,
        client_id: str | None = None,
        actor: Actor = NOBODY,
        detail: Mapping[str, str | int] | None = None,
    ) -> None:
        """Add one event; the network is kept as its prefix only."""
        self._look()
        network = audited_network(actor.network) if actor.network else ""
        kept = replace(actor, network=network)
        at = self._now() if self._now is not None else None
        self.events.append(
            RecordedEvent(event, account_id, client_id, kept, dict(detail or {}), at)
        )

    def of_account(self, account_id: str, subject: str, *, limit: int) -> list[PastEvent]:
        """Read what happened to an account, the newest first."""
        self._look()
        since = self._now() - BY_SUBJECT_SPAN if self._now is not None else None
        found = []
        for kept in reversed(self.events):
            assert kept.at is not None, "a log without a clock tells no story"
            assert since is not None
            of_subject = (
                kept.account_id is None
                and kept.event in BY_SUBJECT
                and kept.detail.get("subject") == subject
                and kept.at > since
            )
            if of_subject or (kept.account_id == account_id and kept.event not in UNTOLD):
                actor = kept.actor
                found.append(
                    PastEvent(kept.at, kept.event, actor.network, actor.operator, kept.detail)
                )
        return found[:limit]


class MemoryKeyRings:
    """The port ``KeyRings``; ``current`` is replaced by a rotation."""

    def __init__(self, ring: KeyRing) -> None:
        self.current = ring

    def ring(self) -> KeyRing:
        """The ring in force."""
        return self.current
