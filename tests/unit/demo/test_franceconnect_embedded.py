"""What the embedded start keeps of its FranceConnect from one start to the next."""

import stat

from demo.franceconnect import Configuration
from demo.franceconnect import Simulator
from demo.franceconnect.embedded import register
from demo.franceconnect.people import PEOPLE


def test_names_secrets_and_keys_are_drawn_once_and_addresses_follow_the_ports(tmp_path):
    file, secret = tmp_path / "franceconnect.json", tmp_path / "secret"

    def start(port):
        settings = register(
            file, secret, origin=f"http://127.0.0.1:{port}", provider=f"http://localhost:{port + 1}"
        )
        return settings, Simulator(Configuration.read(file))

    first_settings, first = start(8003)
    token = first.write_jwt({"sub": "x"}, first.fault.id_token)
    settings, again = start(9003)

    assert again.sub(PEOPLE[0]) == first.sub(PEOPLE[0])
    assert again.keys.read_own(token) == {"sub": "x"}
    assert again.keys.current("ES256").kid == first.keys.current("ES256").kid
    assert settings["IDP_FRANCECONNECT_CLIENT_ID"] == first_settings["IDP_FRANCECONNECT_CLIENT_ID"]
    assert settings["IDP_FRANCECONNECT_ISSUER"] == "http://127.0.0.1:9003/api/v2"
    registration = again.configuration.registration
    assert registration.redirect_uris == ("http://localhost:9004/franceconnect/retour",)
    assert secret.read_text() == registration.client_secret
    assert {stat.S_IMODE(path.stat().st_mode) for path in (file, secret)} == {0o600}


def test_another_folder_has_another_name_and_other_secrets(tmp_path):
    drawn = set()
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        file, secret = tmp_path / name / "franceconnect.json", tmp_path / name / "secret"
        register(file, secret, origin="http://127.0.0.1:1", provider="http://localhost:2")
        kept = Configuration.read(file)
        drawn |= {kept.registration.client_id, kept.pairwise_secret, kept.signing_key}
        drawn.add(secret.read_text())
        assert kept.pairwise_secret not in repr(kept)
        assert secret.read_text() not in repr(kept)

    assert len(drawn) == 8


def test_a_file_that_cannot_be_read_is_no_registration(tmp_path):
    file = tmp_path / "franceconnect.json"

    for written in ("", "{}", "[]", '{"registration": {"client_id": 1}}'):
        file.write_text(written)
        assert Configuration.read(file) is None
