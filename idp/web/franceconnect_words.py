"""What pages say of FranceConnect: its block on the sign-in page, and what became of a way there.

Who comes back is led on by a redirect, so that no code stays in the address of a page. A word of
``Said`` goes with it, out of a closed list: an address can choose among our sentences, and write
none.
"""

from contextlib import suppress
from enum import Enum
from enum import StrEnum

from flask import request

from idp.identity.franceconnect import ACR_FRANCECONNECT
from idp.identity.pivot import PivotIdentity
from idp.oidc.authorize import AuthorizationRequest
from idp.sentence import say
from idp.web import Services
from idp.web.login_form import REFUSED
from idp.web.login_form import Notice


class Block(Enum):
    """Whether the sign-in page has the block, and whether one can go that way now."""

    ABSENT = "absent"
    AWAY = "away"
    OPEN = "open"


class Said(StrEnum):
    """What became of a way to FranceConnect, as addresses say it."""

    CANCELLED = "annule"
    AWAY = "indisponible"
    LATE = "perime"
    HELD = "attente"
    MISTRUSTED = "inattendu"
    REFUSED = "refuse"
    SOMEBODY_ELSE = "autre"
    LINKED = "rattache"
    NOT_LINKED = "non-rattache"


def block_of(given: Services, asked: AuthorizationRequest | None) -> Block:
    """Tell how FranceConnect stands on the page of a request; asks nobody."""
    if given.franceconnect is None:
        return Block.ABSENT
    if asked is not None and not asked.claims.takes_level(ACR_FRANCECONNECT):
        return Block.ABSENT
    return Block.AWAY if given.franceconnect.is_away() else Block.OPEN


def told(*, linked: bool = False, password_answers: bool = True) -> Notice | None:
    """What the address of this page says; nothing where it is no word of ours.

    That something was done is said where it is so: an address can be made by anybody. Nor is a
    password named to who has none.
    """
    with suppress(ValueError):
        said = Said(request.args.get("franceconnect", ""))
        if said is Said.SOMEBODY_ELSE and not password_answers:
            return SOMEBODY_ELSE_ALONE
        return NOTICES[said] if linked or said is not Said.LINKED else None
    return None


def name_of(pivot: PivotIdentity) -> str:
    """Name a person as FranceConnect does, for the pages that ask whether it is they."""
    return f"{pivot.given_names} {pivot.family_name}"


SOMEBODY_ELSE_ALONE = Notice(
    "error",
    say("Ce n’est pas l’identité rattachée à votre espace"),
    say(
        "La personne qui vient de s’identifier avec FranceConnect n’est pas celle qui est "
        "rattachée à ce dossier. Déconnectez-vous de FranceConnect sur cet appareil, puis "
        "recommencez."
    ),
)
NOTICES = {
    Said.CANCELLED: Notice(
        "error",
        say("La connexion avec FranceConnect n’a pas abouti"),
        say("Rien n’a été modifié. Vous pouvez recommencer, ou appeler l’assistance."),
    ),
    Said.AWAY: Notice(
        "error",
        say("FranceConnect ne répond pas en ce moment"),
        say("Rien n’a été modifié. Réessayez dans quelques minutes."),
    ),
    Said.LATE: Notice(
        "error",
        say("Recommencez, s’il vous plaît"),
        say(
            "Vous êtes de retour de FranceConnect, mais trop tard, une deuxième fois, ou dans un "
            "autre navigateur. Par sécurité, ce retour n’a pas été utilisé."
        ),
    ),
    Said.HELD: Notice(
        "error",
        say("Trop de retours de FranceConnect ont échoué depuis votre réseau"),
        say("Rien n’a été modifié. Réessayez dans quelques minutes."),
    ),
    Said.MISTRUSTED: Notice(
        "error",
        say("La connexion avec FranceConnect n’a pas abouti"),
        say(
            "Par sécurité, nous n’avons pas utilisé la réponse reçue : ce n’est pas celle que nous "
            "attendions. Recommencez. Si cela continue, appelez l’assistance."
        ),
    ),
    Said.REFUSED: Notice("error", say("Nous n’avons pas pu vous connecter"), REFUSED),
    Said.SOMEBODY_ELSE: Notice(
        "error",
        say("Ce n’est pas l’identité rattachée à votre espace"),
        say(
            "La personne qui vient de s’identifier avec FranceConnect n’est pas celle qui est "
            "rattachée à ce dossier. Recommencez, ou utilisez votre mot de passe."
        ),
    ),
    Said.LINKED: Notice(
        "done",
        say("FranceConnect est rattaché à votre espace"),
        say("La prochaine fois, vous pourrez vous connecter avec FranceConnect."),
    ),
    Said.NOT_LINKED: Notice(
        "error",
        say("FranceConnect n’a pas été rattaché"),
        say("Rien n’a été modifié. Vous pouvez recommencer, ou appeler l’assistance."),
    ),
}
