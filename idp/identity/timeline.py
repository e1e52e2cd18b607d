"""One account as the help desk sees it: what holds now, what can be done, what happened.

Pure: from what the stores said at one instant to sentences in plain French, in Paris time. They
show a masked address and no number; a secret is nowhere to be shown from.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from enum import StrEnum

from idp.identity.account import Protection
from idp.identity.audit_trail import PastEvent
from idp.identity.contact import Contact
from idp.identity.contact import letter_fault
from idp.identity.dossier import DossierStatus
from idp.identity.franceconnect_links import Link
from idp.identity.mask import mask_email
from idp.identity.outbox import Kind
from idp.identity.outbox import Promise
from idp.identity.temporary_password import LIFETIMES
from idp.identity.temporary_password import Channel
from idp.identity.temporary_password import State
from idp.identity.temporary_password import TemporaryPassword
from idp.identity.timeline_words import BY_CHANNEL
from idp.identity.timeline_words import MESSAGES
from idp.identity.timeline_words import fault_in_words
from idp.identity.timeline_words import rule_in_words
from idp.identity.timeline_words import words_of
from idp.identity.working_days import FRANCE
from idp.identity.working_days import day_in_france
from idp.identity.working_days import expected_by
from idp.identity.working_days import in_words
from idp.limits import Waiting
from idp.promise import PromiseState

_MINUTE = timedelta(minutes=1)
_INSTANT = timedelta(microseconds=1)

STATUS = {
    DossierStatus.ACTIVE: "dossier actif",
    DossierStatus.CLOSED: "dossier clos",
    DossierStatus.DECEASED: "décès signalé",
}

_OF_THE_ADDRESS = frozenset({"recipient_refused", "address_invalid"})
_CLOSED = {
    DossierStatus.CLOSED: "Le dossier est clos",
    DossierStatus.DECEASED: "Un décès est signalé",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the stores said of one account at ``at``; promises and events are the newest first.

    ``link`` is the one to FranceConnect that lives.
    """

    at: datetime
    contact: Contact
    waiting: Waiting
    temporaries: Sequence[TemporaryPassword]
    promises: Sequence[Promise]
    events: Sequence[PastEvent]
    link: Link | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened: ``event`` as the audit log calls it, ``text`` as people say it."""

    at: datetime
    event: str
    text: str


class Act(StrEnum):
    """What the help desk can do, by the name of its command."""

    UNLOCK = "unlock"
    REOPEN = "reopen"
    SEND_MAIL = "send-mail"
    SEND_LETTER = "send-letter"


@dataclass(frozen=True, slots=True)
class Step:
    """What can be done next: by the member, or by ``act``; ``again`` when one must insist."""

    text: str
    act: Act | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class OnItsWay:
    """A temporary password that is promised (``valid_until`` is None) or out and alive."""

    since: datetime
    valid_until: datetime | None


def on_its_way(seen: Seen, channel: Channel) -> OnItsWay | None:
    """Find what another message of this channel would supersede; None when nothing would."""
    for promise in _promised(seen, (PromiseState.WAITING, PromiseState.HELD)):
        if promise.channel is channel:
            return OnItsWay(promise.created_at, None)
    for found in _current(seen):
        if found.channel is channel and _is_alive(found, seen.at):
            return OnItsWay(_left_at(seen, found), found.expires_at)
    return None


def history(events: Sequence[PastEvent]) -> list[Line]:
    """Say what happened, in the order given."""
    return [Line(event.at, event.event, words_of(event)) for event in events]


def standing(seen: Seen) -> list[str]:
    """Say what holds now, the most pressing first."""
    if seen.contact.status is not DossierStatus.ACTIVE:
        return [f"{_CLOSED[seen.contact.status]} : personne ne peut se connecter à ce compte."]
    lines = [*_protection(seen), *_waits(seen), *_secrets(seen), *_messages(seen)]
    if not seen.contact.has_password:
        lines.insert(0, "Aucun mot de passe n'a encore été choisi : c'est une première connexion.")
    nothing = "Rien n'est en route, et rien ne bloque ce compte."
    return [*(lines or [nothing]), *_link(seen)]


def steps(seen: Seen) -> list[Step]:
    """Say what can be done next, the most useful first."""
    if seen.contact.status is not DossierStatus.ACTIVE:
        return [Step("Ni connexion ni envoi : voir le service qui gère les dossiers.")]
    found = []
    if seen.contact.protection is Protection.FROZEN:
        found.append(
            Step(
                "La lettre suffit. Si elle ne peut pas servir, rappelez la personne à un numéro du"
                " dossier, contrôlez qui elle est, puis rouvrez aux mails",
                Act.REOPEN,
            )
        )
        found.append(_letter_step(seen))
        return found
    waits = seen.waiting.until is not None or seen.waiting.known is not None
    if waits:
        found.append(Step("Un nouveau mot de passe choisi lève l'attente."))
        found.append(Step("Vous pouvez lever l'attente maintenant", Act.UNLOCK))
    elif _letter_is_locked(seen):
        found.append(Step("Vous pouvez permettre une autre demande de lettre", Act.UNLOCK))
    found.append(_mail_step(seen))
    found.append(_letter_step(seen))
    found.append(
        Step("La personne peut demander elle-même : « Mot de passe oublié / Première connexion ? »")
    )
    return found


def day_of(at: datetime) -> str:
    """Say the day of an instant: ``mardi 24 novembre 2026``."""
    return str(in_words(day_in_france(at), year=True))


def hour_of(at: datetime) -> str:
    """Say its hour: ``14 h 02``."""
    paris = at.astimezone(FRANCE)
    return f"{paris.hour} h {paris.minute:02}"


def when(at: datetime) -> str:
    """Say when: ``le mardi 24 novembre à 14 h 02``."""
    return f"le {in_words(day_in_france(at))} à {hour_of(at)}"


def until(end: datetime, *, at: datetime) -> str:
    """Say until when: ``jusqu'à 14 h 32``, with the day when it is another than that of ``at``."""
    if day_in_france(end) == day_in_france(at):
        return f"jusqu'à {hour_of(end)}"
    return f"jusqu'au {in_words(day_in_france(end))} à {hour_of(end)}"


def waits_until(end: datetime, *, at: datetime) -> str:
    """Say the end of a wait: the minute after which a try is read, never one before."""
    minute = end.replace(second=0, microsecond=0)
    return until(minute if minute == end else minute + _MINUTE, at=at)


def valid(channel: Channel, end: datetime, *, at: datetime) -> str:
    """Say until when a secret opens: the last day of a letter, the minute of a mail."""
    if channel is Channel.LETTER:
        return f"jusqu'au {in_words(day_in_france(end - _INSTANT))} inclus"
    return until(end, at=at)


def _protection(seen: Seen) -> Iterator[str]:
    if seen.contact.protection is Protection.FROZEN:
        yield (
            "Le compte est bloqué (« ce n'était pas moi ») : ni mot de passe ni mail ne"
            " l'ouvrent, seulement le mot de passe provisoire d'une lettre."
        )
    elif seen.contact.protection is Protection.REOPENED:
        yield (
            "Le compte a été rouvert : le mot de passe d'avant reste refusé, un provisoire, par"
            " lettre ou par mail, permet d'en choisir un nouveau."
        )


def _waits(seen: Seen) -> Iterator[str]:
    waiting, known = seen.waiting, seen.waiting.known
    if waiting.until is not None:
        end = waits_until(waiting.until, at=seen.at)
        yield f"Le compte est en attente {end} ({_failures(waiting.failures)})."
    if known is not None and known.until is not None:
        end = waits_until(known.until, at=seen.at)
        yield f"Un navigateur déjà connu attend {end} ({_failures(known.failures)})."


def _failures(count: int) -> str:
    return f"{count} échec{'s' if count > 1 else ''} de suite"


def _secrets(seen: Seen) -> Iterator[str]:
    for found in _current(seen):
        if found.expires_at is None:
            continue  # only requested: the outbox tells what became of it
        secret = f"Le mot de passe provisoire envoyé {BY_CHANNEL[found.channel]}"
        if found.state is State.LOCKED:
            yield f"{secret} est bloqué après trop d'essais faux."
        elif found.opened_until is not None:
            end = until(found.opened_until, at=seen.at)
            yield f"{secret} a été tapé : le nouveau peut être choisi {end}."
        elif found.expires_at <= seen.at:
            yield f"{secret} a expiré {when(found.expires_at - _INSTANT)}."
        else:
            yield _alive(seen, found, found.expires_at)


def _alive(seen: Seen, found: TemporaryPassword, expires_at: datetime) -> str:
    left_at = _left_at(seen, found)
    end = valid(found.channel, expires_at, at=seen.at)
    tries = f", {found.wrong_tries} fois mal tapé" if found.wrong_tries else ""
    if found.channel is Channel.MAIL:
        return f"Un mail est parti {when(left_at)} ; mot de passe provisoire valable {end}{tries}."
    day = expected_by(day_in_france(left_at))
    arrives = "arrive" if day >= day_in_france(seen.at) else "devait arriver"
    return (
        f"Une lettre a été imprimée le {in_words(day_in_france(left_at))}, elle {arrives} au plus"
        f" tard le {in_words(day)} ; mot de passe provisoire valable {end}{tries}."
    )


def _messages(seen: Seen) -> Iterator[str]:
    for promise in seen.promises:
        what = f"{MESSAGES[promise.kind]} {BY_CHANNEL[promise.channel]}"
        told = f"{what[0].upper()}{what[1:]}, promis {when(promise.created_at)}"
        why = f" : {fault_in_words(promise.fault)}" if promise.fault else ""
        if promise.state is PromiseState.DEAD and not promise.outlived(seen.at):
            retry = f"`idp outbox retry {promise.id}`"
            yield f"{told}, abandonné{why}. Une fois la cause réparée : {retry}."
        elif promise.state is PromiseState.HELD:
            yield f"{told}, retenu : trop de lettres ce jour-là (`idp letters release`)."
        elif promise.state is PromiseState.WAITING and promise.channel is Channel.LETTER:
            yield f"{told}, attend l'impression."
        elif promise.state is PromiseState.WAITING and promise.due_at > seen.at:
            yield f"{told}, pas encore parti{why} ; prochain essai {when(promise.due_at)}."
        elif promise.state is PromiseState.WAITING:
            yield f"{told}, part dans un instant."
    for lost in _lost_letters(seen):
        yield (
            f"La lettre imprimée {when(lost.done_at or lost.created_at)} (lot {lost.batch}) n'ouvre"
            " plus rien : `idp letters reissue`, ou une autre lettre."
        )


def _link(seen: Seen) -> Iterator[str]:
    if seen.link is not None:
        rule = rule_in_words(seen.link.rule)
        yield f"FranceConnect est rattaché à ce compte, {when(seen.link.linked_at)} ({rule})."


def _lost_letters(seen: Seen) -> list[Promise]:
    """The newest letter that left in time and is not known any more: its secret died with Redis."""
    known = any(found.channel is Channel.LETTER for found in seen.temporaries)
    if known or on_its_way(seen, Channel.LETTER) is not None:
        return []
    since = seen.at - LIFETIMES[Channel.LETTER]
    done = _promised(seen, (PromiseState.DONE,))
    letters = [p for p in done if p.channel is Channel.LETTER and (p.done_at or since) > since]
    return letters[:1]


def _mail_step(seen: Seen) -> Step:
    contact, way = seen.contact, on_its_way(seen, Channel.MAIL)
    mask = mask_email(contact.email)
    if not mask:
        recorded = " (celle qui vient d'être enregistrée attend 10 jours)"
        return Step(
            "Pas de mail possible : aucune adresse utilisable"
            f"{recorded if contact.confirmed_email else ''}, proposez la lettre."
        )
    if way is None and _address_was_refused(seen):
        text = (
            f"L'adresse {mask} a été refusée : proposez la lettre, ou essayez-la une fois corrigée"
        )
        return Step(text, Act.SEND_MAIL)
    if way is None:
        return Step(f"Vous pouvez envoyer un mot de passe provisoire à {mask}", Act.SEND_MAIL)
    if way.valid_until is None:
        text = f"Faites attendre le mail, pas encore parti à {mask} ; un autre le remplacerait"
        return Step(text, Act.SEND_MAIL, again=True)
    return Step(
        f"Faites chercher le mail à {mask}, dans les indésirables aussi ; un autre remplacerait"
        " celui-ci",
        Act.SEND_MAIL,
        again=True,
    )


def _address_was_refused(seen: Seen) -> bool:
    """Tell whether the newest mail that left, or did not, was refused for its address."""
    ended = (p for p in seen.promises if p.channel is Channel.MAIL and p.done_at is not None)
    newest = next(ended, None)
    return newest is not None and newest.fault in _OF_THE_ADDRESS


def _letter_step(seen: Seen) -> Step:
    if fault := letter_fault(seen.contact):
        return Step(
            f"Pas de lettre possible : {fault_in_words(fault)}, à corriger dans le dossier."
        )
    if on_its_way(seen, Channel.LETTER) is None:
        return Step("Vous pouvez envoyer un mot de passe provisoire par lettre", Act.SEND_LETTER)
    return Step(
        "Faites attendre la lettre ; une autre la remplacerait",
        Act.SEND_LETTER,
        again=True,
    )


def _letter_is_locked(seen: Seen) -> bool:
    return any(
        found.channel is Channel.LETTER and found.state is State.LOCKED for found in _current(seen)
    )


def _current(seen: Seen) -> list[TemporaryPassword]:
    """What no new password has killed yet, and whose message did not stay here."""
    stayed = {promise.id for promise in seen.promises if promise.state is not PromiseState.DONE}
    return [
        found
        for found in seen.temporaries
        if found.credential_version == seen.contact.credential_version
        and not (found.state is State.ISSUED and found.promise in stayed)
    ]


def _promised(seen: Seen, states: Sequence[PromiseState]) -> Iterator[Promise]:
    """The temporary passwords promised, in some states, that could still open something."""
    for promise in seen.promises:
        if (
            promise.kind is Kind.TEMPORARY_PASSWORD
            and promise.state in states
            and promise.credential_version == seen.contact.credential_version
            and (promise.state is PromiseState.DONE or not promise.outlived(seen.at))
        ):
            yield promise


def _is_alive(found: TemporaryPassword, at: datetime) -> bool:
    if found.expires_at is None or found.state is State.LOCKED:
        return False
    return found.expires_at > at


def _left_at(seen: Seen, found: TemporaryPassword) -> datetime:
    """When its message left; when it was asked for, while nobody noted that it did."""
    for promise in seen.promises:
        if promise.id == found.promise and promise.done_at is not None:
            return promise.done_at
    return found.requested_at
