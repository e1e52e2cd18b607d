"""What servers speak to: discovery, keys, tokens, userinfo, revocation."""

import re
from http import HTTPStatus
from typing import Any

from flask import Blueprint
from flask import Response
from flask import current_app
from flask import jsonify
from flask import request

from demo.franceconnect.authorization_request import ACR
from demo.franceconnect.keys import ALGS
from demo.franceconnect.people import CLAIMS_OF_SCOPES
from demo.franceconnect.simulator import Simulator
from demo.franceconnect.simulator import changed

SIGNING = ["HS256", "ES256", "RS256"]
METHODS = ["client_secret_post", "private_key_jwt"]
CLAIMS = [
    *("sub", "given_name", "given_name_array", "family_name", "gender", "birthdate", "birthplace"),
    *("birthcountry", "preferred_username", "email", "amr", "acr", "auth_time", "iss"),
]
_BEARER = re.compile(r"Bearer ([A-Za-z0-9._~+/=-]+)", re.IGNORECASE)

bp = Blueprint("api", __name__)


def simulator() -> Simulator:
    """The FranceConnect of this application."""
    found: Simulator = current_app.extensions["franceconnect"]
    return found


@bp.get("/.well-known/openid-configuration")
def discovery() -> Response:
    """Publish what it is; S256 and HS256 are said, as by the real one, and neither is good here."""
    here = simulator()
    issuer = here.configuration.issuer
    document: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "end_session_endpoint": f"{issuer}/session/end",
        "revocation_endpoint": f"{issuer}/token/revocation",
        "acr_values_supported": [ACR],
        "authorization_response_iss_parameter_supported": True,
        "claims_parameter_supported": True,
        "claim_types_supported": ["normal"],
        "claims_supported": CLAIMS,
        "code_challenge_methods_supported": ["S256"],
        "grant_types_supported": ["authorization_code"],
        "id_token_signing_alg_values_supported": SIGNING,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "response_modes_supported": ["form_post", "fragment", "query"],
        "response_types_supported": ["code"],
        "revocation_endpoint_auth_methods_supported": METHODS,
        "revocation_endpoint_auth_signing_alg_values_supported": ["ES256", "RS256"],
        "scopes_supported": sorted({"openid", *CLAIMS_OF_SCOPES, *CLAIMS[3:10]}),
        "subject_types_supported": ["pairwise"],
        "token_endpoint_auth_methods_supported": METHODS,
        "token_endpoint_auth_signing_alg_values_supported": list(ALGS),
        "userinfo_signing_alg_values_supported": SIGNING,
    }
    return jsonify(changed(document, here.fault.discovery))


@bp.get("/jwks")
def jwks() -> Response:
    """Publish the keys."""
    return jsonify(simulator().keys.jwks())


@bp.post("/token")
def token() -> Response | tuple[Response, int]:
    """Exchange a code: within 30 seconds, once, by the service that it was for.

    Spec: RFC 6749 §4.1.3, §5.2.
    """
    here, form = simulator(), request.form
    if not here.authentication.proves(form, request.headers.get("Authorization")):
        return _error("invalid_client", "client authentication failed", HTTPStatus.UNAUTHORIZED)
    if form.get("grant_type") != "authorization_code":
        return _error("unsupported_grant_type", "unsupported grant_type requested")
    if "code_verifier" in form:
        return _error("invalid_grant", "grant request is invalid")
    answer = here.redeem(form.get("code", ""), form.get("redirect_uri", ""))
    if answer is None:
        return _error("invalid_grant", "grant request is invalid")
    return jsonify(answer)


@bp.get("/userinfo")
def userinfo() -> Response | tuple[Response, int]:
    """Tell who the person is, in a signed JWT.

    Spec: OIDC Core 1.0 §5.3.2.
    """
    here = simulator()
    bearer = _BEARER.fullmatch(request.headers.get("Authorization", ""))
    claims = here.userinfo(bearer[1]) if bearer else None
    if claims is None:
        answer, status = _error("invalid_token", "invalid token provided", HTTPStatus.UNAUTHORIZED)
        answer.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
        return answer, status
    if here.fault.userinfo_is_json:
        return jsonify(claims)
    written = here.write_jwt(claims, here.fault.userinfo)
    return Response(written, content_type="application/jwt; charset=utf-8")


@bp.post("/token/revocation")
def revocation() -> Response | tuple[Response, int]:
    """Forget an access token (RFC 7009)."""
    here = simulator()
    if not here.authentication.proves(request.form, request.headers.get("Authorization")):
        return _error("invalid_client", "client authentication failed", HTTPStatus.UNAUTHORIZED)
    here.revoke(request.form.get("token", ""))
    return Response(status=HTTPStatus.OK)


def _error(
    error: str, description: str, status: int = HTTPStatus.BAD_REQUEST
) -> tuple[Response, int]:
    return jsonify(error=error, error_description=description), status
