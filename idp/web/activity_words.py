"""What a member reads of the audit log: plain words for what concerns them, a day at a time.

The help desk reads causes and networks (``identity/timeline_words``); a member reads what happened,
and what it means. What only operators understand is left out, and so is what strangers did in
vain, but for how often. Their own copy of what is known leaves out neither, in words of one kind.
"""

from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from datetime import datetime

from idp.audit import Event
from idp.identity.audit_trail import PastEvent
from idp.identity.outbox import Kind
from idp.identity.temporary_password import Channel
from idp.identity.working_days import day_in_france
from idp.identity.working_days import hour_in_words
from idp.identity.working_days import in_words
from idp.sentence import Sentence
from idp.sentence import counted
from idp.sentence import say
from idp.web.account_devices import network_shown

FAILURES = frozenset(
    {Event.SIGN_IN_REFUSED, Event.TEMPORARY_REFUSED, Event.TEMPORARY_LOCKED, Event.SIGN_IN_DELAYED}
)

OTHER = say("Autre événement de cet espace")


@dataclass(frozen=True, slots=True)
class Deed:
    """One line: an hour (the last one of several), what happened, where it came from or ""."""

    hour: Sentence
    says: Sentence
    network: str = ""


@dataclass(frozen=True, slots=True)
class Day:
    """The deeds of one day in France, the newest first."""

    name: Sentence
    deeds: tuple[Deed, ...]


def days_of(events: Sequence[PastEvent], *, since: datetime) -> list[Day]:
    """Say what happened after ``since``, given the newest first; failures of a day are one line."""
    recent = [event for event in events if event.at > since]
    failures = Counter(day_in_france(one.at) for one in recent if one.event in FAILURES)
    days: dict[date, list[Deed]] = {}
    for event in recent:
        day = day_in_france(event.at)
        if event.event in FAILURES:
            count = failures.pop(day, 0)  # told where the newest of them stands
            says = counted("%(count)s essai manqué", "%(count)s essais manqués", count)
            if count:
                days.setdefault(day, []).append(Deed(hour_in_words(event.at), says))
        elif (saying := _SAYINGS.get(event.event)) and (told := saying(event)):
            network = event.network if event.event == Event.SIGN_IN_SUCCEEDED else ""
            deed = Deed(hour_in_words(event.at), told, network_shown(network))
            days.setdefault(day, []).append(deed)
    return [Day(in_words(day, year=True), tuple(deeds)) for day, deeds in days.items()]


def told_alone(event: PastEvent) -> Sentence:
    """Say one event by itself, for the member's own copy: it leaves nothing out."""
    for sayings in (_SAYINGS, _OF_THE_COPY):
        if (saying := sayings.get(event.event)) and (told := saying(event)):
            return told
    return OTHER


def _signed_in(event: PastEvent) -> Sentence:
    if event.detail.get("by") == "franceconnect":
        return say("Connexion avec FranceConnect")
    known = event.detail.get("known_device")
    if known == 0:
        return say("Connexion depuis un appareil ou un navigateur nouveau")
    if known == 1:
        return say("Connexion depuis un appareil que vous avez déjà utilisé")
    return say("Connexion")


def _requested(event: PastEvent) -> Sentence:
    if event.detail.get("channel") == Channel.LETTER:
        return say("Mot de passe provisoire demandé par courrier")
    return say("Mot de passe provisoire demandé par mail")


def _sent(event: PastEvent) -> Sentence:
    if event.detail.get("channel") == Channel.LETTER:
        return say("Lettre avec un mot de passe provisoire imprimée pour la poste")
    return say("Mail avec un mot de passe provisoire envoyé")


def _chosen(event: PastEvent) -> Sentence:
    if event.detail.get("first"):
        return say("Premier mot de passe choisi")
    return say("Nouveau mot de passe choisi, avec un mot de passe provisoire")


def _frozen(event: PastEvent) -> Sentence:
    if event.operator:
        return say("Espace bloqué par nos services")
    return say("Espace bloqué : « Ce n’était pas moi »")


def _franceconnect_unlinked(event: PastEvent) -> Sentence:
    if event.operator:
        return say("FranceConnect retiré de votre espace par nos services")
    return say("FranceConnect retiré de votre espace")


def _sessions_ended(event: PastEvent) -> Sentence:
    return _ENDED.get(str(event.detail.get("cause")), say("Connexions fermées"))


def _notice(event: PastEvent) -> Sentence | None:
    return _NOTICES.get(str(event.detail.get("kind")))


def _plain(words: Sentence) -> Callable[[PastEvent], Sentence]:
    return lambda _event: words


_ENDED: Mapping[str, Sentence] = {
    "device": say("Un appareil déconnecté"),
    "other_devices": say("Tous les autres appareils déconnectés"),
    "too_many": say("L’appareil connecté depuis le plus longtemps déconnecté"),
}

_NOTICES: Mapping[str, Sentence] = {
    Kind.SIGN_IN_FAILURES: say("Nous vous avons écrit : plusieurs essais manqués"),
    Kind.NEW_BROWSER: say("Nous vous avons écrit : connexion depuis un appareil nouveau"),
}

_SAYINGS: Mapping[str, Callable[[PastEvent], Sentence | None]] = {
    Event.SIGN_IN_SUCCEEDED: _signed_in,
    Event.SESSION_ENDED: _plain(say("Déconnexion")),
    Event.SESSIONS_ENDED: _sessions_ended,
    Event.RESET_REQUESTED: _requested,
    Event.TEMPORARY_SENT: _sent,
    Event.TEMPORARY_OPENED: _plain(say("Mot de passe provisoire utilisé")),
    Event.PASSWORD_CHOSEN: _chosen,
    Event.PASSWORD_CHANGED: _plain(say("Mot de passe changé")),
    Event.ADDRESS_REQUESTED: _plain(say("Nouvelle adresse mail proposée")),
    Event.ADDRESS_RECORDED: _plain(say("Nouvelle adresse mail enregistrée")),
    Event.CONSENT_GIVEN: _plain(say("Accès à vos informations donné à un service")),
    Event.CONSENT_REFUSED: _plain(say("Accès à vos informations refusé à un service")),
    Event.ACCESS_TAKEN_BACK: _plain(say("Accès retiré à un service")),
    Event.REFRESH_REUSED: _plain(say("Accès d’un service fermé par sécurité")),
    Event.DATA_DOWNLOADED: _plain(say("Vos informations téléchargées")),
    Event.FRANCECONNECT_LINKED: _plain(say("FranceConnect rattaché à votre espace")),
    Event.FRANCECONNECT_RELINKED: _plain(
        say("FranceConnect rattaché à votre espace, à la place d’un autre rattachement")
    ),
    Event.FRANCECONNECT_UNLINKED: _franceconnect_unlinked,
    Event.ACCOUNT_FROZEN: _frozen,
    Event.ACCOUNT_REOPENED: _plain(say("Espace rouvert par nos services")),
    Event.ACCOUNT_UNLOCKED: _plain(say("Attente levée par nos services")),
    Event.NOTICE_SENT: _notice,
}

_OF_THE_COPY: Mapping[str, Callable[[PastEvent], Sentence | None]] = {
    event: _plain(words)
    for event, words in {
        Event.SIGN_IN_REFUSED: say("Essai de connexion manqué"),
        Event.SIGN_IN_DELAYED: say("Essai de connexion refusé, il fallait attendre"),
        Event.TEMPORARY_REFUSED: say("Essai manqué avec un mot de passe provisoire"),
        Event.TEMPORARY_LOCKED: say("Mot de passe provisoire bloqué après trop d’essais"),
        Event.FRANCECONNECT_SEVERAL: say(
            "Connexion avec FranceConnect : choix d’un dossier demandé"
        ),
        Event.FRANCECONNECT_UNMATCHED: say("FranceConnect n’a pas pu ouvrir votre espace"),
        Event.RESET_BEGUN: say("Numéro saisi à la page « Mot de passe oublié »"),
        Event.RESET_HELD: say("Demande d’un mot de passe provisoire refusée, il fallait attendre"),
        Event.PASSWORD_CHOICE_REFUSED: say("Nouveau mot de passe refusé : il ne convenait pas"),
        Event.ADDRESS_REFUSED: say("Code de confirmation d’une adresse mail refusé"),
        Event.REFRESH_REVOKED: say("Accès rendu par un service"),
        Event.LOGOUT_DEAD: say("Un service n’a pas pu être prévenu d’une déconnexion"),
        Event.NOTICE_SENT: say("Nous vous avons écrit"),
        Event.MESSAGE_FAILED: say("Un message n’est pas parti, nous recommençons"),
        Event.MESSAGE_DEAD: say("Un message n’a pas pu vous être envoyé"),
        Event.MESSAGE_RETRIED: say("L’envoi d’un message relancé par nos services"),
        Event.LETTERS_REISSUED: say("Une lettre imprimée à nouveau par nos services"),
    }.items()
}
"""What the page leaves out, or counts."""
