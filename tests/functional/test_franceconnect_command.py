"""``idp franceconnect``: what an operator declares there, to be copied."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result

from idp.cli import main
from idp.infra.franceconnect_proof import read_own_key


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run the command with these settings of FranceConnect."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IDP_ISSUER", "https://connexion.example.org")

    def run(**settings: str) -> Result:
        for name, value in settings.items():
            monkeypatch.setenv(f"IDP_FRANCECONNECT_{name}", value)
        return CliRunner().invoke(main, ["franceconnect"], catch_exceptions=False)

    return run


OFFERED = {"ISSUER": "https://franceconnect.example/api/v2", "CLIENT_ID": "a-fund"}


def test_it_shows_the_addresses_and_how_we_prove_ourselves(told, tmp_path):
    shown = told(**OFFERED, CLIENT_SECRET_FILE=str(tmp_path / "secret"))

    declared = json.loads(shown.stdout)
    assert declared["redirect_uris"] == ["https://connexion.example.org/franceconnect/retour"]
    assert declared["post_logout_redirect_uris"] == [
        "https://connexion.example.org/franceconnect/deconnexion"
    ]
    assert declared["token_endpoint_auth_method"] == "client_secret_post"
    assert "jwks" not in declared


def test_a_key_is_drawn_once_for_its_owner_alone_and_its_public_half_shown(told, tmp_path):
    file = tmp_path / "keys" / "franceconnect.pem"
    file.parent.mkdir()

    first = told(**OFFERED, PRIVATE_KEY_FILE=str(file))
    again = told()

    assert file.stat().st_mode & 0o777 == 0o600
    assert f"drawn: {file}" in first.stderr
    assert again.stderr == ""
    assert first.stdout == again.stdout
    declared = json.loads(first.stdout)
    assert declared["token_endpoint_auth_method"] == "private_key_jwt"
    [public] = declared["jwks"]["keys"]
    assert public["kid"] == read_own_key(file).kid
    assert "d" not in public


def test_where_it_is_not_offered_it_says_what_is_missing(told):
    refused = told()

    assert refused.exit_code == 1
    assert "IDP_FRANCECONNECT_ISSUER is not set" in refused.output
