"""A relying service that signs: its key, the set it publishes, its assertions, right and wrong."""

import json
import secrets
from datetime import datetime
from datetime import timedelta
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jws
from joserfc.jwk import ECKey
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from idp.oidc.assertions import ASSERTION_TYPE


@cache
def drawn(kind: str, number: int = 0) -> ECKey | RSAKey:
    """A key, drawn once for the whole run: ``EC`` on P-256, or ``RSA`` of 2048 bits."""
    if kind == "EC":
        return ECKey.import_key(ec.generate_private_key(ec.SECP256R1()))
    return RSAKey.import_key(rsa.generate_private_key(public_exponent=65537, key_size=2048))


class ServiceSigner:
    """One key of a service. ``kid`` None publishes and signs without one."""

    def __init__(
        self,
        client_id: str = "cotisations",
        *,
        alg: str = "ES256",
        kid: str | None = "k1",
        number: int = 0,
    ) -> None:
        self.client_id = client_id
        self.alg = alg
        self.kid = kid
        self.key = drawn("EC" if alg == "ES256" else "RSA", number)

    def jwk(self, **changes: Any) -> dict[str, Any]:
        """The public half, as it is published; ``...`` takes a member away."""
        named = {} if self.kid is None else {"kid": self.kid}
        whole = {**self.key.as_dict(private=False), **named, **changes}
        if "kid" not in {**named, **changes}:
            whole.pop("kid", None)
        return {name: value for name, value in whole.items() if value is not ...}

    def jwks(self, **changes: Any) -> str:
        """A set of this key alone, as the registry keeps it."""
        return json.dumps({"keys": [self.jwk(**changes)]})

    def claims(self, now: datetime, audience: object, **changes: Any) -> dict[str, Any]:
        """What an assertion says; ``...`` takes a claim away."""
        claims: dict[str, Any] = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": audience,
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(minutes=1)).timestamp()),
            "jti": secrets.token_urlsafe(12),
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not ...}

    def sign(self, claims: object, **header: Any) -> str:
        """Sign whatever is given; ``header`` adds to it, and ``...`` takes away."""
        text = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
        whole = {"alg": self.alg, "kid": self.kid, **header}
        members = {name: value for name, value in whole.items() if value not in (..., None)}
        registry = JWSRegistry(algorithms=[self.alg], strict_check_header=False)
        return jws.serialize_compact(members, text, self.key, [self.alg], registry)

    def assertion(self, now: datetime, audience: object, **changes: Any) -> str:
        """Write an assertion."""
        return self.sign(self.claims(now, audience, **changes))

    def form(self, now: datetime, audience: object, **changes: Any) -> dict[str, str]:
        """Write an assertion as the parameters of a request."""
        return {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion(now, audience, **changes),
        }
