"""A service in Ruby, on a library that nobody here wrote, over the wire.

It proves itself by a secret, and by a key: its assertions name the token endpoint and no ``kid``.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization import NoEncryption
from cryptography.hazmat.primitives.serialization import PrivateFormat
from joserfc.jwk import ECKey

from tests.instance import CALLBACK
from tests.running import ROOT
from tests.running import Running

PROGRAM = ROOT / "tests" / "relying_parties" / "ruby_openid_connect.rb"
SERVICE = {
    "scope": frozenset({"openid", "profile", "dossier", "offline_access"}),
    "grant_types": ("authorization_code", "refresh_token"),
}


@pytest.mark.parametrize("proof", ["secret", "key"])
def test_the_ruby_library_signs_in_refreshes_and_gives_back(
    running: Running, tmp_path: Path, proof: str
) -> None:
    ruby = shutil.which("ruby")
    assert ruby, "ruby is not installed: apt-get install ruby-openid-connect"
    given = {"issuer": running.issuer, "redirect_uri": CALLBACK, "client_id": f"ruby-{proof}"}
    if proof == "key":
        key = ECKey.generate_key("P-256")
        pem = key.private_key.private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )
        given["private_key"] = pem.decode()
        running.add_service(
            "ruby-key",
            token_endpoint_auth_method="private_key_jwt",
            jwks=json.dumps({"keys": [key.as_dict(private=False)]}),
            **SERVICE,
        )
    else:
        service = running.add_service(
            "ruby-secret", id_token_signed_response_alg="RS256", **SERVICE
        )
        given["client_secret"] = str(service.secret)
    file = tmp_path / "given.json"
    file.write_text(json.dumps(given), encoding="utf-8")
    person = running.instance.add_person("ayant_droit", f"70{proof == 'key':07}")

    with subprocess.Popen(
        [ruby, str(PROGRAM), str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        visitor = running.visitor()
        asked = visitor.get(program.stdout.readline().strip().removeprefix(running.issuer))
        page = visitor.get(asked.headers["Location"])
        answered = visitor.submit_sign_in(page, person.qualite, person.numero, person.password)
        told, complaint = program.communicate(answered.headers["Location"] + "\n", timeout=60)

    assert program.returncode == 0, complaint
    seen = json.loads(told)
    for claims in (seen["userinfo"], seen["refreshed"]):
        assert claims["sub"] == seen["sub"]
        assert (claims["qualite"], claims["numero_dossier"]) == (person.qualite, person.numero)
    assert seen["rotated"]
    assert seen["ended"]
