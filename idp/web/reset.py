"""Mot de passe oublié / Première connexion: three pages, the guide's steps 3 to 6.

A step is reached by what the one before sealed into the address; skipped, replayed, too old or in
another browser, it leads back to the first one.
"""

from collections.abc import Callable
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from flask import Blueprint
from flask import Response
from flask import g
from flask import make_response
from flask import render_template
from flask import request

from idp import StoreUnavailable
from idp.identity.anti_robot import AntiRobotRefused
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.reset import FORM
from idp.identity.reset import ChannelNotOffered
from idp.identity.reset import ChoiceUnderWay
from idp.identity.reset import Choosing
from idp.identity.reset_journey import Journey
from idp.identity.reset_journey import JourneyEnded
from idp.identity.reset_quotas import Quota
from idp.identity.reset_quotas import QuotaReached
from idp.identity.temporary_password import LIFETIMES
from idp.identity.temporary_password import Channel
from idp.identity.working_days import in_words
from idp.sentence import Sentence
from idp.sentence import say
from idp.web import Services
from idp.web import services
from idp.web.anti_robot import ROBOT
from idp.web.anti_robot import solution_of
from idp.web.browser import actor_of
from idp.web.browser import browser_of
from idp.web.browser import csrf_token
from idp.web.browser import is_own_form
from idp.web.browser import name_browser
from idp.web.browser import network_of_request
from idp.web.errors import RETRY_SECONDS
from idp.web.headers import allow_anti_robot
from idp.web.headers import see_other
from idp.web.language import language
from idp.web.login_form import COOKIES_REFUSED
from idp.web.login_form import STALE_FORM
from idp.web.login_form import Form
from idp.web.login_form import FormError
from idp.web.login_form import Notice
from idp.web.login_form import read_number
from idp.web.login_form import seconds_of
from idp.web.login_form import soon
from idp.web.waiting import service_name
from idp.web.waiting import with_waiting

bp = Blueprint("reset", __name__)

FIRST = "/mot-de-passe-oublie"
SECOND = "/mot-de-passe-oublie/envoi"
THIRD = "/mot-de-passe-oublie/confirmation"

UNDER_WAY = Notice(
    "wait",
    say("Votre choix est en cours d’enregistrement"),
    say("Attendez quelques secondes, puis validez de nouveau : un seul message sera envoyé."),
)
CHOOSE = FormError("canal", say("Choisissez comment recevoir votre mot de passe provisoire."))


@bp.get(FIRST)
def show() -> Response:
    """Ask for qualité and number."""
    given = services()
    return _first(given, browser_of(request))


@bp.post(FIRST)
def begin() -> Response:
    """Take the number: on to the choice of a channel, whoever has it."""
    given = services()
    browser = browser_of(request)
    qualite, typed = request.form.get("qualite", ""), request.form.get("numero", "")[:64]
    if not is_own_form(request, given, browser):
        return _first(
            given, browser, 403, qualite=qualite, numero=typed,
            notice=STALE_FORM if browser else COOKIES_REFUSED,
        )  # fmt: skip
    if request.form.get("switch") and qualite in set(Qualite):
        return _first(given, browser, qualite=Qualite(qualite).other, numero=typed)
    read = read_number(given)
    if read.errors or read.qualite is None or read.numero is None:
        return _first(
            given, browser, 400, qualite=qualite, numero=typed,
            errors=read.errors, switch_to=read.switch_to,
        )  # fmt: skip
    try:
        with given.transaction():
            begun = _begun(given, read.qualite, read.numero, browser)
    except AntiRobotRefused:
        return _first(given, browser, 400, qualite=qualite, numero=typed, errors=(ROBOT,))
    if isinstance(begun, QuotaReached):
        return _first(
            given, browser, 429, qualite=qualite, numero=typed,
            notice=quota_notice(begun), retry_after=begun.retry_after,
        )  # fmt: skip
    return see_other(_address(SECOND, given, begun, browser))


@bp.get(SECOND)
def offer() -> Response:
    """Offer the channels of what was typed."""
    given = services()
    browser = browser_of(request)
    journey = _journey(given, browser)
    if journey is None:
        return _ended()
    if journey.chosen is not None:
        return see_other(_address(THIRD, given, journey, browser))
    return _second(given, browser, journey)


@bp.post(SECOND)
def choose() -> Response:
    """Promise the message; the same form sent again shows the same confirmation."""
    given = services()
    browser = browser_of(request)
    journey = _journey(given, browser)
    if journey is None or not is_own_form(request, given, browser):
        return _ended()
    chosen = request.form.get("canal", "")
    if chosen not in set(Channel):
        return _second(given, browser, journey, 400, errors=(CHOOSE,))
    outcome: Choosing | QuotaReached | None = None
    try:
        with given.transaction():
            outcome = _chosen(given, journey, Channel(chosen))
    except ChannelNotOffered:
        return _second(given, browser, journey, 400, errors=(CHOOSE,))
    except ChoiceUnderWay:
        response = _second(given, browser, journey, 409, chosen=chosen, notice=UNDER_WAY)
        response.headers["Retry-After"] = str(RETRY_SECONDS)
        return response
    except JourneyEnded:
        return _ended()
    except StoreUnavailable:
        if isinstance(outcome, Choosing) and outcome.promised is not None:  # the commit failed
            with suppress(StoreUnavailable):
                given.reset.taken_back(journey, Channel(chosen))
        raise
    if isinstance(outcome, QuotaReached):
        return _second(
            given, browser, journey, 429, chosen=chosen,
            notice=quota_notice(outcome), retry_after=outcome.retry_after,
        )  # fmt: skip
    with suppress(StoreUnavailable):  # the row is the promise, and it is committed
        given.reset.noted(outcome)
    return see_other(_address(THIRD, given, outcome.journey, browser))


@bp.get(THIRD)
def confirm() -> Response:
    """Say what was sent where, and what to do next. Shown again it sends nothing again."""
    given = services()
    browser = browser_of(request)
    journey = _journey(given, browser)
    if journey is None or journey.chosen is None:
        return _ended()
    offered = given.reset.offer(journey)
    return make_response(
        render_template(
            "pages/reset_sent.html",
            channel=journey.chosen,
            mail_mask=offered.mail_mask,
            letter_by=in_words(offered.letter_by),
            valid_until_words=_span(LIFETIMES[journey.chosen]),
            letter_every=_span(given.reset.letter_every),
            login_url=with_waiting("/connexion", _waiting()),
            again_url=with_waiting(FIRST, _waiting()),
        )
    )


def _begun(
    given: Services, qualite: Qualite, numero: NumeroDossier, browser: str
) -> Journey | QuotaReached:
    """Begin. A quota is an outcome, not an accident: its audit event is committed too."""
    try:
        return given.reset.begin(
            qualite,
            numero,
            solution=solution_of(request.form),
            browser=browser,
            network=network_of_request(request, given),
            actor=actor_of(request, given, g.request_id),
        )
    except QuotaReached as reached:
        return reached


def _chosen(given: Services, journey: Journey, channel: Channel) -> Choosing | QuotaReached:
    """Choose. A quota is an outcome here too."""
    try:
        return given.reset.choose(
            journey,
            channel,
            network=network_of_request(request, given),
            actor=actor_of(request, given, g.request_id),
        )
    except QuotaReached as reached:
        return reached


def _waiting() -> str:
    """The request that waits: it travels on unread, and is judged where it is answered."""
    return request.args.get("demande", "")


def _journey(given: Services, browser: str) -> Journey | None:
    try:
        return given.journeys.open(request.args.get("etape", ""), browser)
    except JourneyEnded:
        return None


def _address(path: str, given: Services, journey: Journey, browser: str) -> str:
    return with_waiting(path, _waiting(), step=given.journeys.seal(journey, browser))


def _first(
    given: Services,
    browser: str,
    status: int = 200,
    *,
    qualite: str = "",
    numero: str = "",
    errors: tuple[FormError, ...] = (),
    switch_to: str = "",
    notice: Notice | None = None,
    retry_after: timedelta = timedelta(0),
) -> Response:
    response = make_response("", status)
    browser = name_browser(response, browser)
    allow_anti_robot()
    response.set_data(
        render_template(
            "pages/reset.html",
            form=Form(with_waiting(FIRST, _waiting()), csrf_token(given, browser), qualite, numero),
            errors=errors,
            notice=notice,
            switch_to=switch_to,
            challenge=given.anti_robot.challenge(
                FORM, browser, harder=_is_suspected(given), language=language()
            ),
            login_url=with_waiting("/connexion", _waiting()),
            service_name=service_name(given, browser),
            privacy_url=given.privacy_url,
            terms_url=given.terms_url,
        )
    )
    return _told_to_wait(response, retry_after)


def _is_suspected(given: Services) -> bool:
    with suppress(StoreUnavailable):  # the page shows all the same, and the form says what is away
        return given.sign_in.attempts.is_suspected(network_of_request(request, given))
    return True


def _second(
    given: Services,
    browser: str,
    journey: Journey,
    status: int = 200,
    *,
    chosen: str = "",
    errors: tuple[FormError, ...] = (),
    notice: Notice | None = None,
    retry_after: timedelta = timedelta(0),
) -> Response:
    offered = given.reset.offer(journey)
    response = make_response(
        render_template(
            "pages/reset_channel.html",
            form=Form(
                with_waiting(SECOND, _waiting(), step=request.args.get("etape", "")),
                csrf_token(given, browser),
            ),
            mail_mask=offered.mail_mask,
            letter_by=in_words(offered.letter_by),
            chosen=chosen,
            errors=errors,
            notice=notice,
            login_url=with_waiting("/connexion", _waiting()),
            again_url=with_waiting(FIRST, _waiting()),
        ),
        status,
    )
    return _told_to_wait(response, retry_after)


def _ended() -> Response:
    body = render_template(
        "pages/reset_ended.html",
        again_url=with_waiting(FIRST, _waiting()),
        login_url=with_waiting("/connexion", _waiting()),
    )
    return make_response(body, 400)


def _told_to_wait(response: Response, retry_after: timedelta) -> Response:
    if retry_after:
        response.headers["Retry-After"] = str(seconds_of(retry_after))
    return response


def _span(span: timedelta) -> Sentence:
    if span.days > 1:
        return say("%(count)s jours", count=span.days)
    return say("%(count)s heures", count=span // timedelta(hours=1))


def quota_notice(held: QuotaReached) -> Notice:
    """Say when to try again, and give nothing away."""
    title, message = _QUOTA_SENTENCES[held.quota]
    return Notice("wait", title, message(soon(held.retry_after)))


_QUOTA_SENTENCES: Mapping[Quota, tuple[Sentence, Callable[[Sentence], Sentence]]] = {
    Quota.NETWORK: (
        say("Trop de demandes"),
        lambda soon: say(
            "Beaucoup de demandes viennent de votre connexion internet. Réessayez %(soon)s.",
            soon=soon,
        ),
    ),
    Quota.MAIL: (
        say("Des mots de passe provisoires ont déjà été demandés"),
        lambda soon: say(
            "Regardez dans votre messagerie, et dans les courriers indésirables : seul le plus"
            " récent est valable. Vous pourrez en demander un autre %(soon)s, ou choisir le"
            " courrier postal.",
            soon=soon,
        ),
    ),
    Quota.LETTER: (
        say("Un courrier a déjà été demandé"),
        lambda soon: say(
            "Un seul mot de passe provisoire par courrier est envoyé à la fois. "
            "Vous pourrez en demander un autre %(soon)s.",
            soon=soon,
        ),
    ),
    Quota.LETTERS_OF_NETWORK: (
        say("Trop de courriers demandés"),
        lambda soon: say(
            "Plusieurs courriers ont été demandés depuis votre connexion internet."
            " Réessayez %(soon)s.",
            soon=soon,
        ),
    ),
}
