"""What ``/authorize`` takes: a closed list of parameters, and two ways to refuse.

What is wrong with the list itself, or with whom it comes from, ends on a page of FranceConnect
without a way back. What is wrong with the protocol goes back to the service.
"""

import json
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

from demo.franceconnect.configuration import Registration

REQUIRED = frozenset(
    {"client_id", "response_type", "redirect_uri", "scope", "acr_values", "state", "nonce"}
)
OPTIONAL = frozenset({"claims", "prompt", "idp_hint", "ui_locales"})
PROMPTS = frozenset({"login", "consent"})
ACR = "eidas1"
SHORTEST = 22
"""Characters of ``nonce`` and ``state``."""
CLOSED_LIST = "Y030007"
UNKNOWN_CLIENT = "Y030106"
UNKNOWN_REDIRECT_URI = "Y030118"


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that FranceConnect accepts."""

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    wants_amr: bool = False


class ShownThere(Exception):
    """Refused on a page of FranceConnect; ``code`` is what the page says."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class SentBack(Exception):
    """Refused by an answer to the service; ``fragment`` where the asked response has one."""

    def __init__(
        self, error: str, description: str, redirect_uri: str, state: str, *, fragment: bool = False
    ) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.redirect_uri = redirect_uri
        self.state = state
        self.fragment = fragment


def read(params: Mapping[str, Sequence[str]], registration: Registration) -> AuthorizationRequest:
    """Read the parameters of a request, each with all of its values.

    Raises:
        ShownThere: the list is not the closed one, or the service is not known.
        SentBack: the request is a known service's, and cannot be served.
    """
    given = _closed(params)
    if given["client_id"] != registration.client_id:
        raise ShownThere(UNKNOWN_CLIENT, "invalid_client")
    if given["redirect_uri"] not in registration.redirect_uris:
        raise ShownThere(UNKNOWN_REDIRECT_URI, "invalid_redirect_uri")

    def refuse(error: str, description: str, *, fragment: bool = False) -> SentBack:
        return SentBack(
            error, description, given["redirect_uri"], given["state"], fragment=fragment
        )

    asked = given["response_type"]
    if not asked:
        raise refuse("invalid_request", "missing required parameter 'response_type'")
    if asked != "code":
        implicit = bool({"token", "id_token"} & set(asked.split()))
        raise refuse(
            "unsupported_response_type", "unsupported response_type requested", fragment=implicit
        )
    scopes = tuple(given["scope"].split())
    if "openid" not in scopes:
        raise refuse(
            "invalid_request", "openid scope must be requested when using the acr_values parameter"
        )
    if not registration.scopes.issuperset(scopes):
        raise refuse("invalid_scope", "requested scope is not allowed")
    if ACR not in given["acr_values"].split():
        raise refuse("invalid_request", "acr_values must hold eidas1")
    try:
        wants_amr = _wants_amr(given.get("claims", ""))
    except ValueError:
        raise refuse("invalid_request", "could not parse the claims parameter JSON") from None
    return AuthorizationRequest(
        client_id=given["client_id"],
        redirect_uri=given["redirect_uri"],
        scopes=scopes,
        state=given["state"],
        nonce=given["nonce"],
        wants_amr=wants_amr,
    )


def _closed(params: Mapping[str, Sequence[str]]) -> dict[str, str]:
    for name, values in params.items():
        if name not in REQUIRED | OPTIONAL:
            raise ShownThere(CLOSED_LIST, f"{name} n’est pas dans la liste fermée")
        if len(values) != 1:
            raise ShownThere(CLOSED_LIST, f"{name} est donné plusieurs fois")
    given = {name: values[0] for name, values in params.items()}
    for name in sorted(REQUIRED):
        if name not in given:
            raise ShownThere(CLOSED_LIST, f"{name} manque")
    for name in ("client_id", "redirect_uri", "acr_values"):
        if not given[name]:
            raise ShownThere(CLOSED_LIST, f"{name} est vide")
    for name in ("nonce", "state"):
        if len(given[name]) < SHORTEST:
            raise ShownThere(CLOSED_LIST, f"{name} a moins de {SHORTEST} caractères")
    if "prompt" in given and not set(given["prompt"].split(" ")) <= PROMPTS:
        raise ShownThere(CLOSED_LIST, "prompt n’accepte que login et consent")
    return given


def _wants_amr(claims: str) -> bool:
    """Tell whether the ID token shall say ``amr``; ValueError when it is no JSON object."""
    if not claims:
        return False
    asked = json.loads(claims)
    if not isinstance(asked, dict) or not isinstance(asked.get("id_token", {}), dict):
        raise ValueError
    return "amr" in asked.get("id_token", {})
