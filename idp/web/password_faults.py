"""What the page says of a proposed password: what is wrong, and how to do better."""

from idp.identity.password_policy import PasswordPolicy
from idp.identity.password_policy import PolicyFault
from idp.sentence import Sentence
from idp.sentence import say

_SENTENCES = {
    PolicyFault.UNREADABLE: say(
        "Votre mot de passe contient un caractère invisible. Effacez-le et saisissez-le au clavier."
    ),
    PolicyFault.HOLDS_NUMBER: say(
        "Votre mot de passe contient votre numéro de dossier, qui figure sur vos courriers. "
        "Retirez-le."
    ),
    PolicyFault.HOLDS_TEMPORARY: say(
        "Votre mot de passe contient le mot de passe provisoire. Choisissez d’autres mots."
    ),
    PolicyFault.TEMPORARY_SHAPE: say(
        "Ce mot de passe ressemble à nos mots de passe provisoires. "
        "Allongez-le : ajoutez un mot ou deux."
    ),
    PolicyFault.LEAKED: say(
        "Ce mot de passe figure dans les listes que les pirates essaient en premier. "
        "Choisissez quatre mots sans rapport entre eux."
    ),
    PolicyFault.PERSONAL: say(
        "Ce mot de passe se devine quand on vous connaît ou qu’on connaît la caisse : "
        "nom, date de naissance, adresse, retraite. Choisissez quatre mots sans rapport avec vous."
    ),
    PolicyFault.GUESSABLE: say(
        "Ce mot de passe se devine trop facilement. "
        "Ajoutez des mots : quatre mots sans rapport entre eux conviennent."
    ),
    PolicyFault.FORMER: say("C’est votre mot de passe actuel. Choisissez-en un autre."),
}
"""The sentence of each fault that no limit stands in."""


def sentence(fault: PolicyFault, policy: PasswordPolicy) -> Sentence:
    """Say one fault, with the limits of this policy."""
    if fault is PolicyFault.TOO_SHORT:
        return say(
            "Votre mot de passe est trop court : il faut au moins %(minimum)s caractères. "
            "Ajoutez un mot ou deux.",
            minimum=policy.minimum,
        )
    if fault is PolicyFault.TOO_LONG:
        return say(
            "Votre mot de passe est trop long : %(maximum)s caractères au plus. "
            "Quelques mots suffisent.",
            maximum=policy.maximum,
        )
    return _SENTENCES[fault]
