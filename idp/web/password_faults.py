"""What the page says of a proposed password: what is wrong, and how to do better."""

from idp.identity.password_policy import PasswordPolicy
from idp.identity.password_policy import PolicyFault

_SENTENCES = {
    PolicyFault.TOO_SHORT: (
        "Votre mot de passe est trop court : il faut au moins {minimum} caractères. "
        "Ajoutez un mot ou deux."
    ),
    PolicyFault.TOO_LONG: (
        "Votre mot de passe est trop long : {maximum} caractères au plus. Quelques mots suffisent."
    ),
    PolicyFault.UNREADABLE: (
        "Votre mot de passe contient un caractère invisible. Effacez-le et saisissez-le au clavier."
    ),
    PolicyFault.HOLDS_NUMBER: (
        "Votre mot de passe contient votre numéro de dossier, qui figure sur vos courriers. "
        "Retirez-le."
    ),
    PolicyFault.HOLDS_TEMPORARY: (
        "Votre mot de passe contient le mot de passe provisoire. Choisissez d’autres mots."
    ),
    PolicyFault.TEMPORARY_SHAPE: (
        "Ce mot de passe ressemble à nos mots de passe provisoires. "
        "Allongez-le : ajoutez un mot ou deux."
    ),
    PolicyFault.LEAKED: (
        "Ce mot de passe figure dans les listes que les pirates essaient en premier. "
        "Choisissez quatre mots sans rapport entre eux."
    ),
    PolicyFault.PERSONAL: (
        "Ce mot de passe se devine quand on vous connaît ou qu’on connaît la caisse : "
        "nom, date de naissance, adresse, retraite. Choisissez quatre mots sans rapport avec vous."
    ),
    PolicyFault.GUESSABLE: (
        "Ce mot de passe se devine trop facilement. "
        "Ajoutez des mots : quatre mots sans rapport entre eux conviennent."
    ),
    PolicyFault.FORMER: "C’est votre mot de passe actuel. Choisissez-en un autre.",
}
"""The sentence of each fault."""


def sentence(fault: PolicyFault, policy: PasswordPolicy) -> str:
    """Say one fault in French, with the limits of this policy."""
    return _SENTENCES[fault].format(minimum=policy.minimum, maximum=policy.maximum)
