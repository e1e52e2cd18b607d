"""An API on Flask and joserfc that takes access tokens: docs/integrate.md walks through it.

It needs Flask, joserfc, requests, and what ``idp clients add registration.json`` answered::

    ISSUER=http://localhost:8000 CLIENT_ID=… CLIENT_SECRET=… python api.py registration.json 5005
"""

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import requests
from flask import Flask
from flask import Response
from flask import jsonify
from flask import request
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry
from joserfc.jwt import Token

ISSUER = os.environ["ISSUER"]
AUDIENCE = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["resource_identifiers"][0]
CREDENTIALS = (os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])
ALGS = ["ES256", "RS256"]  # a list of ours: never what the token itself says
PATIENCE = 5
BETWEEN_LOOKS = 30

CLAIMS = JWTClaimsRegistry(
    leeway=10,  # clocks differ
    iss={"essential": True, "value": ISSUER},
    aud={"essential": True, "value": AUDIENCE},
    exp={"essential": True},
    sub={"essential": True},
    client_id={"essential": True},
)

metadata = requests.get(f"{ISSUER}/.well-known/oauth-authorization-server", timeout=PATIENCE).json()
app = Flask(__name__)


class TokenRefused(Exception):
    """The answer to a call without a good token. Spec: RFC 6750 §3."""

    def __init__(self, status: int, error: str = "") -> None:
        self.answer = Response(status=status)
        self.answer.headers["WWW-Authenticate"] = f'Bearer error="{error}"' if error else "Bearer"


class Keys:
    """The fund's public keys, kept for as long as its answer says.

    A ``kid`` that is not among them is looked for at once, but not at each call: tokens that
    somebody made up must not become requests. While the fund is away, the keys of before will do.
    """

    def __init__(self) -> None:
        self._keys = KeySet([])
        self._looked_at = self._good_until = -BETWEEN_LOOKS

    def read(self, token: str) -> Token:
        """Check the signature."""
        if time.monotonic() >= self._good_until:
            self._look()
        try:
            return jwt.decode(token, self._keys, algorithms=ALGS)
        except InvalidKeyIdError:
            self._look()
            return jwt.decode(token, self._keys, algorithms=ALGS)

    def _look(self) -> None:
        now = time.monotonic()
        if now < self._looked_at + BETWEEN_LOOKS:
            return
        self._looked_at = now
        try:
            answer = requests.get(metadata["jwks_uri"], timeout=PATIENCE)
            answer.raise_for_status()
        except requests.RequestException:
            app.logger.exception("the fund's keys were not to be had")
            return
        max_age = re.search(r"max-age=(\d+)", answer.headers.get("Cache-Control", ""))
        self._good_until = now + (int(max_age[1]) if max_age else 600)
        self._keys = KeySet.import_key_set(answer.json())


keys = Keys()


def verify(token: str) -> dict[str, Any]:
    """Give the claims of an access token that is the fund's, for this API, and not over.

    Spec: RFC 9068 §4.
    """
    try:
        read = keys.read(token)
        if read.header.get("typ") != "at+jwt":  # an ID token is no access token
            raise TokenRefused(401, "invalid_token")
        CLAIMS.validate(read.claims)
    except (JoseError, ValueError, TypeError) as fault:  # joserfc 1.8 says each of them
        raise TokenRefused(401, "invalid_token") from fault
    return dict(read.claims)


def still_good(token: str) -> bool:
    """Ask the fund: a token that was revoked, or whose member signed out, is no longer active.

    Spec: RFC 7662 §2.
    """
    answer = requests.post(
        metadata["introspection_endpoint"],
        data={"token": token},
        auth=CREDENTIALS,
        timeout=PATIENCE,
    )
    answer.raise_for_status()
    return answer.json()["active"] is True


def caller(scope: str, *, ask: bool = False) -> dict[str, Any]:
    """Tell who calls with the right to do ``scope``; ``ask`` where minutes would matter."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise TokenRefused(401)
    claims = verify(token)
    if scope not in claims.get("scope", "").split():
        raise TokenRefused(403, "insufficient_scope")
    if ask and not still_good(token):
        raise TokenRefused(401, "invalid_token")
    return claims


@app.errorhandler(TokenRefused)
def refuse(refused: TokenRefused) -> Response:
    """Answer as RFC 6750 has it."""
    return refused.answer


@app.get("/paiements")
def read_payments() -> Response:
    """Read: the token alone says enough, and the fund is not asked."""
    claims = caller("paiements:lire")
    # A member's token has sub and qualite; that of a machine has its client_id as sub.
    return jsonify({name: claims.get(name) for name in ("sub", "client_id", "qualite")})


@app.post("/paiements")
def pay() -> Response:
    """Act: money moves, so the fund is asked at this moment."""
    claims = caller("paiements:ecrire", ask=True)
    return jsonify({"paid_for": claims["sub"]})


@app.get("/healthz")
def health() -> str:
    """Say that it listens, to anybody."""
    return "ok"


if __name__ == "__main__":
    app.run("127.0.0.1", int(sys.argv[2]))
