"""What a browser sees: the choice of a person, the pages that refuse, the way out."""

import secrets
from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint
from flask import render_template
from flask import request
from werkzeug import Response

from demo.franceconnect.api import simulator
from demo.franceconnect.authorization_request import AuthorizationRequest
from demo.franceconnect.authorization_request import SentBack
from demo.franceconnect.authorization_request import ShownThere
from demo.franceconnect.authorization_request import read
from demo.franceconnect.simulator import SESSION_LIFETIME
from demo.franceconnect.simulator import SignIn

COOKIE = "franceconnect_session"
LOGOUT_PARAMETERS = ("id_token_hint", "state", "post_logout_redirect_uri")
TOO_LATE = "Y030009"
BAD_LOGOUT = "Y030020"


@dataclass(frozen=True, slots=True)
class Incident:
    """A sign-in that fails there: what the page calls it, what the service is told."""

    title: str
    error: str
    description: str


WENT_BACK = "retour"
INCIDENTS = {
    WENT_BACK: Incident(
        "Revenir sans m’identifier", "access_denied", "user authentication aborted"
    ),
    "fournisseur": Incident(
        "Le fournisseur d’identité refuse", "access_denied", "the identity provider refused"
    ),
    "requete": Incident("La demande est refusée", "invalid_request", "the request is not valid"),
    "perimetre": Incident(
        "Les données demandées ne sont pas permises",
        "invalid_scope",
        "requested scope is not allowed",
    ),
    "serveur": Incident("Une panne de FranceConnect", "server_error", "an error occurred"),
    "indisponible": Incident(
        "FranceConnect est indisponible",
        "temporarily_unavailable",
        "the service is temporarily unavailable",
    ),
}
"""By the last word of its address."""
REFUSALS = {
    "not_found": "no identity found in the civil status register",
    "homonym": "several identities found in the civil status register",
    "deceased": "the person is deceased",
}

bp = Blueprint("pages", __name__)


@bp.app_errorhandler(HTTPStatus.NOT_FOUND)
def nothing_there(_error: Exception) -> tuple[str, int]:
    """Say so."""
    return render_template("franceconnect/gone.html"), HTTPStatus.NOT_FOUND


@bp.route("/authorize", methods=["GET", "POST"])
def authorize() -> Response:
    """Read a request and lead to the choice of a person."""
    here = simulator()
    given = request.form if request.method == "POST" else request.args
    try:
        asked = read(dict(given.lists()), here.configuration.registration)
    except SentBack as fault:
        answer = {
            "error": fault.error,
            "error_description": fault.description,
            "state": fault.state,
        }
        return _go(here.callback(fault.redirect_uri, answer, fragment=fault.fragment))
    known = request.cookies.get(COOKIE, "")
    session = known if here.sessions.find(known) is not None else secrets.token_urlsafe(32)
    sign_in = secrets.token_urlsafe(32)
    here.sign_ins.put(sign_in, SignIn(asked, session))
    response = _go(f"{here.path}/interaction/{sign_in}")
    response.set_cookie(
        COOKIE,
        session,
        max_age=SESSION_LIFETIME,
        path=here.path,
        secure=here.configuration.issuer.startswith("https:"),
        httponly=True,
        samesite="Lax",
    )
    return response


@bp.get("/interaction/<sign_in>")
def choose(sign_in: str) -> str:
    """Show the people that one can be."""
    here = simulator()
    session = _begun(sign_in).session
    known = here.sessions.find(session)
    if known is not None:
        here.sessions.put(session, known)  # used, and so for thirty minutes more
    return render_template(
        "franceconnect/choose.html",
        sign_in=sign_in,
        people=here.people.values(),
        signed_in=here.people.get(known or ""),
        went_back=WENT_BACK,
        incidents={word: one.title for word, one in INCIDENTS.items() if word != WENT_BACK},
    )


@bp.get("/interaction/<sign_in>/personne/<key>")
def be(sign_in: str, key: str) -> Response:
    """Come back as somebody, if the civil status register knows them."""
    here = simulator()
    person = here.people.get(key)
    if person is None:
        raise ShownThere(TOO_LATE, "personne inconnue")
    taken = _taken(sign_in)
    if person.refusal:
        return _answer(taken.request, "access_denied", REFUSALS[person.refusal])
    here.sessions.put(taken.session, person.key)
    return _go(here.agree(taken.request, person))


@bp.get("/interaction/<sign_in>/erreur/<word>")
def fail(sign_in: str, word: str) -> Response:
    """Come back without having signed in."""
    incident = INCIDENTS.get(word)
    if incident is None:
        raise ShownThere(TOO_LATE, "erreur inconnue")
    return _answer(_taken(sign_in).request, incident.error, incident.description)


@bp.get("/session/end")
def end_session() -> Response:
    """End the session here and go back; three parameters, all of them needed."""
    here = simulator()
    given = {name: request.args.get(name, "") for name in LOGOUT_PARAMETERS}
    for name, value in given.items():
        if not value:
            raise ShownThere(BAD_LOGOUT, f"{name} manque")
    registration = here.configuration.registration
    hint = here.keys.read_own(given["id_token_hint"])
    if hint is None or hint.get("aud") != registration.client_id:
        raise ShownThere(BAD_LOGOUT, "id_token_hint n’est pas un jeton de ce service")
    if given["post_logout_redirect_uri"] not in registration.post_logout_redirect_uris:
        raise ShownThere(BAD_LOGOUT, "post_logout_redirect_uri n’est pas déclarée")
    here.sessions.take(request.cookies.get(COOKIE, ""))
    response = _go(here.signed_out(given["post_logout_redirect_uri"], given["state"]))
    response.delete_cookie(COOKIE, path=here.path)
    return response


@bp.app_errorhandler(ShownThere)
def shown(refusal: ShownThere) -> tuple[str, int]:
    """Say what is wrong, on a page that leads nowhere."""
    return render_template("franceconnect/error.html", refusal=refusal), HTTPStatus.BAD_REQUEST


def _begun(sign_in: str) -> SignIn:
    begun = simulator().sign_ins.find(sign_in)
    if begun is None or begun.session != request.cookies.get(COOKIE):
        raise ShownThere(TOO_LATE, "cette connexion est terminée, ou d’un autre navigateur")
    return begun


def _taken(sign_in: str) -> SignIn:
    begun = _begun(sign_in)
    simulator().sign_ins.take(sign_in)
    return begun


def _answer(asked: AuthorizationRequest, error: str, description: str) -> Response:
    answer = {"error": error, "error_description": description, "state": asked.state}
    return _go(simulator().callback(asked.redirect_uri, answer))


def _go(address: str) -> Response:
    response = Response(status=HTTPStatus.SEE_OTHER, content_type="text/html; charset=utf-8")
    response.headers["Location"] = address
    return response
