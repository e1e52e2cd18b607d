import json
import re

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine
from sqlalchemy import text

from idp.cli import main
from idp.oidc.clients import hash_client_secret
from tests.schema import migrate
from tests.service_signer import ServiceSigner

PORTAL = {
    "client_id": "portal",
    "client_name": "Espace retraite",
    "redirect_uris": ["https://retraite.example/callback"],
    "scope": "openid dossier",
    "id_token_signed_response_alg": "ES256",
}


API = "https://api.example/paiements"
THE_API = {
    "client_id": "paiements",
    "client_name": "Paiements",
    "grant_types": [],
    "resource_identifiers": [API],
}
MACHINE = {
    "client_id": "batch",
    "client_name": "Paiements de nuit",
    "grant_types": ["client_credentials"],
    "scope": "paiements:lire",
    "allowed_resources": [API],
    "id_token_signed_response_alg": "ES256",
}


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'idp.sqlite'}"


@pytest.fixture
def idp(tmp_path, url):
    """The command, with a database that is up to date; ``document`` goes to its stdin as JSON."""
    migrate(url)
    env = {
        "IDP_ISSUER": "http://localhost:8000",
        "IDP_DATA_DIR": str(tmp_path),
        "IDP_ENV_FILE": None,
    }

    def run(*words, document=None):
        stdin = document if document is None or isinstance(document, str) else json.dumps(document)
        words = ["--operator", "jeanne", "clients", *words]
        return CliRunner(env=env).invoke(main, words, input=stdin)

    return run


def rows(url, statement):
    engine = create_engine(url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(statement))]
    engine.dispose()
    return found


def secret_in(result):
    (secret,) = re.findall(r"^client_secret: (\S+)$", result.stdout, re.MULTILINE)
    return secret


def shown(idp, client_id="portal"):
    return json.loads(idp("show", client_id).stdout)


def test_a_service_is_added_and_its_secret_shown_once_and_stored_hashed(idp, url):
    result = idp("add", "-", document=PORTAL)

    assert result.exit_code == 0
    secret = secret_in(result)
    assert "client_id: portal\n" in result.stdout
    assert "shown this once" in result.stdout
    assert len(secret) == 43
    assert rows(url, "SELECT secret_hash FROM client_secrets") == [(hash_client_secret(secret),)]
    for words in (["show", "portal"], ["list"]):
        again = idp(*words)
        assert secret not in again.output
        assert hash_client_secret(secret) not in again.output


def test_a_service_is_added_from_a_file(idp, tmp_path):
    file = tmp_path / "portal.json"
    file.write_text(json.dumps(PORTAL), encoding="utf-8")

    assert idp("add", str(file)).exit_code == 0
    assert idp("add", str(tmp_path / "absent.json")).exit_code == 2


def test_es256_is_advised_where_the_document_is_silent_and_only_there(idp):
    silent = {
        name: value for name, value in PORTAL.items() if name != "id_token_signed_response_alg"
    }

    assert "ES256 is cheaper" in idp("add", "-", document=silent).stderr
    assert idp("add", "-", document=PORTAL | {"client_id": "other"}).stderr == ""
    assert shown(idp)["id_token_signed_response_alg"] == "RS256"


def test_a_public_service_gets_no_secret(idp, url):
    result = idp("add", "-", document=PORTAL | {"token_endpoint_auth_method": "none"})

    assert "client_secret:" not in result.stdout
    assert rows(url, "SELECT * FROM client_secrets") == []
    refusal = idp("new-secret", "portal")
    assert refusal.exit_code == 1
    assert "has no secret" in refusal.stderr


def test_a_service_that_signs_is_registered_with_its_keys_and_gets_no_secret(idp, url):
    signer = ServiceSigner("portal")
    document = PORTAL | {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [signer.jwk()]},
    }

    result = idp("add", "-", document=document)

    assert result.exit_code == 0, result.stderr
    assert "client_secret:" not in result.stdout
    assert "it signs with its own key" in result.stdout
    assert shown(idp)["jwks"] == {"keys": [signer.jwk()]}
    assert "its own key" in idp("list").stdout
    refusal = idp("new-secret", "portal")
    assert "has no secret: its token_endpoint_auth_method is private_key_jwt" in refusal.stderr


def test_a_service_that_goes_from_a_secret_to_a_key_and_back_is_given_another_secret(idp, url):
    by_key = {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [ServiceSigner("portal").jwk()]},
    }
    idp("add", "-", document=PORTAL)

    idp("update", "portal", "-", document=PORTAL | by_key)
    assert rows(url, "SELECT * FROM client_secrets") == []

    assert "client_secret: " in idp("update", "portal", "-", document=PORTAL).stdout


def test_every_bad_key_of_a_service_is_explained_and_none_is_quoted(idp, url):
    signer = ServiceSigner("portal")
    private = signer.key.as_dict(private=True)
    short = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}
    document = PORTAL | {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [private, {"kty": "oct", "k": "c2VjcmV0"}, short]},
        "jwks_uri": "https://portail.example/jwks",
    }

    result = idp("add", "-", document=document)

    assert result.exit_code == 1
    for reason in (
        "jwks: keys[0]: it holds its private half (d)",
        "jwks: keys[1]: it is symmetric",
        "jwks: keys[2]: n: 17 bits, expected 2048",
        "jwks_uri: give jwks or jwks_uri, not both",
    ):
        assert reason in result.stderr
    assert private["d"] not in result.stderr
    assert rows(url, "SELECT * FROM clients") == []


def test_a_wrong_document_is_refused_with_every_reason_and_nothing_is_registered(idp, url):
    result = idp(
        "add",
        "-",
        document=PORTAL | {"redirect_uris": ["http://a.example/#x"], "scop": "x", "client_id": "?"},
    )

    assert result.exit_code == 1
    for reason in ("scop: no such member", "plain http", "fragment", "client_id: expected"):
        assert reason in result.stderr
    assert rows(url, "SELECT * FROM clients") == []
    assert rows(url, "SELECT * FROM audit_events") == []


def test_a_document_that_is_not_json_is_refused(idp):
    result = idp("add", "-", document="{")

    assert result.exit_code == 1
    assert "is not JSON in UTF-8 at line 1" in result.stderr


def test_an_identifier_that_is_taken_is_refused(idp):
    idp("add", "-", document=PORTAL)

    result = idp("add", "-", document=PORTAL)

    assert result.exit_code == 1
    assert "there is a client 'portal' already" in result.stderr


def test_the_list_has_a_line_for_each_service(idp):
    assert "no service yet" in idp("list").stdout
    idp("add", "-", document=PORTAL)
    idp("add", "-", document=PORTAL | {"client_id": "app", "token_endpoint_auth_method": "none"})

    assert idp("list").stdout.splitlines() == [
        "app  'Espace retraite'  public, ES256, pairwise subjects",
        "portal  'Espace retraite'  1 secret(s), ES256, pairwise subjects",
    ]


def test_an_api_is_registered_and_then_who_asks_for_it(idp):
    early = idp("add", "-", document=MACHINE)
    assert early.exit_code == 1
    assert f"allowed_resources: {API} is no registered API" in early.stderr

    api = idp("add", "-", document=THE_API)
    machine = idp("add", "-", document=MACHINE)

    assert (api.exit_code, machine.exit_code) == (0, 0), machine.stderr
    assert api.stderr == ""
    assert secret_in(api) != secret_in(machine)
    assert shown(idp, "paiements").items() >= THE_API.items()
    assert shown(idp, "batch").items() >= MACHINE.items()
    assert idp("list").stdout.splitlines() == [
        "batch  'Paiements de nuit'  1 secret(s), ES256, asks for itself",
        "paiements  'Paiements'  1 secret(s), looks at tokens only",
    ]
    assert idp("update", "batch", "-", document=shown(idp, "batch")).exit_code == 0


def test_no_two_services_and_not_the_provider_have_the_same_name_as_an_api(idp):
    idp("add", "-", document=THE_API)
    other = THE_API | {"client_id": "other"}

    taken = idp("add", "-", document=other)
    provider = idp("add", "-", document=other | {"resource_identifiers": ["http://localhost:8000"]})

    assert "is the name of paiements already" in taken.stderr
    assert "is the name of this provider already" in provider.stderr
    assert (taken.exit_code, provider.exit_code) == (1, 1)
    userinfo_too = PORTAL | {"allowed_resources": ["http://localhost:8000"]}
    assert idp("add", "-", document=userinfo_too).exit_code == 0


def test_who_may_still_ask_for_an_api_that_goes_is_named(idp):
    idp("add", "-", document=THE_API)
    idp("add", "-", document=MACHINE)
    renamed = THE_API | {"resource_identifiers": ["urn:example:paiements"]}

    updated = idp("update", "paiements", "-", document=renamed)
    idp("update", "paiements", "-", document=THE_API)
    removed = idp("remove", "paiements", "--yes")

    for result in (updated, removed):
        assert (result.exit_code, result.stderr) == (0, f"batch may still ask for {API}\n")


def test_a_machine_that_begins_to_sign_members_in_changes_no_sub(idp):
    idp("add", "-", document=THE_API)
    idp("add", "-", document=MACHINE)
    grown = MACHINE | {
        "grant_types": ["authorization_code", "client_credentials"],
        "redirect_uris": ["https://retraite.example/callback"],
        "scope": "openid paiements:lire",
    }

    assert idp("update", "batch", "-", document=grown).exit_code == 0
    assert "pairwise subjects, asks for itself" in idp("list").stdout


def test_what_show_prints_is_what_update_takes(idp):
    idp("add", "-", document=PORTAL | {"contacts": ["équipe@retraite.example"]})
    before = shown(idp)

    unchanged = idp("update", "portal", "-", document=before)
    changed = idp("update", "portal", "-", document=before | {"scope": "openid"})

    assert unchanged.stdout == "updated portal: nothing changed\n"
    assert changed.stdout == "updated portal: scope\n"
    assert shown(idp) == before | {"scope": "openid"}


def test_an_update_replaces_the_whole_and_keeps_the_secrets(idp, url):
    secret = secret_in(idp("add", "-", document=PORTAL | {"require_pkce": False}))

    assert idp("update", "portal", "-", document=PORTAL).exit_code == 0

    assert shown(idp)["require_pkce"] is True
    assert rows(url, "SELECT secret_hash FROM client_secrets") == [(hash_client_secret(secret),)]


def test_an_update_with_the_document_of_another_service_is_refused(idp):
    idp("add", "-", document=PORTAL)

    result = idp("update", "portal", "-", document=PORTAL | {"client_id": "other"})

    assert result.exit_code == 1
    assert "client_id: the document is of other" in result.stderr


@pytest.mark.parametrize(
    "change",
    [{"redirect_uris": ["https://elsewhere.example/callback"]}, {"subject_type": "public"}],
)
def test_an_update_that_would_change_every_sub_of_a_service_must_be_meant(idp, change):
    idp("add", "-", document=PORTAL)

    refusal = idp("update", "portal", "-", document=PORTAL | change)
    assert refusal.exit_code == 1
    assert "--change-subjects" in refusal.stderr
    assert shown(idp)["redirect_uris"] == PORTAL["redirect_uris"]

    assert (
        idp("update", "portal", "-", "--change-subjects", document=PORTAL | change).exit_code == 0
    )
    assert shown(idp).items() >= change.items()


def test_a_service_that_starts_to_authenticate_gets_its_first_secret(idp):
    idp("add", "-", document=PORTAL | {"token_endpoint_auth_method": "none"})

    result = idp("update", "portal", "-", document=PORTAL)

    assert len(secret_in(result)) == 43


def test_two_secrets_live_and_a_third_ends_the_first(idp, url):
    first = secret_in(idp("add", "-", document=PORTAL))
    second = secret_in(idp("new-secret", "portal"))
    third = secret_in(idp("new-secret", "portal"))

    live = {row[0] for row in rows(url, "SELECT secret_hash FROM client_secrets")}

    assert len({first, second, third}) == 3
    assert live == {hash_client_secret(second), hash_client_secret(third)}


def test_a_service_is_removed_once_the_operator_says_so(idp):
    idp("add", "-", document=PORTAL)

    assert idp("remove", "portal", document="n\n").exit_code == 1
    assert shown(idp)
    assert idp("remove", "portal", document="y\n").exit_code == 0
    assert idp("show", "portal").exit_code == 1


def test_remove_does_not_ask_where_it_is_told_not_to(idp):
    idp("add", "-", document=PORTAL)

    assert idp("remove", "portal", "--yes").stdout == "removed portal\n"


@pytest.mark.parametrize(
    "words", [["show"], ["remove", "--yes"], ["new-secret"], ["update", "/dev/null"]]
)
def test_a_service_that_is_not_registered_is_said_to_be_unknown(idp, words):
    result = idp(words[0], "nobody", *words[1:])

    assert result.exit_code == 1
    assert "no client 'nobody'" in result.stderr


def test_every_act_is_audited_with_its_operator_and_without_a_secret(idp, url):
    secrets = [secret_in(idp("add", "-", document=PORTAL))]
    secrets.append(secret_in(idp("new-secret", "portal")))
    idp("update", "portal", "-", document=PORTAL | {"scope": "openid"})
    idp("remove", "portal", "--yes")

    events = rows(url, "SELECT event, operator, client_id, detail FROM audit_events ORDER BY id")

    assert [event[:3] for event in events] == [
        ("client.added", "jeanne", "portal"),
        ("client.secret_added", "jeanne", "portal"),
        ("client.updated", "jeanne", "portal"),
        ("client.removed", "jeanne", "portal"),
    ]
    assert "scope" in events[2][3]
    assert not any(secret in str(events) for secret in secrets)
    assert not any(hash_client_secret(secret) in str(events) for secret in secrets)


def test_a_database_that_was_never_migrated_is_told_what_to_run_and_is_not_made(tmp_path):
    env = {"IDP_ISSUER": "http://localhost:8000", "IDP_DATA_DIR": str(tmp_path)}

    for words in (["clients", "list"], ["worker", "--once"]):
        result = CliRunner(env={**env, "IDP_ENV_FILE": None}).invoke(main, words)

        assert result.exit_code == 1
        assert "run idp migrate" in result.stderr
    assert list(tmp_path.iterdir()) == []
