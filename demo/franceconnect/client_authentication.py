"""How a service proves itself at the token endpoint: by a secret in the form, or by its key.

Spec: OIDC Core 1.0 §9, ``client_secret_post`` and ``private_key_jwt``; no ``client_secret_basic``.
"""

import hmac
from collections.abc import Callable
from collections.abc import Mapping
from datetime import datetime
from datetime import timedelta

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from demo.franceconnect.configuration import Registration
from demo.franceconnect.keys import ALGS
from demo.franceconnect.memory import Kept

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_ASSERTION = timedelta(minutes=5)


class ClientAuthentication:
    """Knows one service, and the assertions that it has used."""

    def __init__(
        self, registration: Registration, audiences: frozenset[str], now: Callable[[], datetime]
    ) -> None:
        self._registration = registration
        self._audiences = audiences
        self._now = now
        self._used: Kept[bool] = Kept(LONGEST_ASSERTION, now)

    def proves(self, form: Mapping[str, str], authorization: str | None) -> bool:
        """Tell whether the request is that of the service."""
        if authorization is not None:  # Basic is not among its methods
            return False
        if self._registration.jwks is not None:
            return self._by_key(form)
        secret = form.get("client_secret", "")
        return (
            form.get("client_id") == self._registration.client_id
            and "client_assertion" not in form
            and hmac.compare_digest(secret.encode(), self._registration.client_secret.encode())
            and bool(secret)
        )

    def _by_key(self, form: Mapping[str, str]) -> bool:
        client_id = self._registration.client_id
        if "client_secret" in form or form.get("client_assertion_type") != ASSERTION_TYPE:
            return False
        if form.get("client_id", client_id) != client_id:
            return False
        keys = KeySet.import_key_set({"keys": (self._registration.jwks or {})["keys"]})
        try:
            claims = jwt.decode(
                form.get("client_assertion", ""), keys, algorithms=list(ALGS)
            ).claims
        except (JoseError, ValueError):
            return False
        now, exp, jti = self._now().timestamp(), claims.get("exp"), claims.get("jti")
        audience = claims.get("aud")
        audiences = set(audience if isinstance(audience, list) else [audience])
        is_fresh = (
            isinstance(exp, int | float) and now < exp <= now + LONGEST_ASSERTION.total_seconds()
        )
        if not is_fresh or not isinstance(jti, str) or not jti or self._used.find(jti):
            return False
        self._used.put(jti, True)
        return (
            claims.get("iss") == claims.get("sub") == client_id
            and bool(audiences)
            and audiences <= self._audiences
        )
