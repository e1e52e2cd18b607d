"""What each scope gives, in the words of a letter, and what it would tell today."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from idp.identity.dossier import Situation
from idp.identity.mask import mask_email
from idp.oidc.claims import userinfo_claims
from idp.sentence import Sentence
from idp.sentence import say
from idp.web.member import Member

NOTHING = say("nous ne l’avons pas, rien n’est transmis")

SITUATIONS: Mapping[str, Sentence] = {
    Situation.COTISANT: say("cotisant"),
    Situation.RENTE_INVALIDITE: say("rente invalidité"),
    Situation.RETRAITE_PERSONNELLE: say("retraite personnelle"),
    Situation.CUMUL_EMPLOI_RETRAITE: say("cumul emploi-retraite"),
    Situation.REVERSION: say("réversion"),
    Situation.RENTE_SURVIE: say("rente de survie"),
    Situation.RENTE_EDUCATION: say("rente d’éducation"),
}


@dataclass(frozen=True, slots=True)
class Gift:
    """One thing that a service is given.

    Attributes:
        example: what it would be told today, masked as far as it is not the person's name; or "".
    """

    title: Sentence
    gives: Sentence
    example: Sentence | str = ""


def title_of(scope: str) -> Sentence:
    """Name what a scope gives; one of an API by its own word."""
    return _TITLES.get(scope) or say("Un accès à un autre service : %(scope)s", scope=scope)


def gifts(scope: Iterable[str], member: Member, *, days: int) -> list[Gift]:
    """Say what scopes give of a member; ``days`` is how long ``offline_access`` lasts."""
    return [
        Gift(
            title_of(word),
            _away(days) if word == "offline_access" else _GIVES.get(word, _API),
            _EXAMPLES[word](member) if word in _EXAMPLES else "",
        )
        for word in scope
    ]


_TITLES = {
    "openid": say("Vous reconnaître"),
    "profile": say("Votre identité"),
    "email": say("Votre adresse mail"),
    "address": say("Votre adresse postale"),
    "phone": say("Votre numéro de téléphone"),
    "dossier": say("Votre dossier"),
    "offline_access": say("Garder cet accès en votre absence"),
}

_API = say("Ce service pourra s’en servir en votre nom, pendant que vous l’utilisez.")

_GIVES = {
    "openid": say(
        "Un code qui vous désigne sans dire qui vous êtes, et l’heure de votre connexion."
    ),
    "profile": say("Vos nom et prénoms, votre sexe et votre date de naissance."),
    "email": say("Celle que nous connaissons."),
    "address": say("Celle que nous connaissons, sans votre nom."),
    "phone": say("Celui que nous connaissons."),
    "dossier": say("Votre qualité, votre numéro de dossier en entier et votre situation."),
}


def _away(days: int) -> Sentence:
    return say(
        "Ce service pourra relire ces informations quand vous n’êtes pas là, sans"
        " vous le redemander, pendant %(days)s jours au plus.",
        days=days,
    )


def _identity(member: Member) -> Sentence | str:
    born = str(userinfo_claims(member.subject, ("profile",)).get("birthdate", ""))
    if len(born) == len("2026-11-24"):
        born = f"{date.fromisoformat(born):%d/%m/%Y}"
    return ", ".join(part for part in (member.name, born) if part) or NOTHING


def _email(member: Member) -> Sentence | str:
    return mask_email(member.subject.email) or NOTHING


def _town(member: Member) -> Sentence | str:
    address = userinfo_claims(member.subject, ("address",)).get("address")
    if not isinstance(address, dict):
        return NOTHING
    town = f"{address.get('postal_code', '')} {address.get('locality', '')}".strip()
    return town or address["formatted"].splitlines()[-1]


def _phone(member: Member) -> Sentence | str:
    number = str(userinfo_claims(member.subject, ("phone",)).get("phone_number", ""))
    if not number:
        return NOTHING
    return say("le numéro qui se termine par %(end)s", end=number[-2:])


def _dossier(member: Member) -> Sentence | str:
    told = say(
        "%(qualite)s, numéro terminé par %(end)s",
        qualite=member.qualite_label,
        end=member.numero_end,
    )
    for name in member.subject.situations:
        told = say("%(told)s, %(more)s", told=told, more=SITUATIONS.get(name, name))
    return told


_EXAMPLES: Mapping[str, Callable[[Member], Sentence | str]] = {
    "profile": _identity,
    "email": _email,
    "address": _town,
    "phone": _phone,
    "dossier": _dossier,
}
