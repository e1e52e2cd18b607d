"""Pages and endpoints. Flask, thin: rules live in ``identity`` and ``oidc``, stores in ``infra``.

=========================  ======================================================================
``authorize``              ``/authorize``, the only dispatcher; how its answers leave
``oidc``                   ``/token``, ``/revoke``, ``/introspect``, ``/userinfo``
``login``                  ``/connexion``; ``login_form`` words it, ``password_form`` takes it
``password_answer``        what any page answers to a password that was not tried
``franceconnect``          ``/franceconnect``, there and back; worded by ``franceconnect_words``
``franceconnect_dossier``  ``/franceconnect/dossier``: which of several dossiers
``franceconnect_proof``    ``/franceconnect/rattachement``: whose dossier, by number and password
``franceconnect_logout``   the way out through FranceConnect, and back
``reset``                  ``/mot-de-passe-oublie`` and its two further steps
``new_password``           ``/nouveau-mot-de-passe``; ``password_faults`` words its refusals
``account_email``          ``/compte/adresse-mail``, and the code that confirms it
``account_activity``       ``/compte/activite``; ``activity_words`` says what happened
``freeze``                 ``/compte/ce-n-etait-pas-moi``
``email_address``          ``/adresse-electronique``, and the code that confirms it
``waiting``                the request that waits behind a page, and the way on to its service
``anti_robot``             what a form with the anti-robot sends back
``account_choice``         ``/choix-du-dossier``: go on as who is signed in, or as another
``consent``                ``/consentement``; ``consent_words`` says what each scope gives
``logout``                 ``/logout``, ``/deconnexion``
``account``                ``/compte``, the overview; a page a topic: ``account_…``
``confirmation``           the password again, before what is sensitive there
``member``                 who is signed in, as pages tell it
``published``              discovery and JWKS, answered in front of Flask's dispatch
``cors``                   which scripts of other origins may read an answer
``health``                 ``/healthz``, ``/readyz``
``legal``                  ``/accessibilite``, ``/mentions-legales``, ``/donnees-personnelles``
``logos``                  ``/logos/…``: those of services
``assets``                 ``/static/…``, held ready in memory, the theme's before ours
``maintenance``            what still answers when the operator closed the service
``browser``                cookies, CSRF, the network a request comes from
``headers``                request id, security headers, one log line a request
``errors``                 every error as a French page, or as JSON for machines
``language``               which language a page speaks, and the switch
``refused``                what a refused request leaves for who asks why
=========================  ======================================================================
"""

from collections.abc import Callable
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from datetime import timedelta
from typing import Protocol
from typing import cast

from flask import Flask
from flask import current_app

from idp.audit import AuditLog
from idp.hops import HopWatch
from idp.identity.anti_robot import AntiRobot
from idp.identity.audit_trail import AuditTrail
from idp.identity.devices import Devices
from idp.identity.dossier import KnownDossiers
from idp.identity.dossier import NumeroPatterns
from idp.identity.email_address import EmailAddresses
from idp.identity.franceconnect import FranceConnectSignIn
from idp.identity.franceconnect_links import Links
from idp.identity.franceconnect_port import Arrivals
from idp.identity.franceconnect_port import FranceConnect
from idp.identity.franceconnect_port import Hints
from idp.identity.franceconnect_port import Tries
from idp.identity.freeze import Freeze
from idp.identity.login import SignIn
from idp.identity.new_password import NewPassword
from idp.identity.notices import Notices
from idp.identity.outbox import OutboxDesk
from idp.identity.reset import Reset
from idp.identity.reset_journey import Journeys
from idp.legal import Legal
from idp.limits import ClientFailures
from idp.limits import Once
from idp.maintenance import Closure
from idp.oidc.authorization import Codes
from idp.oidc.backchannel_logout import Farewell
from idp.oidc.claims import Subjects
from idp.oidc.clients import Clients
from idp.oidc.consent import Accesses
from idp.oidc.consent import ConsentRule
from idp.oidc.discovery import Document
from idp.oidc.discovery import PublishedKeys
from idp.oidc.frontchannel_logout import FrontChannelLogout
from idp.oidc.key_watch import KeyWatch
from idp.oidc.logout import Logout
from idp.oidc.provider import Provider
from idp.oidc.refusals import Refusals
from idp.oidc.userinfo import Userinfo
from idp.oidc.waiting import WaitingRequests
from idp.sealed import Sealer
from idp.sentence import Catalogue
from idp.session import Sessions
from idp.theme import Theme

EXTENSION = "idp-services"


class Counts(Protocol):
    """Who is told what happened, for numbers: routes, causes and clients, nothing of persons."""

    def answered(self, endpoint: str, method: str, status: int, seconds: float) -> None:
        """A request was answered; ``endpoint`` is the name of its route, never its path."""

    def signed_in(self, outcome: str, stopped_by: str) -> None:
        """A sign-in ended in a way that the audit log does not tell."""

    def authorized(self, client_id: str) -> None:
        """A code was issued."""

    def token_issued(self, grant: str, client_id: str) -> None:
        """A token request was granted."""

    def refused(self, endpoint: str, error: str, check: str, client_id: str) -> None:
        """A request of a service was refused; what it names may be no client of ours."""

    def franceconnect_asked(self, outcome: str, fault: str) -> None:
        """FranceConnect sent somebody back without a code; both are words of ours."""


@dataclass(frozen=True, slots=True)
class Services:
    """What pages and endpoints need, built by ``idp.wiring``; nothing is built here.

    Attributes:
        default_client_id: the service that a sign-in without one leads to, or "" for ``/compte``.
        downloads: holds back who downloads the same again at once.
        choices: seals the lease under which a password is being chosen.
        cookie_keys: the first signs and seals, all of them verify.
        trusted_proxies: how many proxies of ours stand in front, exactly.
        franceconnect: None where the fund does not offer it.
        franceconnect_returns: seals where to go on once one is signed out there too.
        acr_values: every level that a sign-in can reach.
        catalogues: the words of each language, by its tag.
        transaction: one SQL transaction, committed at its end.
        together: the Redis writes of a block as one step, sent at its end.
        closure: tells whether the operator closed the service; looked at by each request.
        logo: a service's logo by its client_id: suffix and content.
        probes: by name, what tells "" when well, or what is wrong (see ``health.WARNING``).
        begin_request: told the id of each request, for the logs.
        speak_of: told whose session a request comes with, for the logs too.
        counts: told what happened, for numbers.
    """

    issuer: str
    fund_name: str
    fund_tagline: str
    theme: Theme
    support_phone: str
    default_client_id: str
    patterns: NumeroPatterns
    cookie_keys: tuple[bytes, ...] = field(repr=False)
    trusted_proxies: int
    session_absolute: timedelta
    audit_retention: timedelta
    recent_sign_in: timedelta
    sessions_of_account: int
    code_lifetime: timedelta
    sign_in: SignIn
    reset: Reset
    journeys: Journeys
    new_password: NewPassword
    addresses: EmailAddresses
    franceconnect: FranceConnect | None
    franceconnect_links: Links
    franceconnect_tries: Tries
    franceconnect_failures: ClientFailures
    franceconnect_arrivals: Arrivals
    franceconnect_hints: Hints
    franceconnect_returns: Sealer
    franceconnect_sign_in: FranceConnectSignIn
    freeze: Freeze
    notices: Notices
    anti_robot: AntiRobot
    choices: Sealer
    privacy_url: str
    terms_url: str
    legal: Legal
    closure: Callable[[], Closure | None]
    logo: Callable[[str], tuple[str, bytes] | None]
    sessions: Sessions
    devices: Devices
    known_dossiers: KnownDossiers
    downloads: Once
    promises: OutboxDesk
    farewell: Farewell
    frames: FrontChannelLogout
    codes: Codes
    clients: Clients
    subjects: Subjects
    waiting: WaitingRequests
    provider: Provider
    userinfo: Userinfo
    consent_rule: ConsentRule
    accesses: Accesses
    logout: Logout
    acr_values: tuple[str, ...]
    audit: AuditLog
    audit_trail: AuditTrail
    trail: AuditTrail
    refusals: Refusals
    metadata: Document
    keys: PublishedKeys
    key_watch: KeyWatch
    hop_watch: HopWatch
    catalogues: Mapping[str, Catalogue]
    transaction: Callable[[], AbstractContextManager[None]]
    together: Callable[[], AbstractContextManager[None]]
    probes: Mapping[str, Callable[[], str]]
    begin_request: Callable[[str], object]
    speak_of: Callable[[str | None], object]
    counts: Counts
    now: Callable[[], datetime]


def services() -> Services:
    """The services of the application that serves this request."""
    return cast("Services", current_app.extensions[EXTENSION])


def register(app: Flask, given: Services) -> None:
    """Join every page and endpoint to ``app``."""
    from idp.web import account
    from idp.web import account_activity
    from idp.web import account_choice
    from idp.web import account_data
    from idp.web import account_devices
    from idp.web import account_email
    from idp.web import account_franceconnect
    from idp.web import account_password
    from idp.web import account_services
    from idp.web import authorize
    from idp.web import confirmation
    from idp.web import consent
    from idp.web import cors
    from idp.web import email_address
    from idp.web import errors
    from idp.web import franceconnect
    from idp.web import franceconnect_dossier
    from idp.web import franceconnect_logout
    from idp.web import franceconnect_proof
    from idp.web import freeze
    from idp.web import headers
    from idp.web import health
    from idp.web import language
    from idp.web import legal
    from idp.web import login
    from idp.web import logos
    from idp.web import logout
    from idp.web import maintenance
    from idp.web import new_password
    from idp.web import oidc
    from idp.web import reset
    from idp.web.published import Published

    app.extensions[EXTENSION] = given
    headers.register(app, given)
    language.register(app, given.catalogues)
    cors.register(app, given)
    errors.register(app)
    legal.register(app, given)
    maintenance.register(app, given)
    for module in (
        authorize,
        oidc,
        login,
        franceconnect,
        franceconnect_dossier,
        franceconnect_proof,
        franceconnect_logout,
        reset,
        new_password,
        email_address,
        account_choice,
        consent,
        logout,
        logos,
        account,
        account_data,
        account_devices,
        account_activity,
        account_email,
        account_franceconnect,
        freeze,
        account_password,
        account_services,
        confirmation,
        health,
    ):
        app.register_blueprint(module.bp)
    # The type: Flask documents wsgi_app as the place for a middleware.
    app.wsgi_app = Published(app.wsgi_app, given)  # type: ignore[method-assign]
