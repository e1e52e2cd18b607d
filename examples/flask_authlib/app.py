"""A service on Flask and Authlib: docs/integrate.md walks through it.

It needs Flask, Authlib and requests, the registration that ``idp clients add`` took, and what that
command answered::

    ISSUER=http://localhost:8000 CLIENT_ID=… CLIENT_SECRET=… python app.py registration.json
"""

import json
import os
import secrets
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from authlib.integrations.flask_client import OAuth
from authlib.integrations.flask_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.base import OAuth2Error
from flask import Flask
from flask import Response
from flask import redirect
from flask import render_template_string
from flask import request
from flask import session
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

registration = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
callback_uri = registration["redirect_uris"][0]
signed_out_uri = registration["post_logout_redirect_uris"][0]

app = Flask(__name__)
app.config.update(
    SECRET_KEY=secrets.token_bytes(32),  # yours outlives a restart
    SESSION_COOKIE_NAME="flask_authlib",
    SESSION_COOKIE_SAMESITE="Lax",  # with Strict the callback would come without it
    SESSION_COOKIE_SECURE=callback_uri.startswith("https:"),
)

# Endpoints and keys are found by discovery, at the first use: a new key needs nobody.
fund = OAuth(app).register(
    "fund",
    client_id=os.environ["CLIENT_ID"],
    client_secret=os.environ.get("CLIENT_SECRET"),
    server_metadata_url=f"{os.environ['ISSUER']}/.well-known/openid-configuration",
    client_kwargs={
        "scope": registration["scope"],
        "code_challenge_method": "S256",
        "token_endpoint_auth_method": registration["token_endpoint_auth_method"],
    },
)

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_CLAIMS = JWTClaimsRegistry(
    leeway=60,  # clocks differ
    iss={"essential": True, "value": os.environ["ISSUER"]},
    aud={"essential": True, "value": os.environ["CLIENT_ID"]},
    exp={"essential": True},
    sid={"essential": True},
)

people: dict[str, dict[str, Any]] = {}
"""Who is signed in here, by a key that the cookie holds: tokens never travel to the browser.

In memory, to be short: yours stands in a store that all of your processes share.
"""


def signed_in() -> dict[str, Any] | None:
    """Give who is signed in here, in this browser."""
    return people.get(session.get("key", ""))


@app.get("/sign-in")
def sign_in() -> Response:
    """Send the member to the fund; ``state``, ``nonce`` and the PKCE verifier stay here."""
    # "none" asks whether the member is signed in there already, and shows no page at all.
    prompt = {"prompt": "none"} if request.args.get("prompt") == "none" else {}
    return fund.authorize_redirect(callback_uri, **prompt)


@app.get("/callback")
def callback() -> Response:
    """Redeem the code. Authlib checks state, nonce, signature, iss, aud, exp."""
    people.pop(session.pop("key", ""), None)
    try:
        token = fund.authorize_access_token()
    except (OAuthError, OAuth2Error) as refused:
        # access_denied: the member turned back. login_required: the answer to prompt=none.
        # Any other is a fault; its text ends with the incident that the fund's operators look up.
        app.logger.warning("the fund refused: %s", refused)
        session["error"] = refused.error
        return redirect("/")
    session.clear()
    session["key"] = secrets.token_urlsafe()
    people[session["key"]] = {
        "claims": dict(token["userinfo"]),  # of the ID token: sub, qualite, acr, auth_time, sid
        "userinfo": dict(fund.userinfo(token=token)),  # numero_dossier, name, email …
        "token": token,
    }
    return redirect("/")


@app.post("/refresh")
def refresh() -> Response:
    """Get new tokens without the member, who may be asleep. Keep the new refresh token at once."""
    person = signed_in()
    if person is None:
        return redirect("/sign-in")
    try:
        token = fund.fetch_access_token(
            grant_type="refresh_token", refresh_token=person["token"]["refresh_token"]
        )
    except (OAuthError, OAuth2Error) as refused:
        if refused.error != "invalid_grant":
            raise
        # It ended, by a new password for one. The member signs in again.
        people.pop(session.pop("key"), None)
        session["error"] = refused.error
        return redirect("/")
    claims = fund.parse_id_token(token, nonce=None)  # an ID token of a refresh has no nonce
    if claims["sub"] != person["claims"]["sub"]:
        raise RuntimeError("the fund answered about somebody else")
    person["token"] = token
    person["claims"] = dict(claims)
    person["userinfo"] = dict(fund.userinfo(token=token))
    return redirect("/")


@app.post("/introspect")
def introspect() -> Response:
    """Ask whether the access token is good at this moment: revocation is seen at once."""
    person = signed_in()
    if person is None:
        return redirect("/sign-in")
    with OAuth2Session(
        fund.client_id,
        fund.client_secret,
        token_endpoint_auth_method=registration["token_endpoint_auth_method"],
    ) as asking:
        person["introspection"] = asking.introspect_token(
            fund.load_server_metadata()["introspection_endpoint"],
            token=person["token"]["access_token"],
        ).json()
    return redirect("/")


@app.post("/sign-out")
def sign_out() -> Response:
    """Forget the member here, then end the session at the fund and at its other services."""
    person = people.pop(session.pop("key", ""), None)
    return fund.logout_redirect(
        post_logout_redirect_uri=signed_out_uri,
        client_id=fund.client_id,
        # The hint says whose session it is: without it the fund asks the member first.
        id_token_hint=person["token"]["id_token"] if person else None,
    )


@app.get("/signed-out")
def signed_out() -> Response:
    """Take the member back, with the ``state`` that went along."""
    fund.validate_logout_response()
    return redirect("/")


@app.post("/backchannel-logout")
def backchannel_logout() -> Response:
    """Hear from the fund, not from a browser, that a session ended: the token says which.

    A token that comes twice ends the same session again, which does no harm.
    """
    try:
        ended = read_logout_token(request.form["logout_token"])
    except (JoseError, ValueError, TypeError):
        return Response(status=400)
    for key, person in list(people.items()):
        if person["claims"]["sid"] == ended["sid"]:
            people.pop(key, None)
    return Response(status=200)


def read_logout_token(token: str) -> dict[str, Any]:
    """Check who wrote it, for whom, and that it is one. Spec: Back-Channel Logout 1.0 §2.6."""
    alg = registration.get("id_token_signed_response_alg", "RS256")
    try:
        read = jwt.decode(token, KeySet.import_key_set(fund.fetch_jwk_set()), algorithms=[alg])
    except InvalidKeyIdError:  # a new key: ask for the keys again
        keys = KeySet.import_key_set(fund.fetch_jwk_set(force=True))
        read = jwt.decode(token, keys, algorithms=[alg])
    LOGOUT_CLAIMS.validate(read.claims)
    is_logout = LOGOUT_EVENT in read.claims.get("events", {}) and "nonce" not in read.claims
    if read.header.get("typ") != "logout+jwt" or not is_logout:
        raise ValueError("an ID token, or something else")
    return dict(read.claims)


@app.get("/")
def home() -> str:
    """Show what is known of the member."""
    person = signed_in() or {}
    known = {name: person.get(name) for name in ("claims", "userinfo", "introspection")}
    known |= {"signed_in": bool(person), "error": session.get("error")}
    return render_template_string(PAGE, known=json.dumps(known, indent=2))


PAGE = """<!doctype html>
<html lang="en">
<title>Flask and Authlib</title>
<link rel="icon" href="data:,">
<pre id="session">{{ known }}</pre>
<p><a id="sign-in" href="/sign-in">Sign in</a>
<a id="sso" href="/sign-in?prompt=none">Ask nothing</a></p>
<form method="post">
  <button id="refresh" formaction="/refresh">Refresh</button>
  <button id="introspect" formaction="/introspect">Introspect</button>
  <button id="sign-out" formaction="/sign-out">Sign out</button>
</form>
</html>"""

if __name__ == "__main__":
    app.run("127.0.0.1", urlsplit(callback_uri).port)
