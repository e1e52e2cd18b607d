"""How a service proves itself at the token endpoint: by a secret in the form, or by its key.

Spec: OIDC Core 1.0 §9, ``client_secret_post`` and ``private_key_jwt``; no ``client_secret_basic``.
"""

import hmac
from collections.abc import Callable
from collections.abc import Mapping
from datetime import datetime
from datetime import timedelta
from typing import Any

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
        claims = self._read(form.get("client_assertion", ""))
        now, exp, jti = self._now().timestamp(), claims.get("exp"), claims.get("jti")
        audience = claims.get("aud") or []
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

    def _read(self, assertion: str) -> dict[str, Any]:
        """Give the claims of an assertion that one of the keys signed, {} of any other."""
        for jwk in (self._registration.jwks or {}).get("keys", []):
            try:
                key = KeySet.import_key_set({"keys": [jwk]}).keys[0]
                return dict(jwt.decode(assertion, key, algorithms=list(ALGS)).claims)
            except (JoseError, ValueError):
                continue
        return {}
