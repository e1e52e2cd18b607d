"""``idp franceconnect``: what is declared at FranceConnect, of us."""

import json
from pathlib import Path

import click

from idp.cli import parts
from idp.infra.franceconnect_proof import read_own_key
from idp.infra.private_files import write_private_file
from idp.oidc.signer import generate
from idp.wiring.franceconnect import LOGGED_OUT
from idp.wiring.franceconnect import RETURN


@click.command()
def franceconnect() -> None:
    """Show what to declare there: addresses, scope, and the public half of our key.

    A key that IDP_FRANCECONNECT_PRIVATE_KEY_FILE names and that is missing is drawn.
    """
    settings = parts().settings
    if not settings.franceconnect_issuer:
        raise click.ClickException("IDP_FRANCECONNECT_ISSUER is not set; see docs/franceconnect.md")
    declared: dict[str, object] = {
        "client_id": settings.franceconnect_client_id,
        "redirect_uris": [settings.issuer + RETURN],
        "post_logout_redirect_uris": [settings.issuer + LOGGED_OUT],
        "scope": settings.franceconnect_scope,
        "acr_values": settings.franceconnect_acr,
        "id_token_signed_response_alg": "ES256",
        "userinfo_signed_response_alg": "ES256",
        "token_endpoint_auth_method": "client_secret_post",
    }
    if (file := settings.franceconnect_private_key_file) is not None:
        declared["token_endpoint_auth_method"] = "private_key_jwt"  # noqa: S105 - a method's name
        declared["jwks"] = {"keys": [_public_half(file)]}
    print(json.dumps(declared, indent=2))


def _public_half(file: Path) -> dict[str, str]:
    if not file.exists():
        write_private_file(file, generate("ES256"))
        click.echo(f"drawn: {file}", err=True)
    return dict(read_own_key(file).public_jwk)
