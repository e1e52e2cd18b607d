"""Reset and first connection: who asks, by which channel, and what is promised.

Nobody learns who exists. An unknown number, a closed dossier and a known account take the same
steps through the same stores; what a page shows for the first two comes from a keyed hash, and the
row they leave in the outbox is dropped by the worker.
"""

import logging
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from datetime import date
from datetime import datetime
from datetime import timedelta
from typing import Protocol

from idp import IdpError
from idp import StoreUnavailable
from idp.audit import Actor
from idp.audit import AuditLog
from idp.audit import Event
from idp.identity.anti_robot import AntiRobot
from idp.identity.anti_robot import Proof
from idp.identity.anti_robot import Solution
from idp.identity.contact import Contact
from idp.identity.contact import Contacts
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.login import subject_of
from idp.identity.mask import mask_email
from idp.identity.outbox import Kind
from idp.identity.outbox import Outbox
from idp.identity.reset_journey import Journey
from idp.identity.reset_journey import JourneyEnded
from idp.identity.reset_quotas import QuotaReached
from idp.identity.reset_quotas import ResetQuotas
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import TemporaryPasswords
from idp.identity.working_days import expected_by
from idp.identity.working_days import print_day
from idp.limits import Once

FORM = "reset"
"""The name of the first form, to which its anti-robot is bound."""

CHOOSING = timedelta(seconds=10)
"""What a choice under way takes at most: one that was never told done may be made again then."""

REFUSED_CHOICES = 10
"""So many refused by quotas end a journey: one anti-robot shall not ask without end."""

_UNDER_WAY = "under way"
_ENDED = "ended"
_SOMEBODY = "prenom.nom@messagerie.example"
"""Masked, and shown to nobody, where there is no address to mask."""

log = logging.getLogger("idp.reset")


class ChannelNotOffered(IdpError):
    """A mail was asked for where there is no address."""

    code = "channel_not_offered"


class ChoiceUnderWay(IdpError):
    """The same form was sent a moment ago, and nobody knows yet what becomes of it."""

    code = "choice_under_way"


class ContactMasks(Protocol):
    """What a page shows of somebody who does not exist."""

    def contact_mask(self, subject: str, qualite: Qualite) -> str:
        """Give a mask that stays the same from day to day; "" for post only."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the page of the second step offers.

    Attributes:
        mail_mask: the masked address, or "" when only post is possible.
        letter_by: the day by which a letter promised now arrives.
    """

    mail_mask: str
    letter_by: date


@dataclass(frozen=True, slots=True)
class Promised:
    """A row of the outbox; ``holder`` is the account, or the keyed hash of an unknown number."""

    holder: str
    channel: Channel
    promise: int
    version: int


@dataclass(frozen=True, slots=True)
class Choosing:
    """A channel was chosen; ``promised`` is None when it had been chosen before."""

    journey: Journey
    promised: Promised | None


@dataclass(frozen=True, slots=True)
class Reset:
    """The use case, given its stores and the clock.

    Attributes:
        print_hour: of France; a letter asked for later is printed on the next working day.
        letter_every: after so long another letter may be asked for.
    """

    contacts: Contacts
    masks: ContactMasks
    temporaries: TemporaryPasswords
    outbox: Outbox
    quotas: ResetQuotas
    once: Once
    anti_robot: AntiRobot
    audit: AuditLog
    decoy_key: bytes = field(repr=False)
    journey_lifetime: timedelta
    print_hour: int
    letter_every: timedelta
    now: Callable[[], datetime]

    def begin(
        self,
        qualite: Qualite,
        numero: NumeroDossier,
        *,
        solution: Solution,
        browser: str,
        network: str,
        actor: Actor,
    ) -> Journey:
        """Spend the anti-robot, count the request, start a journey; nothing is looked up yet.

        Raises:
            AntiRobotRefused: another one is to be solved.
            QuotaReached: this network asked too often; audited once the caller commits.
            StoreUnavailable: nothing was begun.
        """
        by_question = self.anti_robot.accept(FORM, browser, solution) is Proof.ANSWER
        detail = {"subject": subject_of(self.decoy_key, qualite, numero)}
        try:
            self.quotas.begin(network, by_question=by_question)
        except QuotaReached as held:
            self._held(held, detail, actor)
            raise
        self.audit.record(
            Event.RESET_BEGUN, actor=actor, detail={**detail, "by_question": int(by_question)}
        )
        return Journey.begun(qualite, numero)

    def offer(self, journey: Journey) -> Offer:
        """Tell by which channels the temporary password can be sent.

        Raises:
            StoreUnavailable: nobody can tell.
        """
        contact = self.contacts.find(journey.qualite, journey.numero)
        # Both are made for everyone: their time tells nothing.
        decoy = self.masks.contact_mask(self._subject(journey), journey.qualite)
        address = contact.email if contact is not None else ""
        masked = mask_email(address or _SOMEBODY)
        real = masked if address else ""
        shown = real if _may_receive(contact) else decoy
        return Offer(shown, expected_by(print_day(self.now(), hour=self.print_hour)))

    def choose(self, journey: Journey, channel: Channel, *, network: str, actor: Actor) -> Choosing:
        """Promise one message for one journey; sent twice, the form promises nothing more.

        Needs the caller's transaction: what was promised is committed before a page says so.

        Returns:
            The journey with the channel that was chosen first, and what ``noted`` needs after the
            commit.

        Raises:
            ChannelNotOffered: there is no address to mail to.
            ChoiceUnderWay: the same journey is choosing; if its process was killed, another choice
                is taken after ``CHOOSING``.
            JourneyEnded: quotas refused it ten times.
            QuotaReached: nothing was promised, and another channel may be chosen; audited once a
                journey when the caller commits.
            StoreUnavailable: nothing was promised.
        """
        if journey.chosen is not None:
            return Choosing(journey, None)
        if channel is Channel.MAIL and not self.offer(journey).mail_mask:
            raise ChannelNotOffered
        name = _once_name(journey)
        earlier = self.once.take(name, _UNDER_WAY, lifetime=CHOOSING)
        if earlier == _ENDED:
            raise JourneyEnded("refused too often")
        if earlier == _UNDER_WAY:
            raise ChoiceUnderWay
        if earlier is not None:
            return Choosing(replace(journey, chosen=Channel(earlier)), None)
        try:
            held = self._count(journey, channel, network, actor)
        except StoreUnavailable:
            self.once.give_back(name)
            raise
        except QuotaReached:
            self.once.give_back(name)
            self._end_if_refused_too_often(journey)
            raise
        try:
            promised = self._promise(journey, channel, held, actor)
        except StoreUnavailable:
            self.taken_back(journey, channel)
            raise
        return Choosing(replace(journey, chosen=channel), promised)

    def taken_back(self, journey: Journey, channel: Channel) -> None:
        """Let a channel be chosen again after a commit that failed: nothing was promised.

        Else the form sent again would confirm a message that never leaves, and a letter that never
        left would hold the next one for days.

        Raises:
            StoreUnavailable: both end by themselves.
        """
        self.once.give_back(_once_name(journey))
        if channel is Channel.LETTER:
            self.quotas.forget_letter(self._subject(journey))

    def noted(self, chosen: Choosing) -> None:
        """Note what was promised, once it is committed: the journey has chosen, a secret is due.

        Before the commit, a process killed meanwhile would leave a journey that confirms what was
        never promised, and a number that SQL took back would supersede a message that waits.
        Nothing is lost without it: the row is the promise, and a later one supersedes it.

        Raises:
            StoreUnavailable: it was not noted.
        """
        promised = chosen.promised
        if promised is None:
            return
        name = _once_name(chosen.journey)
        self.once.keep(name, promised.channel, lifetime=self.journey_lifetime)
        self.temporaries.request(
            promised.holder, promised.channel, promised.promise, version=promised.version
        )

    def _count(self, journey: Journey, channel: Channel, network: str, actor: Actor) -> bool:
        """Count a message, once a journey; True for a letter that the breaker holds."""
        subject = self._subject(journey)
        try:
            if channel is Channel.MAIL:
                self.quotas.mail(subject, request=journey.id)
                return False
            held = self.quotas.letter(subject, network, request=journey.id)
        except QuotaReached as reached:
            told = f"reset-held:{journey.id}:{reached.quota}"
            if self.once.take(told, "1", lifetime=self.journey_lifetime) is None:
                self._held(reached, {"subject": subject, "channel": channel}, actor)
            raise
        if held:
            # The alarm: somebody empties the fund's letter box, or a campaign was not told.
            log.error("the letter breaker holds letters back: see idp letters list")
        return held

    def _end_if_refused_too_often(self, journey: Journey) -> None:
        refused = self.quotas.choice_refused(journey.id, lifetime=self.journey_lifetime)
        if refused >= REFUSED_CHOICES:
            self.once.take(_once_name(journey), _ENDED, lifetime=self.journey_lifetime)

    def _promise(self, journey: Journey, channel: Channel, held: bool, actor: Actor) -> Promised:
        subject = self._subject(journey)
        contact = self.contacts.find(journey.qualite, journey.numero)
        known = contact if _may_receive(contact) else None
        account_id = known.account_id if known else None
        version = known.credential_version if known else 0
        promise = self.outbox.add(
            Kind.TEMPORARY_PASSWORD,
            channel,
            account_id=account_id,
            credential_version=version,
            held=held,
        )
        self.audit.record(
            Event.RESET_REQUESTED,
            account_id=account_id,
            actor=actor,
            detail={
                "subject": subject,
                "channel": channel,
                "promise": promise,
                "held": int(held),
            },
        )
        if channel is Channel.LETTER:
            # By the other channel, where there is one: whoever empties a letter box is seen.
            self.outbox.add(
                Kind.LETTER_REQUESTED,
                Channel.MAIL,
                account_id=account_id,
                credential_version=version,
            )
        # Under the name of what was typed where there is no account: the same steps for everyone.
        return Promised(account_id or subject, channel, promise, version)

    def _subject(self, journey: Journey) -> str:
        return subject_of(self.decoy_key, journey.qualite, journey.numero)

    def _held(self, held: QuotaReached, detail: Mapping[str, str], actor: Actor) -> None:
        self.audit.record(Event.RESET_HELD, actor=actor, detail={**detail, "quota": held.quota})


def _once_name(journey: Journey) -> str:
    return f"reset-journey:{journey.id}"


def _may_receive(contact: Contact | None) -> bool:
    return contact is not None and contact.status is DossierStatus.ACTIVE
