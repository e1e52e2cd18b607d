"""A person whom FranceConnect vouches for, over stores in memory; by default Anne's one dossier."""

from dataclasses import replace
from datetime import timedelta

import pytest

from idp.audit import Actor
from idp.identity.account import Account
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.franceconnect import FranceConnectRefused
from idp.identity.franceconnect import FranceConnectSignIn
from idp.identity.franceconnect_finding import Finding
from idp.identity.franceconnect_linking import Linking
from idp.identity.freeze import Freeze
from idp.identity.notices import Notices
from idp.identity.pivot import Arrival
from idp.identity.pivot import PivotIdentity
from idp.promise import PromiseState
from tests.fake_franceconnect_links import MemoryLinks
from tests.fake_franceconnect_links import MemoryPivotDirectory
from tests.fakes import DirectoryEntry
from tests.fakes import MemoryContacts
from tests.fakes import MemorySessions
from tests.fakes import subject
from tests.sign_in_scene import DECOY_KEY
from tests.sign_in_scene import REDESIGN
from tests.sign_in_scene import Scene

ANNE = PivotIdentity("LEFEVRE", "ANNE MARIE LOUISE", "female", "1950-05-12", "75112", "99100")
SUB = "a" * 64 + "v1"
HERS = Arrival(SUB, ANNE)
THIEF = Arrival(
    "f" * 64 + "v1", PivotIdentity("MARTIN", "PAUL", "male", "1981-02-03", "13055", "99100")
)
BROWSER = Actor(network="192.0.2.0/24", request_id="r1")


class FranceConnectScene(Scene):
    """The use case, and a dossier that says what the register says of Anne."""

    def __init__(self):
        super().__init__()
        self.directory = MemoryPivotDirectory(self.accounts)
        self.directory.pivots["account"] = replace(ANNE, family_name="LEFÈVRE")
        self.links = MemoryLinks(self.accounts)
        self.contacts = MemoryContacts(self.accounts, now=self.clock)
        self.linking = Linking(
            links=self.links,
            contacts=self.contacts,
            outbox=self.outbox,
            audit=self.audit,
            decoy_key=DECOY_KEY,
            now=self.clock,
        )
        self.franceconnect = FranceConnectSignIn(
            accounts=self.accounts,
            finding=Finding(self.directory, self.links),
            linking=self.linking,
            attempts=self.attempts,
            notices=Notices(self.outbox, self.once),
            audit=self.audit,
            decoy_key=DECOY_KEY,
            redesign_at=REDESIGN,
            now=self.clock,
        )
        self.freezing = Freeze(
            accounts=self.accounts,
            contacts=self.contacts,
            temporaries=self.temporaries,
            sessions=MemorySessions(idle=timedelta(minutes=30), now=self.clock),
            links=self.links,
            attempts=self.attempts,
            quotas=self.quotas,
            outbox=self.outbox,
            audit=self.audit,
            decoy_key=DECOY_KEY,
            print_hour=8,
            now=self.clock,
        )

    def add(self, account_id, numero, pivot, qualite=Qualite.AFFILIE, **changes):
        """Put another dossier into the directory."""
        account = Account(account_id, DossierStatus.ACTIVE, None, 1, None)
        entry = DirectoryEntry(
            replace(account, **changes), qualite, NumeroDossier(numero), subject()
        )
        self.accounts.add(entry)
        self.directory.pivots[account_id] = pivot

    def arrive(self, arrival=HERS, device="phone"):
        return self.franceconnect.arrive(arrival, device=device, actor=BROWSER)

    def choose(self, account_id, arrival=HERS):
        return self.franceconnect.choose(arrival, account_id, device="phone", actor=BROWSER)

    def confirm(self, account_id="account", arrival=HERS):
        return self.franceconnect.confirm(arrival, account_id, actor=BROWSER)

    def prove(self, arrival=HERS, account_id="account", version=None):
        version = self.accounts.entries[account_id].account.credential_version if (
            version is None
        ) else version  # fmt: skip
        return self.franceconnect.link_by_proof(arrival, account_id, version, actor=BROWSER)

    def unlink(self, account_id="account"):
        return self.franceconnect.unlink(account_id, actor=BROWSER)

    def link_of(self, account_id="account"):
        return self.franceconnect.link_of(account_id)

    def denied(self, act, *words, **named):
        """Do what is refused, and give the cause that the audit log tells."""
        with pytest.raises(FranceConnectRefused):
            act(*words, **named)
        return self.told("sign_in.refused")["cause"]

    def told(self, name):
        """The detail of the newest event of that name."""
        return next(e.detail for e in reversed(self.audit.events) if e.event == name)

    def happened(self):
        """The events, in order, with whose account."""
        return [(event.event, event.account_id) for event in self.audit.events]

    def mails(self):
        rows = self.outbox.rows(states=tuple(PromiseState), limit=100)
        return [(row.kind, row.account_id) for row in rows]

    def freeze(self, account_id="account"):
        """Say "ce n'était pas moi"."""
        version = self.accounts.entries[account_id].account.credential_version
        self.freezing.freeze(account_id, version=version, actor=BROWSER)

    def choose_password(self, account_id="account"):
        """Take a new password, as by a reset."""
        account = self.accounts.entries[account_id].account
        assert self.accounts.choose_password(
            account_id,
            version=account.credential_version,
            hashed=self.passwords.hash("les acacias du moulin"),
            at=self.clock(),
        )
