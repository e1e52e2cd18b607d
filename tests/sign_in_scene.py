"""A sign-in over stores in memory, with one affilié who has a password of ours."""

from datetime import UTC
from datetime import datetime

import bcrypt
import pytest
from argon2.low_level import Type
from argon2.low_level import hash_secret

from idp.audit import Actor
from idp.identity.account import Account
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.hash_pool import HashPool
from idp.identity.login import SignIn
from idp.identity.login import SignInRefused
from idp.identity.login import subject_of
from idp.identity.notices import Notices
from idp.identity.password import Argon2Cost
from idp.identity.password import Passwords
from idp.identity.password import parse_imported
from idp.identity.reset_quotas import QuotaPolicy
from idp.identity.temporary_password import TryPolicy
from idp.limits import AttemptPolicy
from idp.limits import Origin
from idp.metrics.not_counted import NOT_COUNTED
from tests.fake_counters import MemoryAttempts
from tests.fake_counters import MemoryResetQuotas
from tests.fake_outbox import MemoryOutbox
from tests.fake_temporary_passwords import MemoryTemporaryPasswords
from tests.fakes import DirectoryEntry
from tests.fakes import MemoryAccounts
from tests.fakes import MemoryAuditLog
from tests.fakes import MemoryOnce
from tests.fakes import subject
from tests.instance import Clock

REDESIGN = datetime(2021, 3, 1, tzinfo=UTC)
NUMERO = NumeroDossier("1234567")
UNKNOWN = NumeroDossier("7654321")
HERE = Origin("192.0.2.1")
DECOY_KEY = b"d" * 32
WRONG = "les mimosas du moulin"
RIGHT = "les glycines du moulin"
BCRYPT = parse_imported(bcrypt.hashpw(RIGHT.encode(), bcrypt.gensalt(4)).decode())
ARGON2ID = parse_imported(hash_secret(RIGHT.encode(), b"s" * 16, 1, 16, 1, 32, Type.ID).decode())


class CountingPasswords(Passwords):
    """The real ones, and a note of what each attempt cost."""

    def __init__(self, accounts, cost):
        super().__init__(pepper=b"p" * 32, decoy_key=DECOY_KEY, cost=cost, mix=accounts)
        self.verified = []
        self.hashed = 0
        self.decoys = 0

    def verify(self, stored, clear):
        self.verified.append(stored)
        return super().verify(stored, clear)

    def hash(self, clear):
        self.hashed += 1
        return super().hash(clear)

    def decoy(self, subject, qualite):
        self.decoys += 1
        return super().decoy(subject, qualite)


class Scene:
    """The use case over stores in memory, with one affilié who has a password of ours."""

    def __init__(self, *, cost=None, policy=None, pool=None):
        self.clock = Clock()
        self.accounts = MemoryAccounts()
        self.attempts = MemoryAttempts(policy or AttemptPolicy(), now=self.clock)
        self.audit = MemoryAuditLog()
        self.temporaries = MemoryTemporaryPasswords(TryPolicy(), now=self.clock)
        self.outbox = MemoryOutbox(now=self.clock)
        self.quotas = MemoryResetQuotas(QuotaPolicy(), now=self.clock)
        self.once = MemoryOnce(now=self.clock)
        self.passwords = CountingPasswords(self.accounts, cost or Argon2Cost(8, 1))
        self.sign_in = SignIn(
            accounts=self.accounts,
            attempts=self.attempts,
            temporaries=self.temporaries,
            quotas=self.quotas,
            outbox=self.outbox,
            once=self.once,
            notices=Notices(self.outbox, self.once),
            passwords=self.passwords,
            pool=pool or HashPool(threads=1, queue=4, watch=NOT_COUNTED),
            audit=self.audit,
            decoy_key=DECOY_KEY,
            redesign_at=REDESIGN,
            now=self.clock,
        )
        self.accounts.add(
            DirectoryEntry(
                Account("account", DossierStatus.ACTIVE, self.passwords.hash(RIGHT), 3, None),
                Qualite.AFFILIE,
                NUMERO,
                subject(),
            )
        )
        self.forget_costs()

    @property
    def account(self):
        return self.accounts.entries["account"].account

    def change(self, **changes):
        return self.accounts.change("account", **changes)

    def forget_costs(self):
        self.passwords.verified.clear()
        self.passwords.hashed = self.passwords.decoys = 0

    def try_password(
        self, clear=RIGHT, *, qualite=Qualite.AFFILIE, numero=NUMERO, origin=HERE, browser="b"
    ):
        return self.sign_in.with_password(
            qualite, numero, clear,
            origin=origin, device="phone", browser=browser,
            actor=Actor(network=origin.network, request_id="r1"),
        )  # fmt: skip

    def refused(self, *args, **kwargs):
        with pytest.raises(SignInRefused) as refusal:
            self.try_password(*args, **kwargs)
        return refusal.value

    def next_streak(self, numero=NUMERO, origin=HERE):
        name = subject_of(DECOY_KEY, Qualite.AFFILIE, numero)
        return self.attempts.reserve(name, origin).streak
