"""The two steps of an e-mail address, wherever they are asked for: the address, then its code.

``/adresse-electronique`` and ``/compte/adresse-mail`` draw their own pages and lead on to their own
ends; what was typed is judged here.
"""

from collections.abc import Callable

from flask import Response
from flask import g
from flask import request

from idp.identity.email_address import InvalidAddress
from idp.identity.email_address import WrongCode
from idp.identity.reset_quotas import QuotaReached
from idp.sentence import say
from idp.web import Services
from idp.web.browser import actor_of
from idp.web.login_form import FormError
from idp.web.login_form import Notice
from idp.web.login_form import seconds_of
from idp.web.login_form import soon
from idp.web.member import Member

NO_ADDRESS = FormError("email", say("Saisissez une adresse complète, par exemple nom@exemple.fr."))
WRONG = FormError(
    "code", say("Ce code n’est pas le bon. Vérifiez les six chiffres du message le plus récent.")
)
OVER = Notice(
    "error",
    say("Ce code n’est plus valable"),
    say("Il y a eu trop d’essais, ou trop de temps a passé. Demandez un nouveau code."),
)


Page = Callable[..., Response]
"""Draws one of the two forms: for whom, under which status, with ``errors`` or a ``notice``."""


def address_proposed(given: Services, member: Member, page: Page) -> Response | None:
    """Keep the address of this form and send a code to it; or say what is wrong with it."""
    typed = request.form.get("email", "")
    actor = actor_of(request, given, g.request_id)
    try:
        with given.transaction():
            given.addresses.propose(member.session.account_id, typed, actor=actor)
    except InvalidAddress:
        return page(given, member, 400, errors=(NO_ADDRESS,), typed=typed[:254])
    except QuotaReached as held:
        response = page(given, member, 429, notice=too_many(held), typed=typed[:254])
        response.headers["Retry-After"] = str(seconds_of(held.retry_after))
        return response
    return None


def code_refused(given: Services, member: Member, page: Page, code_page: Page) -> Response | None:
    """Record the address if the code of this form is right; or say what is wrong with it."""
    typed = request.form.get("code", "")[:64]
    with given.transaction():
        try:
            actor = actor_of(request, given, g.request_id)
            given.addresses.confirm(member.session.account_id, typed, actor=actor)
            return None
        except WrongCode as refusal:  # its audit event is committed all the same
            ended = refusal.ended
    if ended:
        return page(given, member, 400, notice=OVER)
    return code_page(given, member, 400, errors=(WRONG,))


def too_many(held: QuotaReached) -> Notice:
    """Say when another code may be asked for: the words for temporary passwords would mislead."""
    return Notice(
        "wait",
        say("Plusieurs codes ont déjà été demandés"),
        say(
            "Regardez dans votre messagerie, et dans les courriers indésirables : le code du"
            " message le plus récent est valable une demi-heure."
            " Vous pourrez en demander un autre %(soon)s.",
            soon=soon(held.retry_after),
        ),
    )
