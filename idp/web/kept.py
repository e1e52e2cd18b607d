"""What is kept of a person, what for and for how long, as ``/donnees-personnelles`` tells it.

Spans come from where they are kept, so that the page cannot promise others. Spec: GDPR, art. 13.
"""

from dataclasses import dataclass
from datetime import timedelta

from idp.identity.reset_quotas import LETTERS_WINDOW
from idp.identity.temporary_password import LIFETIMES
from idp.identity.temporary_password import Channel
from idp.limits import DAY
from idp.limits import AttemptPolicy
from idp.oidc.authorization import VISITS_KEPT
from idp.sentence import Sentence
from idp.sentence import say

MONTH = timedelta(days=365) / 12


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing that is kept."""

    what: Sentence
    purpose: Sentence
    kept: Sentence


_FRANCECONNECT = Kept(
    say("Votre rattachement à FranceConnect"),
    say(
        "Le code par lequel FranceConnect vous désigne auprès de nous, une empreinte de votre état"
        " civil et ce qui a permis de vous reconnaître : pour vous ouvrir votre espace, et pour"
        " savoir qui y a été rattaché."
    ),
    say("aussi longtemps que la caisse tient ce dossier, même une fois retiré"),
)


def kept_of_a_person(
    *, session: timedelta, audit: timedelta, franceconnect: bool
) -> tuple[Kept, ...]:
    """List it in the order in which a person would ask."""
    return (
        Kept(
            say("Votre dossier"),
            say(
                "Tel que la caisse le tient : qualité, numéro, nom et prénoms, sexe, date et lieu"
                " de naissance, situation, profession, adresse postale, téléphone, adresse mail."
                " Pour vous reconnaître et vous écrire."
            ),
            say("aussi longtemps que la caisse tient ce dossier"),
        ),
        Kept(
            say("L’adresse mail que vous enregistrez ici, et la précédente"),
            say(
                "Pour vous envoyer un mot de passe provisoire et vous prévenir de ce qui touche à"
                " votre espace."
            ),
            say("jusqu’à ce que vous en enregistriez une autre"),
        ),
        Kept(
            say("Votre mot de passe"),
            say("Sous une forme qui ne permet pas de le retrouver."),
            say(
                "jusqu’au suivant ; un mot de passe provisoire, %(mail)s par mail et %(letter)s"
                " par courrier",
                mail=_length(LIFETIMES[Channel.MAIL]),
                letter=_length(LIFETIMES[Channel.LETTER]),
            ),
        ),
        *([_FRANCECONNECT] if franceconnect else []),
        Kept(
            say("Vos connexions ouvertes"),
            say(
                "L’heure, le nom du navigateur et du système, le début de l’adresse du réseau :"
                " pour que vous les voyiez et puissiez les fermer."
            ),
            say("jusqu’à la déconnexion, %(hours)s\u00a0h au plus", hours=_hours(session)),
        ),
        Kept(
            say("Les navigateurs qui vous ont déjà servi"),
            say(
                "Un code au hasard pour chacun : pour que les essais d’autres ne vous bloquent pas."
            ),
            _length(AttemptPolicy().device_lifetime),
        ),
        Kept(
            say("Votre dernière visite à chaque service"),
            say("Une date par service, sans les précédentes : pour que vous la voyiez."),
            _length(VISITS_KEPT),
        ),
        Kept(
            say("Les accès que vous donnez à des services"),
            say("Ce que vous avez accepté et quand."),
            say("jusqu’à ce que vous les retiriez ou qu’ils prennent fin"),
        ),
        Kept(
            say("Les essais manqués et les demandes de mot de passe provisoire"),
            say("Leur nombre et leur heure : pour ralentir qui cherche un mot de passe."),
            say(
                "%(tries)s pour les essais, %(letters)s pour les demandes",
                tries=_length(DAY),
                letters=_length(LETTERS_WINDOW),
            ),
        ),
        Kept(
            say("Un journal des connexions, des échecs et des changements"),
            say(
                "Pour protéger votre espace. Votre numéro, votre nom et vos adresses n’y figurent"
                " pas, celle du réseau n’y est que par son début."
            ),
            _length(audit),
        ),
        Kept(
            say("La liste des messages que nous vous envoyons"),
            say(
                "Leur nature et leur date, sans leur texte : pour vous répondre s’il en manque un."
            ),
            _length(audit),
        ),
        Kept(
            say("Les sauvegardes et les journaux techniques"),
            say(
                "Des copies de tout cela, pour réparer une panne ; et la trace des pages demandées,"
                " où un code tient lieu de votre nom."
            ),
            say("le temps que la caisse les garde"),
        ),
    )


def _length(span: timedelta) -> Sentence:
    if span <= DAY:
        return say("%(hours)s\u00a0h", hours=_hours(span))
    if span < 4 * MONTH:
        return say("%(days)s\u00a0jours", days=span.days)
    return say("%(months)s\u00a0mois", months=round(span / MONTH))


def _hours(span: timedelta) -> int:
    return round(span / timedelta(hours=1))
