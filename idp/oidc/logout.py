"""RP-initiated logout: which service asks, whether it may, and where the browser goes then.

Authlib's endpoint is not used: it does not look at ``iss`` nor at the token's type, cannot read the
``aud`` of its own tokens, and refuses a hint whose key has left the JWKS (authlib.md, trap 7).
"""

from dataclasses import dataclass

from idp import IdpError
from idp.oidc.claims import sid_of
from idp.oidc.clients import Client
from idp.oidc.clients import Clients
from idp.oidc.params import Params
from idp.oidc.refusals import Finding
from idp.oidc.refusals import seen
from idp.oidc.response import with_parameters
from idp.oidc.tokens import ID_TOKEN_TYPE
from idp.oidc.tokens import Tokens
from idp.oidc.tokens import UnreadableToken


class LogoutRefused(IdpError):
    """A request that names what is not registered, or a hint that is not ours: a page says so."""

    code = "logout_refused"

    def __init__(self, description: str, client: Client | None = None) -> None:
        super().__init__(description)
        self.client_id = client.client_id if client else ""


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """A logout request that passed every check.

    Attributes:
        client: the service that asks, None when it did not say.
        return_to: its registered address with ``state``, or "".
        proved: a valid hint of the session that is here, or of one that has ended, came with it:
            no question is asked.
    """

    client: Client | None
    return_to: str
    proved: bool


@dataclass(frozen=True, slots=True)
class Logout:
    """The logout use case."""

    tokens: Tokens
    clients: Clients

    def check(self, params: Params, session_key: str) -> LogoutRequest:
        """Check a logout request against the browser's session.

        An expired hint is good: only its signature, issuer, type and session are looked at.

        Args:
            params: of the query or of the form.
            session_key: the session that the browser's cookie names, alive or not, or "".

        Raises:
            LogoutRefused: nobody is redirected and nothing ends.

        Spec: OIDC RP-Initiated Logout 1.0 §2, §3, §4.
        """
        if params.repeated():
            found = Finding("parameters", "each once", seen(params, *params.repeated()))
            raise LogoutRefused("a parameter was sent more than once") from found
        hint = params.get("id_token_hint")
        client, sid = self._hinted(hint) if hint else (None, "")
        named = params.get("client_id")
        if client is not None and named and named != client.client_id:
            raise LogoutRefused(
                "client_id is not the one id_token_hint was issued to", client
            ) from Finding("client_id", client.client_id, seen(params, "client_id"))
        if client is None and named:
            client = self.clients.find(named)
        return_to = params.get("post_logout_redirect_uri")
        if return_to:
            if client is None:
                raise LogoutRefused("post_logout_redirect_uri needs a valid id_token_hint") from (
                    Finding(
                        "client",
                        "id_token_hint, or the client_id of a service",
                        seen(params, "id_token_hint", "client_id"),
                    )
                )
            if return_to not in client.post_logout_redirect_uris:
                registered = " or ".join(client.post_logout_redirect_uris) or "none, as registered"
                raise LogoutRefused(
                    "post_logout_redirect_uri is not registered for this client", client
                ) from Finding(
                    "post_logout_redirect_uri",
                    registered,
                    seen(params, "post_logout_redirect_uri"),
                )
            return_to = with_parameters(return_to, [("state", params.get("state"))])
        proved = bool(hint) and client is not None
        if proved and session_key and client is not None:
            proved = sid_of(session_key, client, self.tokens.pairwise_salt) == sid
        return LogoutRequest(client, return_to, proved)

    def _hinted(self, hint: str) -> tuple[Client, str]:
        try:
            claims = self.tokens.read(hint, typ=ID_TOKEN_TYPE)
        except UnreadableToken as error:
            raise LogoutRefused(f"id_token_hint is not an ID token of ours ({error})") from Finding(
                "id_token_hint", "an ID token of ours, expired or not", str(error)
            )
        audience, sid = claims.get("aud"), claims.get("sid")
        client = self.clients.find(audience) if isinstance(audience, str) else None
        if client is None or not isinstance(sid, str):
            raise LogoutRefused("id_token_hint was issued to a client that is gone") from Finding(
                "id_token_hint", "an ID token of a registered client", "one that is gone"
            )
        return client, sid
