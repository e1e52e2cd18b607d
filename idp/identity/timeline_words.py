"""What an audit event says in plain French, to whoever answers the phone.

No sentence holds a number, an address or a secret: what is told of an event is its cause, a count,
a batch, an operator. What this version does not know is told by its own word, and never hidden.
"""

from collections.abc import Callable
from collections.abc import Mapping

from idp.audit import Event
from idp.identity.audit_trail import PastEvent
from idp.identity.franceconnect import Refused
from idp.identity.franceconnect_links import Rule
from idp.identity.login import Cause
from idp.identity.outbox import Kind
from idp.identity.password_policy import PolicyFault
from idp.identity.reset_quotas import Quota
from idp.identity.temporary_password import Channel
from idp.limits import AttemptPolicy
from idp.limits import HeldBy

BY_CHANNEL: Mapping[str, str] = {Channel.MAIL: "par mail", Channel.LETTER: "par lettre"}
_TELLS_OF_ADDRESS: Mapping[str, str] = {
    Channel.MAIL: " ; l'ancienne est prévenue",
    Channel.LETTER: " ; une lettre en avertit",
}

MESSAGES: Mapping[str, str] = {
    Kind.TEMPORARY_PASSWORD: "mot de passe provisoire",
    Kind.PASSWORD_CHANGED: "avis « votre mot de passe a changé »",
    Kind.SIGN_IN_FAILURES: "avis « connexions refusées »",
    Kind.ADDRESS_CODE: "code de confirmation d'une adresse",
    Kind.ADDRESS_RECORDED: "avis « nouvelle adresse mail »",
    Kind.LETTER_REQUESTED: "avis « une lettre a été demandée »",
    Kind.NEW_BROWSER: "avis « connexion depuis un nouveau navigateur »",
    Kind.SESSIONS_ENDED: "avis « des appareils sont déconnectés »",
    Kind.ACCESS_GIVEN: "avis « accès donné à un service »",
    Kind.ACCOUNT_FROZEN: "avis « votre espace est bloqué »",
    Kind.ACCOUNT_REOPENED: "avis « votre espace est rouvert »",
    Kind.DATA_DOWNLOADED: "avis « vos informations ont été téléchargées »",
    Kind.FRANCECONNECT_LINKED: "avis « FranceConnect ouvre votre espace »",
    Kind.FRANCECONNECT_UNLINKED: "avis « FranceConnect n'ouvre plus votre espace »",
}

FAULTS: Mapping[str, str] = {
    "smtp_unreachable": "le serveur de mail ne répond pas",
    "smtp_timeout": "le serveur de mail est trop lent",
    "smtp_busy": "le serveur de mail demande d'attendre",
    "smtp_certificate": "le certificat du serveur de mail n'est pas valable",
    "smtp_authentication": "le serveur de mail refuse notre identification",
    "recipient_refused": "le serveur de mail refuse cette adresse",
    "content_refused": "le serveur de mail refuse ce message",
    "address_invalid": "l'adresse mail n'est pas valable",
    "address_incomplete": "l'adresse postale est incomplète",
    "address_script": "l'adresse postale est écrite dans un autre alphabet",
    "address_too_long": "l'adresse postale est trop longue pour l'enveloppe",
    "address_gone": "l'adresse proposée n'attend plus de code",
    "no_former_address": "il n'y a pas d'ancienne adresse à prévenir",
    "no_address": "le dossier n'a pas d'adresse mail",
    "address_waits": "la nouvelle adresse, la seule, ne reçoit rien avant 10 jours",
    "account_frozen": "le compte est bloqué, seule une lettre peut l'ouvrir",
    "no_account": "le compte n'existe plus",
    "dossier_not_active": "le dossier n'est pas actif",
    "password_changed": "un nouveau mot de passe a été choisi entre-temps",
    "superseded": "une demande plus récente le remplace, ou il a déjà servi",
    "too_old": "la demande a plus de 14 jours",
    "no_composer": "cette version ne sait pas l'écrire",
    "no_such_letter": "ce message n'existe pas en lettre",
}

_CAUSES: Mapping[str, str] = {
    Cause.WRONG_PASSWORD: "le mot de passe n'est pas le bon",
    Cause.NO_PASSWORD: "aucun mot de passe n'a encore été choisi (première connexion à faire)",
    Cause.MUST_RESET: "compte inutilisé depuis la refonte de mars 2021, à réinitialiser",
    Cause.FROZEN: "le mot de passe est bon, mais le compte est bloqué",
    Cause.NOT_ACTIVE: "le dossier n'est pas actif",
    Cause.CHANGED_MEANWHILE: "le mot de passe ou le dossier venait de changer",
    Cause.NO_TEMPORARY: "il n'y en a aucun de valable, ou trop d'essais faux du même endroit",
    Refused.FROZEN: "FranceConnect a reconnu la personne, mais le compte est bloqué",
    Refused.NOT_OFFERED: "le dossier choisi n'est pas, ou plus, celui de la personne",
    Refused.NOT_LINKED: "aucun rattachement à FranceConnect",
    Refused.TOO_MANY_LINKS: "trop de dossiers rattachés à une même personne",
    Cause.WRONG_TEMPORARY: "ce n'est pas le dernier envoyé, ou il est mal recopié",
}

_QUOTAS: Mapping[str, str] = {
    Quota.NETWORK: "trop de demandes venues du même réseau",
    Quota.MAIL: "trop de mails demandés pour ce compte",
    Quota.LETTER: "une lettre a été demandée il y a peu pour ce compte",
    Quota.LETTERS_OF_NETWORK: "trop de lettres demandées du même réseau",
}

_POLICY_FAULTS: Mapping[str, str] = {
    PolicyFault.TOO_SHORT: "trop court",
    PolicyFault.TOO_LONG: "trop long",
    PolicyFault.UNREADABLE: "un caractère invisible",
    PolicyFault.HOLDS_NUMBER: "contient le numéro de dossier",
    PolicyFault.HOLDS_TEMPORARY: "contient le mot de passe provisoire",
    PolicyFault.TEMPORARY_SHAPE: "a la forme d'un mot de passe provisoire",
    PolicyFault.LEAKED: "figure dans les listes de mots de passe volés",
    PolicyFault.PERSONAL: "se devine d'après la personne ou la caisse",
    PolicyFault.GUESSABLE: "trop facile à deviner",
    PolicyFault.FORMER: "c'est l'ancien mot de passe",
}

_RULES: Mapping[str, str] = {
    Rule.SUB: "personne déjà rattachée",
    Rule.PIVOT: "l'identité est celle du dossier",
    Rule.PROOF: "preuve par le mot de passe",
}

_PIVOT_FIELDS: Mapping[str, str] = {
    "family_name": "nom de naissance",
    "given_names": "prénoms",
    "gender": "sexe",
    "birthdate": "date de naissance",
    "birthplace": "commune de naissance",
    "birthcountry": "pays de naissance",
}

_SESSIONS_ENDED: Mapping[str, str] = {
    "closed": "le dossier a été clos",
    "deceased": "le décès a été signalé",
    "qualite_changed": "la qualité a changé, un autre dossier le remplace",
    "device": "un appareil, depuis l'espace personnel",
    "other_devices": "tous les autres appareils, depuis l'espace personnel",
    "too_many": "trop d'appareils à la fois, le plus ancien a cédé la place",
}


def words_of(event: PastEvent) -> str:
    """Say what happened, in one sentence without its end."""
    saying = _SAYINGS.get(event.event)
    return saying(event) if saying is not None else f"Événement {event.event}"


def fault_in_words(fault: str) -> str:
    """Say why a message did not leave."""
    return _word(FAULTS, fault)


def rule_in_words(rule: str) -> str:
    """Say what a sign-in through FranceConnect, or a link to it, rests on."""
    return _word(_RULES, rule)


def duration_in_words(minutes: int) -> str:
    """Say how long: ``5 min``, ``1 h``, ``1 h 30 min``."""
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours} h"] if hours else []
    return " ".join([*parts, f"{rest} min"] if rest or not hours else parts)


def _word(words: Mapping[str, str], name: object) -> str:
    """Look a word up; one that this version does not know is told as it is."""
    return words.get(str(name), str(name))


def _count(event: PastEvent, name: str) -> int:
    value = event.detail.get(name)
    return value if isinstance(value, int) else 0


def _from(event: PastEvent) -> str:
    return f" (réseau {event.network})" if event.network else ""


def _channel(event: PastEvent) -> str:
    return _word(BY_CHANNEL, event.detail.get("channel", ""))


def _batch(event: PastEvent) -> str:
    batch = event.detail.get("batch")
    return f", lot {batch}" if batch else ""


def _reason(event: PastEvent) -> str:
    reason = event.detail.get("reason")
    return f", motif : {reason}" if reason else ""


def _message(event: PastEvent) -> str:
    return f"{_word(MESSAGES, event.detail.get('kind', 'message'))} {_channel(event)}"


def _signed_in(event: PastEvent) -> str:
    how = f" par FranceConnect ({_rule(event)})" if "rule" in event.detail else ""
    return f"Connexion réussie{how}{_from(event)}"


def _rule(event: PastEvent) -> str:
    """Say what FranceConnect's answer was held against, and what it took to be equal."""
    told = [rule_in_words(str(event.detail.get("rule", "")))]
    if event.detail.get("given_names") == "reordered":
        told.append("prénoms dans un autre ordre")
    if event.detail.get("birthdate") == "presumed":
        told.append("date de naissance présumée")
    differs = str(event.detail.get("differs", "")).split()
    if differs:
        told.append(
            f"diffère du dossier : {', '.join(_word(_PIVOT_FIELDS, one) for one in differs)}"
        )
    return ", ".join(told)


def _linked(event: PastEvent) -> str:
    again = event.event == Event.FRANCECONNECT_RELINKED
    who = " à une autre identité, qui remplace la précédente" if again else ""
    return f"FranceConnect rattaché{who} ({_rule(event)}){_from(event)}"


def _unlinked(event: PastEvent) -> str:
    who = f"par {event.operator}" if event.operator else "par la personne elle-même"
    return f"FranceConnect retiré {who}{_reason(event)}{_from(event)}"


def _refused(event: PastEvent) -> str:
    streak = _count(event, "streak")
    known = "navigateur déjà connu" if _count(event, "known_device") else "navigateur inconnu"
    told = f"Connexion refusée : {_word(_CAUSES, event.detail.get('cause', ''))}"
    nth = "1er" if streak == 1 else f"{streak}e"
    row = f" ; {nth} échec de suite, {known}" if streak else ""
    minutes = int(AttemptPolicy().wait_after(streak).total_seconds()) // 60
    wait = f" ; attente de {duration_in_words(minutes)}" if minutes else ""
    return f"{told}{row}{wait}{_from(event)}"


def _delayed(event: PastEvent) -> str:
    if event.detail.get("held_by") == HeldBy.NETWORK:
        why = "trop d'échecs venus du même réseau"
    else:
        why = "le compte est en attente"
    return f"Essai refusé sans lire le mot de passe : {why}{_from(event)}"


def _sessions_ended(event: PastEvent) -> str:
    return f"Sessions fermées : {_word(_SESSIONS_ENDED, event.detail.get('cause', ''))}"


def _begun(event: PastEvent) -> str:
    return f"Page « Mot de passe oublié » : numéro saisi, choix de l'envoi proposé{_from(event)}"


def _held(event: PastEvent) -> str:
    return f"Demande refusée : {_word(_QUOTAS, event.detail.get('quota', ''))}{_from(event)}"


def _requested(event: PastEvent) -> str:
    if event.operator:
        told = f"Mot de passe provisoire demandé {_channel(event)} par {event.operator}"
        return f"{told}{_reason(event)}"
    held = " ; la lettre est retenue" if _count(event, "held") else ""
    return f"Mot de passe provisoire demandé {_channel(event)}{held}{_from(event)}"


def _sent(event: PastEvent) -> str:
    if event.detail.get("channel") == Channel.LETTER:
        return f"Mot de passe provisoire imprimé pour la poste{_batch(event)}"
    return "Mot de passe provisoire envoyé par mail"


def _opened(event: PastEvent) -> str:
    return f"Mot de passe provisoire tapé, reçu {_channel(event)} : il est juste{_from(event)}"


def _temporary_refused(event: PastEvent) -> str:
    cause = _word(_CAUSES, event.detail.get("cause", ""))
    return f"Mot de passe provisoire refusé : {cause}{_from(event)}"


def _locked(event: PastEvent) -> str:
    return f"Mot de passe provisoire bloqué : trop d'essais faux{_from(event)}"


def _chosen(event: PastEvent) -> str:
    first = (
        "Premier mot de passe choisi" if _count(event, "first") else "Nouveau mot de passe choisi"
    )
    return f"{first} ; l'attente est levée et les autres sessions sont fermées{_from(event)}"


def _choice_refused(event: PastEvent) -> str:
    faults = str(event.detail.get("faults", "")).split()
    why = ", ".join(_word(_POLICY_FAULTS, fault) for fault in faults)
    return f"Mot de passe proposé refusé : {why}{_from(event)}"


def _notice(event: PastEvent) -> str:
    told = _message(event)
    left = "Imprimé pour la poste" if event.detail.get("channel") == Channel.LETTER else "Envoyé"
    return f"{left} : {told}{_batch(event)}"


def _failed(event: PastEvent) -> str:
    return f"Pas parti : {_message(event)}, {_word(FAULTS, event.detail.get('fault', ''))}"


def _dead(event: PastEvent) -> str:
    return f"Abandonné : {_message(event)}, {_word(FAULTS, event.detail.get('fault', ''))}"


def _retried(event: PastEvent) -> str:
    return f"Remis en route par {event.operator} : {_message(event)}"


def _reissued(event: PastEvent) -> str:
    return f"Lettre promise à nouveau par {event.operator}{_batch(event)}"


def _unlocked(event: PastEvent) -> str:
    return f"Attente levée par {event.operator}{_reason(event)}"


def _frozen(event: PastEvent) -> str:
    who = f"par {event.operator}" if event.operator else "par la personne elle-même"
    letter = " ; une lettre part" if _count(event, "letter") else ""
    link = " ; FranceConnect retiré" if _count(event, "franceconnect") else ""
    return f"Compte bloqué {who}{letter}{link}{_reason(event)}{_from(event)}"


def _reopened(event: PastEvent) -> str:
    kept = _count(event, "password_kept")
    how = "avec le mot de passe d'avant" if kept else "aux mots de passe provisoires"
    return f"Compte rouvert {how} par {event.operator}{_reason(event)}"


def _address_recorded(event: PastEvent) -> str:
    told = _TELLS_OF_ADDRESS.get(str(event.detail.get("channel")), "")
    return f"Adresse mail confirmée{told}{_from(event)}"


def _plain(text: str) -> Callable[[PastEvent], str]:
    return lambda event: f"{text}{_from(event)}"


_SAYINGS: Mapping[str, Callable[[PastEvent], str]] = {
    Event.SIGN_IN_SUCCEEDED: _signed_in,
    Event.SIGN_IN_REFUSED: _refused,
    Event.SIGN_IN_DELAYED: _delayed,
    Event.SESSION_ENDED: _plain("Déconnexion"),
    Event.SESSIONS_ENDED: _sessions_ended,
    Event.LOGOUT_DEAD: _plain("Un service n'a pas pu être prévenu d'une déconnexion"),
    Event.REFRESH_REUSED: _plain("Accès prolongé d'un service coupé : un jeton a servi deux fois"),
    Event.REFRESH_REVOKED: _plain("Accès prolongé rendu par un service"),
    Event.CONSENT_GIVEN: _plain("Autorisation donnée à un service extérieur"),
    Event.CONSENT_REFUSED: _plain("Autorisation refusée à un service extérieur"),
    Event.ACCESS_TAKEN_BACK: _plain("Accès retiré à un service, depuis l'espace personnel"),
    Event.RESET_BEGUN: _begun,
    Event.RESET_HELD: _held,
    Event.RESET_REQUESTED: _requested,
    Event.TEMPORARY_SENT: _sent,
    Event.TEMPORARY_OPENED: _opened,
    Event.TEMPORARY_REFUSED: _temporary_refused,
    Event.TEMPORARY_LOCKED: _locked,
    Event.PASSWORD_CHOSEN: _chosen,
    Event.PASSWORD_CHANGED: _plain(
        "Mot de passe changé depuis l'espace personnel ; les autres sessions sont fermées"
    ),
    Event.DATA_DOWNLOADED: _plain("Informations téléchargées depuis l'espace personnel"),
    Event.PASSWORD_CHOICE_REFUSED: _choice_refused,
    Event.NOTICE_SENT: _notice,
    Event.MESSAGE_FAILED: _failed,
    Event.MESSAGE_DEAD: _dead,
    Event.MESSAGE_RETRIED: _retried,
    Event.ADDRESS_REQUESTED: _plain("Adresse mail proposée, un code y est envoyé"),
    Event.ADDRESS_RECORDED: _address_recorded,
    Event.ADDRESS_REFUSED: _plain("Code de confirmation d'adresse refusé"),
    Event.LETTERS_REISSUED: _reissued,
    Event.FRANCECONNECT_LINKED: _linked,
    Event.FRANCECONNECT_RELINKED: _linked,
    Event.FRANCECONNECT_UNLINKED: _unlinked,
    Event.FRANCECONNECT_SEVERAL: _plain("FranceConnect : plusieurs dossiers à choisir"),
    Event.FRANCECONNECT_UNMATCHED: _plain("FranceConnect : aucun dossier reconnu"),
    Event.ACCOUNT_UNLOCKED: _unlocked,
    Event.ACCOUNT_FROZEN: _frozen,
    Event.ACCOUNT_REOPENED: _reopened,
}
