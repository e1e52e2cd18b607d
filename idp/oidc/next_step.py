"""What an authorization request needs now: a page of ours, or its answer."""

from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from enum import StrEnum

from authlib.oidc.core.errors import ConsentRequiredError
from authlib.oidc.core.errors import InteractionRequiredError
from authlib.oidc.core.errors import LoginRequiredError

from idp.oidc.authorize import AuthorizationRequest
from idp.oidc.refusals import Finding
from idp.oidc.return_address import RefusedByRedirect
from idp.session import Session


class NextStep(StrEnum):
    """What an authorization request needs now, in the order in which it is asked for."""

    REGISTER = "register"
    SIGN_IN = "sign_in"
    SELECT_ACCOUNT = "select_account"
    ASK_CONSENT = "ask_consent"
    ISSUE_CODE = "issue_code"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the browser's session, beside the session itself.

    Attributes:
        another_is_hinted: ``id_token_hint``, or the ``sub`` of ``claims``, names somebody else
            than the session does.
        selected: the member said to go on with this session, for this request.
        must_consent: something that the service asks for is not granted.
        consented: the member has just granted it, for this request.
        another_level_is_wished: the session is not at the level that the service would like.
    """

    another_is_hinted: bool = False
    selected: bool = False
    must_consent: bool = False
    consented: bool = False
    another_level_is_wished: bool = False


def next_step(
    request: AuthorizationRequest,
    session: Session | None,
    *,
    requested_at: datetime,
    now: datetime,
    standing: Standing = Standing(),
) -> NextStep:
    """Decide from the request and the browser's session what comes next.

    Args:
        request: as checked.
        session: the browser's, if it has one.
        requested_at: when the request came in: a sign-in after it satisfies ``prompt=login``, and
            ``select_account`` and ``create`` too.
        now: the instant.
        standing: what else is known.

    An application of the member's device may be another than it says: nothing is answered to it
    that the member has not seen asked.

    Raises:
        RefusedByRedirect: ``login_required``, ``interaction_required`` or ``consent_required``,
            where the client allowed no page, or ``login_required`` where not the person it hinted
            at signed in for it.

    Spec: OIDC Core 1.0 §3.1.2.3, §3.1.2.4, §3.1.2.6; Initiating User Registration 1.0 §4; RFC 8252
    §8.6.
    """
    another = standing.another_is_hinted
    if session is not None and another and session.auth_time > requested_at:
        raise another_person(request)
    if session is None or another or not _accepts(request, session, requested_at, now):
        if "none" in request.prompt:
            raise request.refused(
                LoginRequiredError("No session that this request accepts."),
                Finding("session", *_no_session(request, session, now, another=another)),
            )
        return NextStep.REGISTER if "create" in request.prompt else NextStep.SIGN_IN
    may_ask = "none" not in request.prompt
    if may_ask and standing.another_level_is_wished and session.auth_time <= requested_at:
        # Once: whatever the member then signs in with is an answer to a wish.
        return NextStep.SIGN_IN
    asks_who = "select_account" in request.prompt or request.back.on_device
    if asks_who and not _selected(session, requested_at, standing):
        if "none" in request.prompt:
            raise request.refused(
                InteractionRequiredError("The member must see who asks."),
                Finding("choice of account", "a page that asks the member", "prompt=none"),
            )
        return NextStep.SELECT_ACCOUNT
    return consent_step(request, standing)


def another_person(request: AuthorizationRequest) -> RefusedByRedirect:
    """Refuse the sign-in of somebody else than the request names."""
    return request.refused(
        LoginRequiredError("Another person signed in than the request names."),
        Finding("person", "the person of id_token_hint or claims", "a session of another one"),
    )


def consent_step(request: AuthorizationRequest, standing: Standing) -> NextStep:
    """Decide whether who signed in, as the request wants it, is asked for consent.

    Raises:
        RefusedByRedirect: ``consent_required``, where the client allowed no page.
    """
    asked_for = "consent" in request.prompt and not request.client.first_party
    if not standing.must_consent and (standing.consented or not asked_for):
        return NextStep.ISSUE_CODE
    if "none" in request.prompt:
        raise request.refused(
            ConsentRequiredError("The member has not granted all of this."),
            Finding("consent", f"a consent to {' '.join(request.scope)}", "none, and prompt=none"),
        )
    return NextStep.ASK_CONSENT


def _selected(session: Session, requested_at: datetime, standing: Standing) -> bool:
    return standing.selected or session.auth_time > requested_at


def _no_session(
    request: AuthorizationRequest, session: Session | None, now: datetime, *, another: bool
) -> tuple[str, str]:
    """Say what session a request wants, and what there is."""
    if session is None:
        return "a session in this browser", "none"
    if another:
        return "a session of the person of id_token_hint or claims", "one of another person"
    if not request.claims.takes_level(session.acr):
        return "a session of the level that claims wants", f"one of {session.acr}"
    age = int((now - session.auth_time).total_seconds())
    return f"a sign-in within max_age={request.max_age}", f"one {age} seconds ago"


def _accepts(
    request: AuthorizationRequest, session: Session, requested_at: datetime, now: datetime
) -> bool:
    if not request.claims.takes_level(session.acr):
        return False
    if session.auth_time > requested_at:
        return True
    if request.prompt & {"login", "create"}:
        return False
    if request.max_age is None:
        return True
    return now - session.auth_time <= timedelta(seconds=request.max_age)
