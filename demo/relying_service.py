"""Two small services of the fund that delegate their sign-in, to see and to test the whole journey.

``/`` is "Mes cotisations" and ``/attestations`` is "Mes attestations": two clients, two sign-ins,
one session at the identity provider. Everything they know of it comes from its discovery document.
"""

import os
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from authlib.oauth2.base import OAuth2Error
from flask import Blueprint
from flask import Flask
from flask import Response as FlaskResponse
from flask import abort
from flask import current_app
from flask import redirect
from flask import render_template
from flask import request
from flask import session
from flask import url_for
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry
from werkzeug import Response

from demo import wording
from demo.configuration import DemoConfiguration
from demo.memory_sessions import MemorySessions

SCOPE = "openid profile email dossier"
PROVIDER_TIMEOUT_SECONDS = 10
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_CLAIMS = JWTClaimsRegistry(
    leeway=30,
    iss={"essential": True},
    aud={"essential": True},
    iat={"essential": True},
    exp={"essential": True},
    jti={"essential": True},
    sid={"essential": True},
    events={"essential": True},
)


@dataclass(frozen=True, slots=True)
class Service:
    """One of the two, as its page presents it."""

    name: str
    title: str
    lead: str
    path: str


SERVICES = {
    "cotisations": Service(
        "cotisations",
        "Mes cotisations",
        "Vos appels de cotisations, vos échéances et votre situation.",
        "/",
    ),
    "attestations": Service(
        "attestations",
        "Mes attestations",
        "Vos attestations de paiement et d’affiliation, à télécharger.",
        "/attestations",
    ),
}

bp = Blueprint("demo", __name__)


def create_app(configuration: DemoConfiguration | None = None) -> Flask:
    """Build the application; gunicorn calls it with DEMO_CONFIGURATION in the environment."""
    configuration = configuration or DemoConfiguration.read(Path(os.environ["DEMO_CONFIGURATION"]))
    if configuration is None:
        message = "DEMO_CONFIGURATION names no usable file: bin/start writes it"
        raise RuntimeError(message)
    app = Flask("demo.relying_service")
    app.session_interface = app.extensions["demo_visits"] = MemorySessions()
    app.config["ISSUER"] = configuration.issuer
    app.config["ORIGIN"] = configuration.origin
    oauth = OAuth(app)
    for name in SERVICES:
        client = configuration.clients[name]
        oauth.register(  # type: ignore[no-untyped-call]
            name,
            client_id=client.client_id,
            client_secret=client.client_secret,
            server_metadata_url=f"{configuration.issuer}/.well-known/openid-configuration",
            client_kwargs={
                "scope": SCOPE,
                "code_challenge_method": "S256",
                "token_endpoint_auth_method": "client_secret_basic",
                "default_timeout": PROVIDER_TIMEOUT_SECONDS,
            },
        )
    app.extensions["demo_oauth"] = oauth
    app.jinja_env.globals.update(
        QUALITES=wording.QUALITES, SITUATIONS=wording.SITUATIONS, SERVICES=SERVICES
    )
    app.jinja_env.filters.update(day=wording.day, shown=wording.shown)
    app.register_blueprint(bp)
    app.after_request(_protect)
    return app


@bp.get("/")
def cotisations() -> str:
    """The first service."""
    return _page(SERVICES["cotisations"])


@bp.get("/attestations")
def attestations() -> str:
    """The second service: whoever signed in to the first is asked nothing here."""
    return _page(SERVICES["attestations"])


@bp.get("/confidentialite")
def privacy() -> str:
    """What the reset's page calls « Confidentialité »."""
    return _told("Confidentialité", wording.PRIVACY)


@bp.get("/conditions")
def terms() -> str:
    """What the reset's page calls « Conditions »."""
    return _told("Conditions d’utilisation", wording.TERMS)


@bp.get("/<name>/connexion")
def connect(name: str) -> Response:
    """Send the browser to the identity provider; ``?silencieux=1`` forbids it to ask anything."""
    _forget_waiting(name)
    asked = {"prompt": "none"} if request.args.get("silencieux") else {}
    answer: Response = _client(name).authorize_redirect(_address("demo.back", name=name), **asked)
    return answer


@bp.get("/<name>/retour")
def back(name: str) -> Response | tuple[str, int]:
    """Take the answer of the identity provider, then move on to a page of our own."""
    client = _client(name)
    # RFC 9207: an answer of another provider must not be redeemed at ours.
    if request.args.get("iss") != client.load_server_metadata()["issuer"]:
        return _refusal(_service(name), "issuer_mismatch", "")
    token = client.authorize_access_token()
    claims = dict(token["userinfo"])
    userinfo = dict(client.userinfo(token=token))
    if userinfo.get("sub") != claims["sub"]:  # OIDC Core 1.0 §5.3.2
        return _refusal(_service(name), "sub_mismatch", "")
    current_app.extensions["demo_visits"].renew(session)
    session[name] = {"id_token": token["id_token"], "claims": claims, "userinfo": userinfo}
    return _go(_service(name).path)


@bp.post("/<name>/deconnexion")
def disconnect(name: str) -> Response:
    """Forget the visit here, then ask the identity provider to end its session."""
    visit = session.pop(name, None)
    if visit is None:
        return _go(_service(name).path)
    answer: Response = _client(name).logout_redirect(
        post_logout_redirect_uri=_address("demo.goodbye", name=name),
        id_token_hint=visit["id_token"],
    )
    answer.status_code = HTTPStatus.SEE_OTHER
    return answer


@bp.get("/<name>/au-revoir")
def goodbye(name: str) -> str:
    """Where the identity provider sends the browser when its session has ended."""
    _client(name).validate_logout_response()
    return render_template("goodbye.html", service=_service(name))


@bp.post("/<name>/fin-de-session")
def told(name: str) -> tuple[str, int]:
    """Forget every visit of a session that has ended: the provider says so, server to server.

    Spec: OIDC Back-Channel Logout 1.0 §2.6, §2.7, §2.8.
    """
    client, service = _client(name), _service(name)
    keys = KeySet.import_key_set(client.fetch_jwk_set())
    read = jwt.decode(request.form.get("logout_token", ""), keys, algorithms=["ES256"])
    LOGOUT_CLAIMS.validate(read.claims)
    is_ours = read.claims["iss"] == client.load_server_metadata()["issuer"]
    is_for_us = read.claims["aud"] == client.client_id
    if not (is_ours and is_for_us and LOGOUT_EVENT in read.claims["events"]):
        abort(HTTPStatus.BAD_REQUEST)
    if read.header.get("typ") != "logout+jwt" or "nonce" in read.claims:
        abort(HTTPStatus.BAD_REQUEST)
    current_app.extensions["demo_visits"].forget(service.name, read.claims["sid"])
    return "", HTTPStatus.OK


@bp.app_errorhandler(OAuthError)
@bp.app_errorhandler(OAuth2Error)
def refused(error: OAuthError | OAuth2Error) -> tuple[str, int]:
    """Say what the identity provider answered."""
    if error.error == "login_required":  # the session there has ended: so does the visit here
        session.pop(_asked_service().name, None)
    return _refusal(_asked_service(), str(error.error), str(error.description or ""))


@bp.app_errorhandler(JoseError)
def unreadable(error: JoseError) -> tuple[str, int]:
    """Refuse a token that does not verify."""
    return _refusal(_asked_service(), "invalid_token", str(error))


@bp.app_errorhandler(requests.RequestException)
def away(error: requests.RequestException) -> tuple[str, int]:
    """Say that the identity provider does not answer."""
    return _refusal(_asked_service(), "temporarily_unavailable", type(error).__name__)


def _page(service: Service) -> str:
    return render_template("service.html", service=service, visit=session.get(service.name))


def _told(title: str, sentence: str) -> str:
    service = SERVICES["cotisations"]
    return render_template("told.html", service=service, title=title, sentence=sentence)


def _refusal(service: Service, code: str, detail: str) -> tuple[str, int]:
    sentence = wording.REFUSALS.get(code, "La connexion n’a pas abouti.")
    page = render_template(
        "refused.html", service=service, sentence=sentence, code=code, detail=detail
    )
    return page, HTTPStatus.BAD_REQUEST


def _service(name: str) -> Service:
    if name not in SERVICES:
        abort(HTTPStatus.NOT_FOUND)
    return SERVICES[name]


def _asked_service() -> Service:
    return SERVICES.get((request.view_args or {}).get("name", ""), SERVICES["cotisations"])


def _client(name: str) -> Any:  # Any: Authlib's client comes without types
    _service(name)
    return current_app.extensions["demo_oauth"].create_client(name)


def _address(endpoint: str, **values: Any) -> str:  # Any: what url_for takes
    # From the configuration, never from the Host header: it is compared with the registration.
    return str(current_app.config["ORIGIN"]) + url_for(endpoint, **values)


def _go(path: str) -> Response:
    return redirect(path, HTTPStatus.SEE_OTHER)


def _forget_waiting(name: str) -> None:
    # Each click leaves a state behind when nobody comes back; only the last one can be answered.
    for key in [key for key in session if key.startswith(f"_state_{name}_")]:
        del session[key]


def _protect(response: FlaskResponse) -> FlaskResponse:
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action 'self' {current_app.config['ISSUER']}"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response
