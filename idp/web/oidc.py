"""The endpoints that services call: token, revocation, introspection, userinfo."""

from collections.abc import Callable
from http import HTTPStatus

from flask import Blueprint
from flask import Response
from flask import g
from flask import jsonify
from flask import request

from idp.oidc.access_tokens import InvalidAccessToken
from idp.oidc.provider import Answer
from idp.oidc.refusals import Finding
from idp.oidc.refusals import finding_of
from idp.oidc.response import with_incident
from idp.oidc.userinfo import InsufficientScope
from idp.web import Services
from idp.web import services
from idp.web.browser import actor_of
from idp.web.browser import network_of_request
from idp.web.cors import readable_by
from idp.web.headers import FORM
from idp.web.refused import note
from idp.web.refused import note_json

bp = Blueprint("oidc", __name__)


@bp.post("/token")
def token() -> Response:
    """Answer a token request, in JSON always. Spec: OIDC Core 1.0 §3.1.3."""
    given = services()
    answer = _asked(given, given.provider.answer_token_request)
    if answer.to_confirm:
        with given.transaction():
            answer = given.provider.confirmed(answer)
    if answer.client is not None and answer.status == HTTPStatus.OK:
        given.counts.token_issued(request.form["grant_type"], answer.client.client_id)
        if not answer.client.is_public:
            given.key_watch.called(answer.client.client_id, network_of_request(request, given))
    return _response(answer)


@bp.post("/revoke")
def revoke() -> Response:
    """End a token of the service that asks. Spec: RFC 7009 §2."""
    given = services()
    return _response(_asked(given, given.provider.answer_revocation))


@bp.post("/introspect")
def introspect() -> Response:
    """Tell a service whether a token that concerns it is good. Spec: RFC 7662 §2."""
    given = services()
    return _response(_asked(given, given.provider.answer_introspection))


@bp.route("/userinfo", methods=["GET", "POST"])
def userinfo() -> Response:
    """Answer with the claims of an access token, sent in the header or in a form.

    Spec: OIDC Core 1.0 §5.3, RFC 6750 §2.1, §2.2, §3.
    """
    given = services()
    presented = _bearer_tokens()
    if not presented:
        # RFC 6750 §3.1: to a request without any token, no error code.
        absent = Finding("access_token", "an access token, in the header or in a form")
        return _bearer_refusal(401, "", "", absent)
    if len(presented) > 1:
        once = Finding("access_token", "one access token", f"{len(presented)}")
        return _bearer_refusal(400, "invalid_request", "More than one access token.", once)
    try:
        with given.transaction():
            told = given.userinfo.tell(presented[0])
    except InvalidAccessToken as refusal:
        description = f"The access token is refused: {refusal}."
        living = Finding("access_token", "an access token for userinfo, alive", str(refusal))
        return _bearer_refusal(
            401, "invalid_token", description, finding_of(refusal, living), refusal.client_id
        )
    except InsufficientScope as refusal:
        description = f"The token is {refusal}."
        return _bearer_refusal(
            403, "insufficient_scope", description, finding_of(refusal), refusal.client_id
        )
    readable_by(given.clients.find(told.client_id))
    return jsonify(told.claims)


def _asked(given: Services, answer: Callable[..., Answer]) -> Answer:
    """Ask the provider what a service's form asks, in one transaction."""
    with given.transaction():
        return answer(
            request.form.items(multi=True),
            authorization=request.headers.get("Authorization", ""),
            network=network_of_request(request, given),
            actor=actor_of(request, given, g.request_id),
        )


def _response(answer: Answer) -> Response:
    if answer.client is not None:
        readable_by(answer.client)
    body = answer.body
    if answer.finding is not None:
        body = note_json(services(), answer.body, answer.finding, answer.client, answer.named)
    response = jsonify(body)
    response.status_code = answer.status
    for name, value in answer.headers:
        response.headers[name] = value
    return response


def _bearer_tokens() -> list[str]:
    presented = []
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        presented.append(credentials.strip())
    if request.method == "POST" and request.mimetype == FORM:
        presented += [token for token in request.form.getlist("access_token") if token]
    return presented


def _bearer_refusal(
    status: int, error: str, description: str, finding: Finding, client_id: str = ""
) -> Response:
    note(services(), error, description, finding, client_id=client_id)
    description = with_incident(description, g.request_id)
    challenge = 'Bearer realm="userinfo"'
    if error:
        challenge += f', error="{error}", error_description="{description}"'
    response = jsonify(error=error, error_description=description) if error else jsonify({})
    response.status_code = status
    response.headers["WWW-Authenticate"] = challenge
    return response
