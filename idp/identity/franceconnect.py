"""Sign-in through FranceConnect: whose dossier a person may open (ADR 0035).

1. A living link of this ``sub``, and every dossier that equals the pivot identity.
2. None of these: nobody is guessed. The member proves a dossier by its number and a secret.

Of several dossiers the member chooses. Never by e-mail: it is not even asked for. A frozen account
is refused as any other, and what decided goes to the audit log.
"""

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from idp import IdpError
from idp.audit import Actor
from idp.audit import AuditLog
from idp.audit import Event
from idp.identity.account import Account
from idp.identity.account import Accounts
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import Qualite
from idp.identity.franceconnect_finding import Finding
from idp.identity.franceconnect_finding import Offer
from idp.identity.franceconnect_linking import Linking
from idp.identity.franceconnect_links import LINKS_OF_SUB
from idp.identity.franceconnect_links import Ending
from idp.identity.franceconnect_links import Link
from idp.identity.franceconnect_links import PivotDossier
from idp.identity.franceconnect_links import Rule
from idp.identity.login import subject_of
from idp.identity.notices import Notices
from idp.identity.outbox import Kind
from idp.identity.pivot import Arrival
from idp.identity.pivot import compare
from idp.identity.pivot import differing
from idp.limits import Attempts
from idp.session import SignedIn

ACR_FRANCECONNECT = "urn:carpimko:acr:franceconnect"
AMR_FRANCECONNECT = ("franceconnect",)
AMR_FRANCECONNECT_PASSWORD = ("franceconnect", "pwd")
"""Of a link by proof: the password was proven in the same go."""


class Refused(StrEnum):
    """Why FranceConnect was refused, or found nobody: for the audit log, never for a page."""

    FROZEN = "franceconnect_frozen"
    NOT_ACTIVE = "dossier_not_active"
    NOT_OFFERED = "franceconnect_not_offered"
    NOT_LINKED = "franceconnect_not_linked"
    TOO_MANY_LINKS = "franceconnect_too_many_links"
    CHANGED_MEANWHILE = "changed_meanwhile"


class FranceConnectRefused(IdpError):
    """The one refusal, whatever the cause; audited, so the caller commits."""

    code = "franceconnect_refused"


@dataclass(frozen=True, slots=True)
class DossierChoice:
    """A row of the chooser: ``numero_end`` is all that a page shows of the number."""

    account_id: str
    qualite: Qualite
    numero_end: str


@dataclass(frozen=True, slots=True)
class Choose:
    """Several dossiers are this person's: one is chosen."""

    choices: tuple[DossierChoice, ...]


@dataclass(frozen=True, slots=True)
class Unlinked:
    """No dossier is known to be this person's: proof makes a link, or they learn what to do.

    Said of a member who unlinked FranceConnect as of anybody: the page tells no difference.
    """


@dataclass(frozen=True, slots=True)
class FranceConnectSignIn:
    """The use case, given its stores and the clock. Each method needs the caller's transaction.

    Attributes:
        notices: as in ``SignIn``.
        redesign_at: as in ``SignIn``: a password that waits for its reset since then goes on
            waiting, though its account is opened here.
    """

    accounts: Accounts
    finding: Finding
    linking: Linking
    attempts: Attempts
    notices: Notices | None
    audit: AuditLog
    decoy_key: bytes = field(repr=False)
    redesign_at: datetime
    now: Callable[[], datetime]

    def arrive(
        self, arrival: Arrival, *, device: str, actor: Actor
    ) -> SignedIn | Choose | Unlinked:
        """Tell whose dossier it is, and sign in where there is one.

        Args:
            arrival: who, as FranceConnect vouches.
            device: the identifier under which this browser is known from now on.
            actor: for the audit log.

        Raises:
            FranceConnectRefused: theirs, and not to be opened.
            StoreUnavailable: no verdict.
        """
        found = self.finding.find(arrival)
        if len(found.offers) == 1:
            return self._open(arrival, found.offers[0], device=device, actor=actor)
        if found.offers:
            self.audit.record(
                Event.FRANCECONNECT_SEVERAL, actor=actor, detail={"dossiers": len(found.offers)}
            )
            return Choose(tuple(_choice(offer.dossier) for offer in found.offers))
        if found.shut:
            raise self._shut(found.shut[0], actor)
        self.audit.record(Event.FRANCECONNECT_UNMATCHED, actor=actor, detail={"why": found.why})
        return Unlinked()

    def choices(self, arrival: Arrival) -> tuple[DossierChoice, ...]:
        """Tell what is this person's now, for the page that asks: one of them, once, is opened.

        Raises:
            StoreUnavailable: no verdict.
        """
        return tuple(_choice(offer.dossier) for offer in self.finding.find(arrival).offers)

    def choose(self, arrival: Arrival, account_id: str, *, device: str, actor: Actor) -> SignedIn:
        """Open the dossier that was chosen, if it would be offered now.

        Raises:
            FranceConnectRefused: it would not.
            StoreUnavailable: no verdict.
        """
        for offer in self.finding.find(arrival).offers:
            if offer.dossier.account_id == account_id:
                return self._open(arrival, offer, device=device, actor=actor)
        # Nobody's: it is whatever a page said.
        raise self._refused(Refused.NOT_OFFERED, None, actor)

    def confirm(self, arrival: Arrival, account_id: str, *, actor: Actor) -> SignedIn:
        """Sign in again, as the person that this very account is linked to.

        Raises:
            FranceConnectRefused: it is linked to nobody, or this is somebody else.
            StoreUnavailable: no verdict.
        """
        if self.linking.links.of_account(account_id) is None:
            raise self._refused(Refused.NOT_LINKED, account_id, actor)
        return self.choose(arrival, account_id, device="", actor=actor)

    def link_by_proof(
        self, arrival: Arrival, account_id: str, credential_version: int, *, actor: Actor
    ) -> SignedIn:
        """Link an account that was proven just now: by its password, or by choosing one.

        It tells how the session is to be opened: by both.

        Args:
            arrival: who.
            account_id: whose password was right.
            credential_version: under which it was.
            actor: for the audit log.

        Raises:
            FranceConnectRefused: the account changed meanwhile, or ``sub`` has links enough.
            StoreUnavailable: nothing was linked.
        """
        self._link_proven(arrival, account_id, credential_version, by="proof", actor=actor)
        return SignedIn(
            account_id, credential_version, AMR_FRANCECONNECT_PASSWORD, ACR_FRANCECONNECT
        )

    def is_theirs(self, arrival: Arrival, account_id: str) -> bool:
        """Tell whether the State says that this is the person of an account's dossier."""
        dossiers = self.finding.directory.of_accounts((account_id,))
        return any(compare(arrival.pivot, dossier.pivot) is not None for dossier in dossiers)

    def link(
        self, arrival: Arrival, account_id: str, credential_version: int, *, actor: Actor
    ) -> None:
        """Link the account of a session, which signed in recently: that is the proof.

        Raises as ``link_by_proof``.
        """
        self._link_proven(arrival, account_id, credential_version, by="account", actor=actor)

    def unlink(self, account_id: str, *, actor: Actor) -> bool:
        """End the link of a session's account; False when none lived.

        From now on FranceConnect does not open it, though the State says who comes, until its
        member links it again: here, or with number and password. Whoever has no password chooses
        one by mail or letter, as anybody: say so on the page that asks.
        """
        return self.linking.unlink(account_id, Ending.MEMBER, actor=actor)

    def link_of(self, account_id: str) -> Link | None:
        """Read the living link of an account, for the member's own page."""
        return self.linking.links.of_account(account_id)

    def _open(self, arrival: Arrival, offer: Offer, *, device: str, actor: Actor) -> SignedIn:
        account = self._hold(offer.dossier, actor, signs_in=True)
        link = self.linking.links.of_account(account.id)
        told = offer.told
        if link is not None and link.sub == arrival.sub:
            self.linking.links.used(account.id, at=self.now())
            if differs := differing(arrival.pivot, offer.dossier.pivot):
                # The link decides; that the directory says something else by now is noted.
                told["differs"] = " ".join(differs)
        elif offer.rule is Rule.SUB or not self.linking.link(
            arrival,
            account,
            Rule.PIVOT,
            actor=actor,
            detail={**told, "by": "sign_in"},
            unbidden=True,
        ):
            # Unlinked, or linked, at this very moment.
            raise self._refused(Refused.CHANGED_MEANWHILE, account.id, actor)
        subject = subject_of(self.decoy_key, offer.dossier.qualite, offer.dossier.numero)
        is_another = bool(device) and self.attempts.knows_others(subject, device)
        self.attempts.lift(subject, device=device)
        self.audit.record(
            Event.SIGN_IN_SUCCEEDED,
            account_id=account.id,
            actor=actor,
            detail={"by": "franceconnect", **told},
        )
        if is_another and self.notices is not None:
            version = account.credential_version
            self.notices.tell(Kind.NEW_BROWSER, account.id, version=version)
        return SignedIn(
            account.id, account.credential_version, AMR_FRANCECONNECT, ACR_FRANCECONNECT
        )

    def _link_proven(
        self, arrival: Arrival, account_id: str, version: int, *, by: str, actor: Actor
    ) -> None:
        for dossier in self.finding.directory.of_accounts((account_id,)):
            if not dossier.may_open:
                raise self._shut(dossier, actor)
            account = self._hold(dossier, actor, signs_in=False)
            link = self.linking.links.of_account(account_id)
            if account.credential_version != version:
                break
            if link is not None and link.sub == arrival.sub:
                return
            if len(self.linking.links.of_sub(arrival.sub)) >= LINKS_OF_SUB:
                raise self._refused(Refused.TOO_MANY_LINKS, account_id, actor)
            match = compare(arrival.pivot, dossier.pivot)
            # What equals rests on the State's word, however it was linked.
            rule = Rule.PROOF if match is None else Rule.PIVOT
            told = {**Offer(dossier, rule, match).told, "by": by}
            if match is None:
                told["differs"] = " ".join(differing(arrival.pivot, dossier.pivot))
            if self.linking.link(arrival, account, rule, actor=actor, detail=told):
                return
        raise self._refused(Refused.CHANGED_MEANWHILE, account_id, actor)

    def _hold(self, dossier: PivotDossier, actor: Actor, *, signs_in: bool) -> Account:
        """Hold the account's row until the transaction ends, if nothing of it has changed.

        A sign-in here is one of the account, but for a password that waits for its reset (of before
        March 2021, or none yet, which an import may still bring): it would come to life by it.
        """
        account = self.accounts.find(dossier.qualite, dossier.numero)
        if account is not None and account.id == dossier.account_id:
            counts = signs_in and not account.must_reset(self.redesign_at)
            at = self.now() if counts else None
            if self.accounts.signed_in(account, at=at, replacement=None):
                return account
        raise self._refused(Refused.CHANGED_MEANWHILE, dossier.account_id, actor)

    def _shut(self, dossier: PivotDossier, actor: Actor) -> FranceConnectRefused:
        active = dossier.status is DossierStatus.ACTIVE
        cause = Refused.FROZEN if active else Refused.NOT_ACTIVE
        return self._refused(cause, dossier.account_id, actor)

    def _refused(
        self, cause: Refused, account_id: str | None, actor: Actor
    ) -> FranceConnectRefused:
        """Tell the audit log of a refusal, and give what is raised."""
        self.audit.record(
            Event.SIGN_IN_REFUSED,
            account_id=account_id,
            actor=actor,
            detail={"by": "franceconnect", "cause": cause},
        )
        return FranceConnectRefused(cause)


def _choice(dossier: PivotDossier) -> DossierChoice:
    return DossierChoice(dossier.account_id, dossier.qualite, dossier.numero.last_digits)
