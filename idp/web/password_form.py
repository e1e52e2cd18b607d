"""A form of qualité, number and password, on whatever page: taken, counted, answered."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

from flask import Response
from flask import g
from flask import request

from idp import Busy
from idp import StoreUnavailable
from idp.identity.anti_robot import AntiRobotRefused
from idp.identity.anti_robot import Challenge
from idp.identity.dossier import Qualite
from idp.identity.login import MustChoosePassword
from idp.identity.login import SignInRefused
from idp.limits import Origin
from idp.limits import SignInDelayed
from idp.session import SignedIn
from idp.web import Services
from idp.web.anti_robot import ROBOT
from idp.web.anti_robot import solution_of
from idp.web.browser import actor_of
from idp.web.browser import device_of
from idp.web.browser import network_of_request
from idp.web.browser import new_device
from idp.web.headers import allow_anti_robot
from idp.web.language import language
from idp.web.login_form import REFUSED
from idp.web.login_form import FormError
from idp.web.login_form import Notice
from idp.web.login_form import read
from idp.web.login_form import wait_notice
from idp.web.password_answer import busy
from idp.web.password_answer import held_back

FORM = "sign_in"
"""The name of the form, to which its anti-robot is bound."""


class Draw(Protocol):
    """Draws the page of the form again, with what is wrong."""

    def __call__(
        self,
        status: int = 200,
        *,
        qualite: str = "",
        numero: str = "",
        errors: tuple[FormError, ...] = (),
        switch_to: str = "",
        notice: Notice | None = None,
        slip: bool = False,
    ) -> Response:
        """Draw it."""


def typed() -> tuple[str, str]:
    """What this request's form says of qualité and number, unread."""
    return request.form.get("qualite", ""), request.form.get("numero", "")[:64]


def take(
    given: Services,
    browser: str,
    draw: Draw,
    *,
    arrive: Callable[[SignedIn, str], Response],
    choose: Callable[[MustChoosePassword], Response],
) -> Response:
    """Take the form of a page of ours, and answer it.

    Args:
        given: the services.
        browser: whose form it is; looked at before.
        draw: the page, for whatever is wrong.
        arrive: the way on of who signed in, and the device; called within the transaction.
        choose: the way on of who typed a temporary password.
    """
    qualite, numero = typed()
    if request.form.get("switch") and qualite in set(Qualite):
        return draw(qualite=Qualite(qualite).other, numero=numero)
    attempt = read(given)
    again = partial(draw, qualite=qualite, numero=numero)
    if attempt.errors or attempt.qualite is None or attempt.numero is None:
        return again(400, errors=attempt.errors, switch_to=attempt.switch_to)
    known_device = device_of(request, given)
    device = known_device or new_device()
    origin = Origin(network_of_request(request, given), known_device)
    if _is_suspected(given, origin):
        try:
            given.anti_robot.accept(FORM, browser, solution_of(request.form))
        except AntiRobotRefused:
            given.counts.signed_in("refused", "anti_robot")
            return again(400, errors=(ROBOT,))
    outcome: SignedIn | MustChoosePassword | SignInRefused | SignInDelayed
    # Redis before SQL: a session without its event expires by itself, and nobody holds its cookie.
    try:
        with given.transaction(), given.together():
            try:
                outcome = given.sign_in.with_password(
                    attempt.qualite,
                    attempt.numero,
                    attempt.password,
                    origin=origin,
                    device=device,
                    browser=browser,
                    actor=actor_of(request, given, g.request_id),
                )
            except (SignInRefused, SignInDelayed) as refusal:
                # An outcome, not an accident: its audit event is committed too.
                outcome = refusal
            if isinstance(outcome, SignedIn):
                return arrive(outcome, device)
        if isinstance(outcome, MustChoosePassword):
            return choose(outcome)
    except StoreUnavailable:
        given.counts.signed_in("unavailable", "store")
        raise
    except Busy:
        given.counts.signed_in("unavailable", "hash_pool")
        return busy(again)
    if isinstance(outcome, SignInDelayed):
        given.counts.signed_in("delayed", outcome.held_by)
        return held_back(again, outcome)
    return again(403, errors=_refusal(outcome), slip=outcome.slip)


def challenge_of(given: Services, browser: str) -> Challenge | None:
    """What a stranger from a suspected network solves with the form, which the page then shows."""
    origin = Origin(network_of_request(request, given), device_of(request, given))
    with suppress(StoreUnavailable):  # the page shows all the same, and the form says what is away
        if _is_suspected(given, origin):
            allow_anti_robot()
            return given.anti_robot.challenge(FORM, browser, harder=True, language=language())
    return None


def _refusal(refused: SignInRefused) -> tuple[FormError, ...]:
    said = FormError("", REFUSED)
    return (said, FormError("", wait_notice(refused.wait).message)) if refused.wait else (said,)


def _is_suspected(given: Services, origin: Origin) -> bool:
    """Whether this stranger solves an anti-robot first; a browser that signed in before never."""
    return not origin.device and given.sign_in.attempts.is_suspected(origin.network)
