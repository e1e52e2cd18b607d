"""The authorization request: an ordered table of checks (``next_step`` decides what follows).

Two phases. Until client and redirect URI are proved, an error is a page of ours and never a
redirect (``return_address``). After that every error goes to the client through the one response
writer, with ``state`` and ``iss``. Authlib's validation is not used here, its errors are:
docs/adr/0007-what-authlib-does-here.md.
"""

import re
from collections.abc import Callable
from collections.abc import Collection
from dataclasses import dataclass
from dataclasses import field

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from authlib.oauth2.rfc6749.errors import InvalidScopeError
from authlib.oauth2.rfc6749.errors import UnauthorizedClientError
from authlib.oidc.core.errors import RegistrationNotSupportedError
from authlib.oidc.core.errors import RequestNotSupportedError
from authlib.oidc.core.errors import RequestURINotSupportedError

from idp.oidc.claims_request import ClaimsRequest
from idp.oidc.claims_request import claims_request
from idp.oidc.clients import Client
from idp.oidc.clients import Clients
from idp.oidc.params import Params
from idp.oidc.refusals import Finding
from idp.oidc.refusals import seen
from idp.oidc.resources import REPEATABLE
from idp.oidc.resources import resources_within
from idp.oidc.return_address import ECHO_LIMIT
from idp.oidc.return_address import FORM_POST
from idp.oidc.return_address import RESPONSE_MODES
from idp.oidc.return_address import UNWRITABLE
from idp.oidc.return_address import RefusedByRedirect
from idp.oidc.return_address import ReturnAddress
from idp.oidc.return_address import is_web
from idp.oidc.return_address import proved_client
from idp.oidc.return_address import return_address

UNDERSTOOD = (
    "client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce",
    "code_challenge", "code_challenge_method", "prompt", "max_age", "login_hint", "ui_locales",
    "display", "acr_values", "id_token_hint", "claims", "claims_locales",
    "request", "request_uri", "registration", "resource", "idp_hint",
)  # fmt: skip
"""What a waiting request keeps; every other parameter is ignored (OIDC Core 1.0 §3.1.2.1)."""

PROMPTS = ("none", "login", "consent", "select_account", "create")
"""What ``prompt`` may ask. ``consent`` shows its page for services of others, and passes for those
of the fund, which need none: docs/adr/0018-consent.md."""

LONERS = ("none", "create")
"""Each stands alone: with another word it would ask for two things that exclude each other."""

_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: +[\x21\x23-\x5b\x5d-\x7e]+)*")
_S256 = re.compile(r"[A-Za-z0-9_-]{43}")
_SECONDS = re.compile(r"[0-9]{1,9}")


class AccessDenied(OAuth2Error):
    """The member said no. Spec: RFC 6749 §4.1.2.1."""

    error = "access_denied"
    description = "The member did not go on."


class UnsupportedResponseType(OAuth2Error):
    """Authlib's own copies what was sent into its text, and fails when that is not ASCII."""

    error = "unsupported_response_type"


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that passed every check.

    Attributes:
        back: where its answer goes.
        scope: what the client asked, is registered for and this server knows.
        code_challenge: S256, or "" for a confidential client registered without PKCE.
        max_age: seconds, or None where neither request nor registration bounds it.
        claims: what it asks for beyond its scope, as far as it may have it.
        acr_values: the levels that it would like, in its order; it insists on none.
        idp_hint: where it would have the person sign in, if we know the name.
    """

    back: ReturnAddress
    scope: tuple[str, ...]
    nonce: str
    code_challenge: str
    prompt: frozenset[str]
    max_age: int | None
    login_hint: str
    id_token_hint: str = ""
    resources: tuple[str, ...] = ()
    claims: ClaimsRequest = field(default_factory=ClaimsRequest)
    acr_values: tuple[str, ...] = ()
    idp_hint: str = ""

    @property
    def client(self) -> Client:
        """The service that asks."""
        return self.back.client

    def wishes_another_level(self, acr: str, reached: Collection[str]) -> bool:
        """Tell whether it would like a sign-in here to be at another level than ``acr``.

        A level that no sign-in here reaches is a wish that nobody can fulfil, and none.

        Spec: OIDC Core 1.0 §3.1.2.1 (``acr_values``, a voluntary claim).
        """
        wished = set(reached).intersection(self.acr_values)
        return bool(wished) and acr not in wished

    def refused(self, cause: OAuth2Error, finding: Finding) -> RefusedByRedirect:
        """Say no to the service."""
        refused = RefusedByRedirect(self.back, cause)
        refused.__cause__ = finding
        return refused


def check_parameters_come_once(params: Params, _client: Client) -> None:
    """Refuse what came twice, where one may. Spec: RFC 6749 §3.1, RFC 8707 §2 (``resource``)."""
    known = set(UNDERSTOOD) - REPEATABLE
    if repeated := [name for name in params.repeated() if name in known]:
        raise InvalidRequestError(f"Sent more than once: {', '.join(repeated)}.")


def check_values_are_writable(params: Params, _client: Client) -> None:
    """Refuse what cannot go back to the client or into a token: too long, control characters."""
    for name in ("state", "nonce"):
        if len(params.get(name)) > ECHO_LIMIT:
            raise InvalidRequestError(f"{name} is longer than {ECHO_LIMIT} characters.")
    for name in ("state", "nonce", "login_hint"):
        if UNWRITABLE.search(params.get(name)):
            raise InvalidRequestError(f"Control characters in {name}.")


def check_no_request_object(params: Params, _client: Client) -> None:
    """Say that request objects are not taken. Spec: OIDC Core 1.0 §3.1.2.6, §6."""
    if "request" in params:
        raise RequestNotSupportedError("Send the parameters themselves.")
    if "request_uri" in params:
        raise RequestURINotSupportedError("Send the parameters themselves.")
    if "registration" in params:
        raise RegistrationNotSupportedError("Services are registered beforehand.")


def check_response_type(params: Params, client: Client) -> None:
    """Take ``code`` alone. Spec: RFC 6749 §3.1.1, §4.1.2.1."""
    if "response_type" not in params:
        raise InvalidRequestError("response_type is required.")
    if params.get("response_type") != "code":
        raise UnsupportedResponseType("The response_type must be code.")
    if "code" not in client.response_types:
        raise UnauthorizedClientError("This client is not registered for response_type code.")


def check_response_mode(params: Params, _client: Client) -> None:
    """Answer in the query, or by a form.

    Spec: OAuth 2.0 Multiple Response Types §2.1, OAuth 2.0 Form Post Response Mode §2.
    """
    mode = params.get("response_mode")
    if mode not in ("", *RESPONSE_MODES):
        raise InvalidRequestError(f"The response_mode must be {' or '.join(RESPONSE_MODES)}.")
    if mode == FORM_POST and not is_web(params.get("redirect_uri")):
        raise InvalidRequestError("The response_mode form_post needs an http redirect_uri.")


def check_scope(params: Params, _client: Client) -> None:
    """Ask for ``openid``; scopes that nobody knows are ignored, and left out of the answer.

    Spec: OIDC Core 1.0 §3.1.2.1, RFC 6749 §3.3.
    """
    scope = params.get("scope")
    if scope and not _SCOPE.fullmatch(scope):
        raise InvalidScopeError("Characters that no scope may hold.")
    if "openid" not in params.words("scope"):
        raise InvalidScopeError("The scope must hold openid.")


def check_pkce_is_s256(params: Params, client: Client) -> None:
    """Refuse a request without PKCE where the client needs it, or with another method than S256.

    A confidential client may be registered with ``require_pkce: false``; what it sends is checked
    all the same. Stricter than RFC 7636 §4.3, which lets an absent method mean "plain": RFC 9700
    §2.1.1 asks for a method that does not expose the verifier. Closes trap 6 of authlib.md.
    """
    if "code_challenge" not in params:
        if client.require_pkce:
            raise InvalidRequestError("code_challenge is required (PKCE, S256).")
        if "code_challenge_method" in params:
            raise InvalidRequestError("code_challenge_method without code_challenge.")
        return
    if params.get("code_challenge_method") != "S256":
        raise InvalidRequestError("code_challenge_method must be S256.")
    if not _S256.fullmatch(params.get("code_challenge")):
        raise InvalidRequestError("code_challenge must be 43 base64url characters.")


def check_prompt(params: Params, _client: Client) -> None:
    """Know every word of ``prompt``, and let ``none`` and ``create`` stand alone.

    Spec: OIDC Core 1.0 §3.1.2.1, Initiating User Registration 1.0 §4.1.
    """
    words = set(params.words("prompt"))
    if words.difference(PROMPTS):
        raise InvalidRequestError(f"prompt takes {', '.join(sorted(PROMPTS))}.")
    for loner in LONERS:
        if loner in words and len(words) > 1:
            raise InvalidRequestError(f"prompt {loner} stands alone.")


def check_max_age(params: Params, _client: Client) -> None:
    """Read ``max_age`` as seconds. Spec: OIDC Core 1.0 §3.1.2.1."""
    if "max_age" in params and not _SECONDS.fullmatch(params.get("max_age")):
        raise InvalidRequestError("max_age must be a number of seconds.")


def check_resources(params: Params, client: Client) -> None:
    """Know every API that access tokens are wanted for. Spec: RFC 8707 §2.1."""
    resources_within(params, client.allowed_resources)


def check_claims(params: Params, client: Client) -> None:
    """Read what is asked for claim by claim. Spec: OIDC Core 1.0 §5.5."""
    claims_request(params, client)


CHECKS: tuple[tuple[Callable[[Params, Client], None], tuple[str, ...]], ...] = (
    (check_parameters_come_once, ()),
    (check_values_are_writable, ("state", "nonce", "login_hint")),
    (check_no_request_object, ("request", "request_uri", "registration")),
    (check_response_type, ("response_type",)),
    (check_response_mode, ("response_mode", "redirect_uri")),
    (check_scope, ("scope",)),
    (check_pkce_is_s256, ("code_challenge", "code_challenge_method")),
    (check_prompt, ("prompt",)),
    (check_max_age, ("max_age",)),
    (check_resources, ("resource",)),
    (check_claims, ("claims",)),
)
"""In this order, for every way a request can arrive, each with the parameters that it looks at. The
first that refuses decides the answer."""


def check(params: Params, clients: Clients) -> AuthorizationRequest:
    """Check a request whole.

    Raises:
        RefusedOnPage: client or redirect URI is not proved.
        RefusedByRedirect: anything else.

    Spec: OIDC Core 1.0 §3.1.2.2, RFC 6749 §4.1.2.1.
    """
    client = proved_client(params, clients)
    back = return_address(params, client)
    for run, looks_at in CHECKS:
        try:
            run(params, client)
        except OAuth2Error as refusal:
            raise RefusedByRedirect(back, refusal) from _finding(run, looks_at, refusal, params)
    max_age = params.get("max_age")
    return AuthorizationRequest(
        back=back,
        scope=tuple(word for word in params.words("scope") if word in client.scope),
        nonce=params.get("nonce"),
        code_challenge=params.get("code_challenge"),
        prompt=frozenset(params.words("prompt")),
        max_age=int(max_age) if max_age else client.default_max_age,
        login_hint=params.get("login_hint"),
        id_token_hint=params.get("id_token_hint"),
        resources=params.values("resource"),
        claims=claims_request(params, client),
        acr_values=params.words("acr_values"),
        idp_hint=params.get("idp_hint"),
    )


def _finding(
    run: Callable[[Params, Client], None],
    looks_at: tuple[str, ...],
    refusal: OAuth2Error,
    params: Params,
) -> Finding:
    """Name a check, and show what it saw; some tell more themselves."""
    if isinstance(refusal.__cause__, Finding):
        return refusal.__cause__
    check = run.__name__.removeprefix("check_")
    names = looks_at or tuple(name for name in params.repeated() if name in UNDERSTOOD)
    return Finding(check, str(refusal.description or refusal.error), seen(params, *names))
