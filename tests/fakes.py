"""Every port in memory, with the contract of the real adapters and a clock that tests move.

The suites of ``tests/contract`` run on these and on the real stores alike, so that a unit test
which passes on a fake says something of production.
"""

import threading
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import astuple
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from functools import cache
from typing import cast

from joserfc.jwk import ECKey
from joserfc.jwk import RSAKey

from idp import StoreUnavailable
from idp.audit import Actor
from idp.audit import Event
from idp.identity.account import DOUBTED
from idp.identity.account import Account
from idp.identity.account import Protection
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
from idp.limits import TooManyClientFailures
from idp.limits import audited_network
from idp.oidc.assertions import Assertions
from idp.oidc.authorization import VISITS_KEPT
from idp.oidc.authorization import Authorization
from idp.oidc.authorization import CodeReplayed
from idp.oidc.authorization import grant_id_of
from idp.oidc.claims import Subject
from idp.oidc.clients import Client
from idp.oidc.clients import hash_client_secret
from idp.oidc.clients import readers_of
from idp.oidc.keys import KeyRing
from idp.oidc.keys import SigningKey
from idp.oidc.service_keys import ServiceKey
from idp.oidc.signer import generate
from idp.session import Ended
from idp.session import LivingSession
from idp.session import Session
from idp.session import Visit

Now = Callable[[], datetime]
NOBODY = Actor()


class Store:
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


@dataclass(frozen=True)
class FakeSigner:
    """A signer that is only a name: for rings, of which nothing but the times matters."""

    kid: str
    alg: str = "ES256"

    @property
    def public_jwk(self) -> dict[str, str]:
        """Its entry in the JWKS."""
        return {"kid": self.kid, "alg": self.alg}

    def sign(self, message: bytes) -> bytes:
        """Give what nobody verifies."""
        return self.kid.encode() + message


_ANY_KEY = ECKey.generate_key("P-256")


def key_of(kid: str, signs_from: datetime, alg: str = "ES256") -> SigningKey:
    """A key for a ring: only its times matter."""
    return SigningKey(FakeSigner(kid, alg), signs_from, _ANY_KEY)


def private_key(pem: bytes) -> ECKey | RSAKey:
    """What a test signs with that forges a token of ours."""
    return ECKey.import_key(pem) if len(pem) < 1000 else RSAKey.import_key(pem)


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


class MemoryAccounts(Store):
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
        self, account: Account, *, at: datetime | None, replacement: PasswordHash | None
    ) -> bool:
        """Note a sign-in; False when password, version or status changed meanwhile."""
        self._look()
        with self._lock:
            kept = self.entries[account.id].account
            if kept.credential_version != account.credential_version:
                return False
            if kept.dossier_status is not DossierStatus.ACTIVE:
                return False
            if kept.protection is not Protection.NONE:
                return False
            replaced_already = kept.password != account.password
            password = kept.password if replaced_already else replacement or kept.password
            at = at or kept.last_sign_in_at
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
                account_id,
                password=hashed,
                credential_version=version + 1,
                last_sign_in_at=at,
                protection=Protection.NONE,
            )
            return True

    def freeze(self, account_id: str, *, version: int, at: datetime) -> bool:
        """Freeze the account; False when it is frozen already, or its version is another."""
        self._look()
        with self._lock:
            entry = self.entries.get(account_id)
            if entry is None or entry.account.protection is Protection.FROZEN:
                return False
            if entry.account.credential_version != version:
                return False
            if entry.email_confirmed_at is not None and entry.email_confirmed_at > at - DOUBTED:
                entry.confirmed_email = entry.former_email = ""
                entry.email_confirmed_at = None
            self.change(account_id, protection=Protection.FROZEN, credential_version=version + 1)
            return True

    def reopen(self, account_id: str, *, to: Protection) -> bool:
        """Let a frozen account go on as ``to``; False when it is not frozen."""
        self._look()
        with self._lock:
            entry = self.entries.get(account_id)
            if entry is None or entry.account.protection is not Protection.FROZEN:
                return False
            self.change(account_id, protection=to)
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
            signs_in=(
                entry.account.dossier_status is DossierStatus.ACTIVE
                and entry.account.protection is Protection.NONE
            ),
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


class MemoryContacts(Store):
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
            address=cast("tuple[str, str, str, str, str, str]", person.address),
            protection=account.protection,
            email_confirmed_at=entry.email_confirmed_at,
        )


class MemorySessions(Store):
    """The port ``Sessions``."""

    def __init__(self, *, idle: timedelta, now: Now) -> None:
        super().__init__()
        self._idle = idle
        self._now = now
        self._kept: dict[str, tuple[Session, datetime]] = {}
        self._of_account: dict[str, set[str]] = {}
        self._visits: dict[str, set[Visit]] = {}
        self._retired: set[str] = set()

    def put(self, key: str, session: Session) -> None:
        """Keep a new session."""
        self._look()
        self._kept[key] = (session, self._now() + self._idle)
        self._of_account.setdefault(session.account_id, set()).add(key)

    def get(self, key: str) -> Session | None:
        """Read a session and renew its idle time."""
        self._look()
        session = None if key in self._retired else self.living(key)
        if session is not None:
            self._kept[key] = (session, self._now() + self._idle)
        return session

    def retire(self, key: str, account_id: str) -> Ended:
        """End one that another of this account follows, but for what it gave."""
        self._look()
        session, visits = self.living(key), self._visits.get(key, set())
        if session is None or session.account_id != account_id or not visits:
            return self._end([key])
        alive = key not in self._retired
        self._retired.add(key)
        return Ended(int(alive), tuple(sorted(visits, key=astuple)))

    def end(self, key: str) -> Ended:
        """End one session and read its visits."""
        self._look()
        return self._end([key])

    def end_all(self, account_id: str) -> Ended:
        """End every session of an account and read their visits."""
        self._look()
        return self._end(self._of_account.get(account_id, set()))

    def end_others(self, account_id: str, key: str) -> Ended:
        """End every session of an account but one."""
        self._look()
        spared = {key} | {visit.session_key for visit in self._visits.get(key, set())}
        return self._end(self._of_account.get(account_id, set()) - spared)

    def make_room(self, account_id: str, *, keep: int) -> Ended:
        """End the oldest sessions of an account beyond ``keep``."""
        living = [one.key for one in self.of_account(account_id)]
        return self._end(living[: max(0, len(living) - keep)])

    def of_account(self, account_id: str) -> list[LivingSession]:
        """List the living sessions of an account, the oldest first."""
        self._look()
        found = []
        for key in self._of_account.get(account_id, set()) - self._retired:
            if (session := self.living(key)) is not None:
                idle_until = self._kept[key][1]
                used_at = None if idle_until >= session.ends_at else idle_until - self._idle
                found.append(LivingSession(key, session, used_at))
        return sorted(found, key=lambda one: (one.session.ends_at, one.key))

    def accounts(self) -> Iterator[str]:
        """Name every account that may have a session."""
        self._look()
        yield from list(self._of_account)

    def inherit(self, key: str, visits: Iterable[Visit]) -> None:
        """Let a new session answer for what was visited in the one before."""
        self._look()
        self._visits.setdefault(key, set()).update(visits)

    def _end(self, keys: Iterable[str]) -> Ended:
        living = [key for key in keys if self.living(key) and key not in self._retired]
        visits = {visit for key in keys for visit in self._visits.get(key, set())}
        retired = {visit.session_key for visit in visits} & self._retired
        for key in {*keys, *retired}:
            self._kept.pop(key, None)
        return Ended(len(living), tuple(sorted(visits, key=astuple)))

    def living(self, key: str) -> Session | None:
        """Look at a session without renewing it: what a grant asks."""
        session, idle_until = self._kept.get(key, (None, None))
        if session is None or idle_until is None:
            return None
        return session if self._now() < min(idle_until, session.ends_at) else None


class MemoryCodes(Store):
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
        self._last: dict[tuple[str, str], datetime] = {}

    def put(self, code: str, authorization: Authorization, *, lifetime: timedelta) -> None:
        """Keep a fresh code, and note the visit that it begins."""
        self._look()
        self._codes[grant_id_of(code)] = (authorization, self._now() + lifetime)
        key = authorization.session_key
        visit = Visit(authorization.account_id, key, authorization.client_id)
        self._sessions.inherit(key, [visit])
        self._last[(visit.account_id, visit.client_id)] = self._now()

    def last_visits(self, account_id: str) -> dict[str, datetime]:
        """Tell when a member was last led to each service."""
        since = self._now() - VISITS_KEPT
        return {
            client_id: at
            for (whose, client_id), at in self._last.items()
            if whose == account_id and at > since
        }

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


class MemoryOnce(Store):
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


class MemoryClientFailures(Store):
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


class MemoryClients(Store):
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

    def readers(self) -> frozenset[str]:
        """Give the origins whose scripts may read answers to some client."""
        return readers_of(self._clients.values())


@dataclass(frozen=True)
class RecordedEvent:
    """One audit event as recorded."""

    event: Event
    account_id: str | None
    client_id: str | None
    actor: Actor
    detail: dict[str, str | int]
    at: datetime | None = field(default=None, compare=False)


class MemoryAuditLog(Store):
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
