"""Every error as its reader needs it: a French page for a person, JSON for a machine.

A page shows the sentence of an error's code, never its text. What nobody foresaw is a page with an
incident number, which is the request id of the log line that holds the cause.
"""

import logging

from flask import Flask
from flask import Response
from flask import g
from flask import jsonify
from flask import make_response
from flask import render_template
from flask import request
from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import HTTPException

from idp import Busy
from idp import StoreUnavailable
from idp.oidc.logout import LogoutRefused
from idp.oidc.refusals import Finding
from idp.oidc.refusals import finding_of
from idp.oidc.response import with_incident
from idp.oidc.return_address import RefusedOnPage
from idp.oidc.waiting import WaitingRequestTooLarge
from idp.sentence import Sentence
from idp.sentence import say
from idp.web import services
from idp.web.refused import note

MACHINE_ENDPOINTS = frozenset(
    {"/token", "/revoke", "/introspect", "/userinfo", "/jwks", "/healthz", "/readyz"}
)
"""They answer JSON whatever they are asked to answer, and need no CSRF token."""

PROTOCOL_ENDPOINTS = frozenset(
    {"/authorize", "/token", "/revoke", "/introspect", "/userinfo", "/logout"}
)
"""What services and their members' browsers are refused here, an operator can be asked about."""

RETRY_SECONDS = 5

_UNREADABLE = "gunicorn.http.errors"
"""Where the errors of a body that is cut or badly chunked are: raised as the form is read."""

TO_SIGN_IN = say("Aller à la page de connexion")

_SENTENCES: dict[int, tuple[Sentence, Sentence]] = {
    400: (
        say("Cette demande n’est pas valable"),
        say("Revenez en arrière et recommencez, ou retournez à la page de connexion."),
    ),
    403: (
        say("Cette demande est refusée"),
        say("Retournez à la page de connexion et recommencez."),
    ),
    404: (
        say("Cette page n’existe pas"),
        say("L’adresse est peut-être mal recopiée. Vous pouvez retourner à la page de connexion."),
    ),
    405: (
        say("Cette page ne s’ouvre pas ainsi"),
        say("Retournez à la page de connexion et recommencez."),
    ),
    413: (
        say("Cette demande est trop longue"),
        say("Revenez en arrière et raccourcissez ce que vous avez saisi."),
    ),
    429: (say("Trop de tentatives"), say("Patientez quelques minutes avant de recommencer.")),
    500: (
        say("Une erreur est survenue de notre côté"),
        say(
            "Vous n’y êtes pour rien. Réessayez dans quelques minutes ; si cela continue, "
            "contactez-nous en donnant le numéro d’incident ci-dessous."
        ),
    ),
    503: (
        say("Le service est momentanément indisponible"),
        say("Rien n’est perdu. Réessayez dans quelques instants."),
    ),
}

log = logging.getLogger("idp.errors")


def register(app: Flask) -> None:
    """Answer every error of ``app``."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(StoreUnavailable, _unavailable)
    app.register_error_handler(Busy, _unavailable)
    app.register_error_handler(RefusedOnPage, _refused_on_page)
    app.register_error_handler(LogoutRefused, _logout_refused)
    app.register_error_handler(WaitingRequestTooLarge, _too_large)
    app.register_error_handler(Exception, _unforeseen)


def words_of(status: int) -> tuple[Sentence, Sentence]:
    """Give the title and the message of a status; those of 400 where it has none."""
    return _SENTENCES.get(status, _SENTENCES[400])


def page(
    status: int,
    *,
    title: Sentence | None = None,
    message: Sentence | None = None,
    code: str = "",
    incident: str = "",
    link: str = "/connexion",
    link_label: Sentence = TO_SIGN_IN,
) -> Response:
    """Make an error page; title and message are those of the status where none is given."""
    standard_title, standard_message = words_of(status)
    body = render_template(
        "pages/error.html",
        status=status,
        title=title or standard_title,
        message=message or standard_message,
        code=code,
        incident=incident,
        link=link,
        link_label=link_label,
    )
    return make_response(body, status)


def is_machine() -> bool:
    """Tell whether this request is answered in JSON."""
    return request.path in MACHINE_ENDPOINTS or request.path.startswith("/.well-known/")


def machine(status: int, error: str, description: str) -> Response:
    """Make an error that a program reads."""
    response = jsonify(error=error, error_description=description)
    response.status_code = status
    return response


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400:
        return make_response(error.get_response())
    refused = request.path in PROTOCOL_ENDPOINTS and status < 500
    if refused:
        expected = f"{error.get_response().allow.to_header() or 'a request that can be read'}"
        finding = Finding("http", expected, f"{request.method}, answered {status} {error.name}")
        note(services(), "invalid_request", error.name, finding)
    if is_machine():
        name = "invalid_request" if status < 500 else "server_error"
        told = with_incident(error.name, g.request_id) if refused else error.name
        response = machine(status, name, told)
    else:
        response = page(status, incident=g.request_id if refused or status >= 500 else "")
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _unavailable(error: StoreUnavailable | Busy) -> Response:
    log.warning("refused: %s", error)
    if is_machine():
        response = machine(503, "temporarily_unavailable", "A store is away; try again.")
    else:
        response = page(503, link=request.full_path if request.method == "GET" else "/connexion",
                        link_label=say("Réessayer"))  # fmt: skip
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _refused_on_page(error: RefusedOnPage) -> Response:
    finding = finding_of(error)
    note(services(), error.error, error.description, finding, client_id=error.client_id)
    return page(
        400,
        title=say("Ce service ne peut pas vous connecter"),
        message=say(
            "La demande que le service nous a transmise n’est pas valable. "
            "Retournez sur le site du service et recommencez. Si cela continue, prévenez ce "
            "service en lui donnant les informations ci-dessous."
        ),
        code=f"{error.error}: {error.description}",
        incident=g.request_id,
        link="",
    )


def _logout_refused(error: LogoutRefused) -> Response:
    finding = finding_of(error)
    note(services(), "invalid_request", str(error), finding, client_id=error.client_id)
    return page(
        400,
        title=say("Cette demande de déconnexion n’est pas valable"),
        message=say("Vous pouvez vous déconnecter depuis votre espace personnel."),
        code=f"invalid_request: {error}",
        incident=g.request_id,
        link="/compte",
        link_label=say("Aller à mon espace personnel"),
    )


def _too_large(error: WaitingRequestTooLarge) -> Response:
    refused = RefusedOnPage("invalid_request", "the request is too long")
    refused.__cause__ = Finding("length", "a request that fits into an address", str(error))
    return _refused_on_page(refused)


def _unforeseen(error: Exception) -> Response:
    if type(error).__module__ == _UNREADABLE:
        log.info("body not readable: %s", type(error).__name__)
        return _http(BadRequest())
    log.error("unforeseen", exc_info=error)
    if is_machine():
        return machine(500, "server_error", f"incident {g.request_id}")
    return page(500, incident=g.request_id)
