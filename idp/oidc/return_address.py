"""Where the answer to an authorization request goes: proved before anything else is looked at.

A client or a redirect URI that is not proved is told on a page of ours, never by a redirect.
"""

import re
from dataclasses import dataclass

from authlib.oauth2 import OAuth2Error

from idp import IdpError
from idp.oidc.clients import Client
from idp.oidc.clients import Clients
from idp.oidc.params import PARAMETER_LIMIT
from idp.oidc.params import Params
from idp.oidc.redirect_uris import is_of_a_device
from idp.oidc.redirect_uris import registered_as
from idp.oidc.refusals import Finding
from idp.oidc.refusals import seen

QUERY = "query"
FORM_POST = "form_post"
RESPONSE_MODES = (QUERY, FORM_POST)
FRAGMENT = "fragment"
"""Where whoever asks for a token at ``/authorize`` looks for the refusal; no code goes there."""

ECHO_LIMIT = 1024
"""Characters of ``state`` and ``nonce``: they go into an address, a store and a token."""

UNWRITABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # lone surrogates: no UTF-8
"""What cannot go back to a client, nor into a token."""


class RefusedOnPage(IdpError):
    """A request that may not be redirected: its client or its redirect URI is not proved.

    ``error`` is the OAuth code, ``description`` tells the integrator what is wrong; ``client_id``
    is the registered client that the request names, or "".
    """

    code = "refused_on_page"

    def __init__(self, error: str, description: str, *, client_id: str = "") -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.client_id = client_id


@dataclass(frozen=True, slots=True)
class ReturnAddress:
    """Where the answer to a request goes, and how; by ``fragment``, refusals alone.

    ``on_device``: to an application of the member's device, which may be another than it says.
    """

    client: Client
    redirect_uri: str
    state: str
    response_mode: str
    on_device: bool = False


class RefusedByRedirect(IdpError):
    """A refusal that the client is told at its redirect URI."""

    code = "refused_by_redirect"

    def __init__(self, back: ReturnAddress, cause: OAuth2Error) -> None:
        super().__init__(f"{cause.error}: {cause.description}")
        self.back = back
        self.error = str(cause.error)
        self.description = str(cause.description or "")


def proved_client(params: Params, clients: Clients) -> Client:
    """Find the client that a request names.

    Raises:
        RefusedOnPage: it names none of ours, or not once.
    """
    if len(params.pairs) > PARAMETER_LIMIT:
        too_many = Finding("parameters", "at most 100", f"{len(params.pairs)}")
        raise RefusedOnPage("invalid_request", "more than 100 parameters") from too_many
    fault = "client_id was sent more than once" if params.count("client_id") > 1 else ""
    if "client_id" not in params:
        fault = "client_id is missing"
    if fault:
        found = Finding("client_id", "client_id, once", seen(params, "client_id"))
        raise RefusedOnPage("invalid_request", fault) from found
    client = clients.find(params.get("client_id"))
    if client is None:
        unknown = Finding("client_id", "the client_id of a service", seen(params, "client_id"))
        raise RefusedOnPage("invalid_client", "client_id is not registered here") from unknown
    return client


def _proved_redirect_uri(params: Params, client: Client) -> str:
    redirect_uri, fault = params.get("redirect_uri"), ""
    if params.count("redirect_uri") > 1:
        fault = "redirect_uri was sent more than once"
    elif "redirect_uri" not in params:
        fault = "redirect_uri is missing"
    elif not _registered(redirect_uri, client):
        fault = (
            "redirect_uri is not registered for this client; it is compared character by character"
        )
    if fault:
        found = Finding(
            "redirect_uri", " or ".join(client.redirect_uris), seen(params, "redirect_uri")
        )
        raise RefusedOnPage("invalid_request", fault, client_id=client.client_id) from found
    return redirect_uri


def _registered(redirect_uri: str, client: Client) -> str:
    return registered_as(redirect_uri, client.redirect_uris, public=client.is_public)


def return_address(params: Params, client: Client) -> ReturnAddress:
    """Read where a request wants its answer, and how as far as it can be done.

    Raises:
        RefusedOnPage: its redirect URI is not one of the client's.
    """
    redirect_uri = _proved_redirect_uri(params, client)
    state = params.get("state") if params.count("state") == 1 else ""
    if UNWRITABLE.search(state) or len(state) > ECHO_LIMIT:
        state = ""
    mode = _response_mode(params, redirect_uri)
    on_device = is_of_a_device(_registered(redirect_uri, client), public=client.is_public)
    return ReturnAddress(client, redirect_uri, state, mode, on_device)


def _response_mode(params: Params, redirect_uri: str) -> str:
    """Read how the answer is to come. Spec: OAuth 2.0 Multiple Response Types §2.1, §5."""
    asked = params.get("response_mode") if params.count("response_mode") == 1 else ""
    if asked == FORM_POST and is_web(redirect_uri):
        return FORM_POST
    wants_tokens = {"token", "id_token"}.intersection(params.words("response_type"))
    return FRAGMENT if wants_tokens and asked in ("", FRAGMENT) else QUERY


def is_web(redirect_uri: str) -> bool:
    """Tell whether a redirect URI is of the web, and not of an application on a device."""
    return redirect_uri.startswith(("https://", "http://"))
