"""What the service knows of one member, as their own copy holds it (GDPR, articles 15 and 20).

Keys and words are French: the file is the member's. It holds no secret, no hash, no identifier that
opens anything, and of other people nothing; operators stand in it as « nos services ».
"""

from collections.abc import Iterable
from collections.abc import Mapping
from datetime import datetime

from idp.identity.audit_trail import PastEvent
from idp.identity.dossier import KnownDossier
from idp.identity.franceconnect_links import EndedLink
from idp.identity.franceconnect_links import Link
from idp.identity.franceconnect_links import Rule
from idp.identity.outbox import Promise
from idp.identity.timeline_words import BY_CHANNEL
from idp.identity.timeline_words import MESSAGES
from idp.oidc.consent import Access
from idp.session import LivingSession
from idp.web.activity_words import told_alone
from idp.web.consent_words import title_of

Told = Mapping[str, object]
"""One record of the file; what it holds is what JSON can."""

_RESTS_ON: Mapping[str, str] = {
    Rule.PIVOT: "l’identité confirmée par FranceConnect, qui est celle du dossier",
    Rule.PROOF: "le mot de passe de l’espace personnel",
}
_GENDERS = {"female": "féminin", "male": "masculin"}


def own_data(
    known: KnownDossier,
    *,
    at: datetime,
    issuer: str,
    fund_name: str,
    sessions: Iterable[LivingSession],
    accesses: Iterable[Access],
    visits: Iterable[tuple[str, datetime]],
    link: Link | None,
    ended_links: Iterable[EndedLink],
    messages: Iterable[Promise],
    events: Iterable[PastEvent],
) -> Told:
    """Put together the whole file, in the order in which a person looks for things."""
    return {
        "fichier": {
            "de": fund_name,
            "service": issuer,
            "ecrit_le": _instant(at),
            "heures": "temps universel (UTC)",
        },
        "identite": _identity(known),
        "dossier": _dossier(known),
        "adresses": _addresses(known),
        "compte": {
            "cree_le": _instant(known.created_at),
            "derniere_connexion": _instant(known.last_sign_in_at),
            "mot_de_passe": "choisi" if known.password_scheme else "aucun",
        },
        "appareils_connectes": [_device(one) for one in sessions],
        "services_ayant_un_acces": [_access(one) for one in accesses],
        "services_ouverts": [
            {"service": name, "derniere_fois": _instant(last)} for name, last in visits
        ],
        "rattachements_a_franceconnect": [
            *(_link(one) for one in (link,) if one is not None),
            *(_link(one.link, one.ended_at) for one in ended_links),
        ],
        "messages_envoyes": [_message(one) for one in messages],
        "activite": [_event(one) for one in events],
    }


def _identity(known: KnownDossier) -> Told:
    dossier = known.dossier
    return {
        "nom_de_naissance": dossier.family_name,
        "nom_d_usage": dossier.usage_name,
        "prenoms": dossier.given_names,
        "sexe": _GENDERS.get(dossier.gender, ""),
        "date_de_naissance": dossier.birthdate,
        "commune_de_naissance_code_insee": dossier.birthplace,
        "pays_de_naissance_code_insee": dossier.birthcountry,
    }


def _dossier(known: KnownDossier) -> Told:
    dossier = known.dossier
    return {
        "qualite": str(dossier.qualite),
        "numero_dossier": dossier.numero.value,
        "situations": [str(situation) for situation in dossier.situations],
        "profession": dossier.profession,
        "mis_a_jour_le": _instant(known.updated_at),
    }


def _addresses(known: KnownDossier) -> Told:
    dossier = known.dossier
    return {
        "mail_du_dossier": dossier.email,
        "mail_enregistre_ici": known.confirmed_email or "",
        "mail_enregistre_le": _instant(known.confirmed_at),
        "mail_precedent": known.former_email or "",
        "telephone": dossier.phone,
        "postale": [line for line in dossier.address if line],
    }


def _device(one: LivingSession) -> Told:
    place = one.session.place
    return {
        "navigateur": place.browser or "inconnu",
        "systeme": place.system or "inconnu",
        "reseau_abrege": place.network,
        "connexion": _instant(one.session.auth_time),
        "dernier_usage": _instant(one.used_at),
        "fin_au_plus_tard": _instant(one.session.ends_at),
    }


def _access(access: Access) -> Told:
    families, consent = access.families, access.consent
    return {
        "service": access.client.client_name,
        "accord_donne_le": _instant(consent.given_at) if consent else "",
        "informations": [str(title_of(scope)) for scope in consent.scope] if consent else [],
        "garde_un_acces_depuis": _instant(families[0].started_at) if families else "",
        "fin_de_cet_acces": _instant(max(one.expires_at for one in families)) if families else "",
    }


def _link(link: Link, ended_at: datetime | None = None) -> Told:
    # Not ``sub``: it is FranceConnect's word for the person, and names them to nobody else.
    return {
        "rattache_le": _instant(link.linked_at),
        "sur_la_foi_de": _RESTS_ON.get(link.rule, ""),
        "dernier_usage": _instant(link.used_at),
        "fini_le": _instant(ended_at),
    }


def _message(promise: Promise) -> Told:
    return {
        "message": str(MESSAGES.get(promise.kind, promise.kind)),
        "envoi": str(BY_CHANNEL.get(promise.channel, promise.channel)),
        "demande_le": _instant(promise.created_at),
        "termine_le": _instant(promise.done_at),
    }


def _event(event: PastEvent) -> Told:
    # An operator's name, and why they acted, are the help desk's; that it acted is the member's.
    return {
        "le": _instant(event.at),
        "quoi": str(told_alone(event)),
        "reseau_abrege": event.network,
    }


def _instant(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""
