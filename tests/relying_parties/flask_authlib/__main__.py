"""Pages and argument: see ``tests.relying_parties``."""

import json
import secrets
import sys
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from authlib.oauth2.base import OAuth2Error
from flask import Flask
from flask import Response
from flask import redirect
from flask import render_template_string
from flask import session

SCOPE = "openid profile email dossier"
PAGE = """<!doctype html><html lang="en"><title>{{ name }}</title><link rel="icon" href="data:,">
<pre id="session">{{ known }}</pre>
<p><a id="sign-in" href="/{{ name }}/sign-in">Sign in</a>
<a id="refresh" href="/{{ name }}/refresh">Refresh</a>
<a id="sign-out" href="/{{ name }}/sign-out">Sign out</a></p></html>"""


def create_app(given: dict[str, Any]) -> Flask:
    """Build the relying party; its sessions are Flask's signed cookies."""
    app = Flask(__name__)
    app.secret_key = secrets.token_bytes(32)
    app.config["SESSION_COOKIE_NAME"] = "authlib_rp"
    origin = f"http://127.0.0.1:{given['port']}"
    oauth = OAuth(app)
    for name, client in given["clients"].items():
        secret = client.get("client_secret")
        oauth.register(
            name,
            client_id=client["client_id"],
            client_secret=secret,
            server_metadata_url=f"{given['issuer']}/.well-known/openid-configuration",
            client_kwargs={
                "scope": SCOPE,
                "code_challenge_method": "S256",
                "token_endpoint_auth_method": "client_secret_basic" if secret else "none",
            },
        )

    @app.get("/<name>")
    def show(name: str) -> str:
        person = people.get(session.get(name, ""), {})
        known = {
            "signed_in": bool(person),
            "claims": person.get("claims"),
            "userinfo": person.get("userinfo"),
            "alg": person.get("alg"),
            "error": session.get(f"error_{name}"),
        }
        return render_template_string(PAGE, name=name, known=json.dumps(known))

    @app.get("/<name>/sign-in")
    def sign_in(name: str) -> Response:
        return oauth.create_client(name).authorize_redirect(f"{origin}/{name}/callback")

    @app.get("/<name>/refresh")
    def refresh(name: str) -> Response:
        client = oauth.create_client(name)
        return client.authorize_redirect(f"{origin}/{name}/callback", prompt="none")

    @app.get("/<name>/callback")
    def callback(name: str) -> Response:
        client = oauth.create_client(name)
        try:
            token = client.authorize_access_token()
        except (OAuthError, OAuth2Error) as error:
            people.pop(session.pop(name, ""), None)
            session[f"error_{name}"] = error.error
            return redirect(f"/{name}")
        session.pop(f"error_{name}", None)
        session[name] = secrets.token_urlsafe()
        people[session[name]] = {
            "claims": dict(token["userinfo"]),
            "userinfo": dict(client.userinfo(token=token)),
            "alg": _alg(token["id_token"]),
            "id_token": token["id_token"],
        }
        return redirect(f"/{name}")

    @app.get("/<name>/sign-out")
    def sign_out(name: str) -> Response:
        person = people.pop(session.pop(name, ""), {})
        return oauth.create_client(name).logout_redirect(
            post_logout_redirect_uri=f"{origin}/{name}/signed-out",
            id_token_hint=person.get("id_token"),
        )

    @app.get("/<name>/signed-out")
    def signed_out(name: str) -> Response:
        oauth.create_client(name).validate_logout_response()
        return redirect(f"/{name}")

    return app


people: dict[str, dict[str, Any]] = {}


def _alg(id_token: str) -> str:
    header = id_token.partition(".")[0]
    alg: str = json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4)))["alg"]
    return alg


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    create_app(given).run("127.0.0.1", given["port"])
