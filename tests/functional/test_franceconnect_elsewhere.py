"""Our side of FranceConnect against a provider that nobody here wrote, set to its rules.

oidc-provider in JavaScript (``tests/upstream``): its authorization endpoint, its tokens, its signed
userinfo and its sign-out; the closed list of parameters and the short lives are FranceConnect's.
"""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest
import requests
from joserfc.jwk import ECKey
from joserfc.jwk import RSAKey

from idp.identity.franceconnect_port import FranceConnect
from idp.identity.franceconnect_port import FranceConnectMistrusted
from idp.identity.franceconnect_port import FranceConnectSaidNo
from idp.identity.pivot import PivotIdentity
from idp.metrics.not_counted import NOT_COUNTED
from idp.parts import Parts
from idp.settings import read_settings
from idp.wiring.franceconnect import build_franceconnect
from tests.franceconnect import add_member
from tests.instance import ISSUER
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import csrf_of
from tests.running import ROOT
from tests.service_signer import drawn

UPSTREAM = ROOT / "tests" / "upstream"
RETURN, LOGGED_OUT = f"{ISSUER}/franceconnect/retour", f"{ISSUER}/franceconnect/deconnexion"
SECRET = "a-secret-of-somebody-else-that-is-long-enough"
STATE, NONCE = "t" * 43, "u" * 43
SECONDS = 10
SUB = "9" * 64 + "v1"
PERSON = {
    "family_name": "NGUYỄN-LE GOFF",
    "given_name": "Anne-Lise Thị Marie",
    "gender": "female",
    "birthdate": "1951-00-00",
    "birthplace": "",
    "birthcountry": "99243",
}


@contextmanager
def upstream(folder: Path, *, alg: str, person: dict[str, str], **client: object) -> Iterator[str]:
    """Run the other provider for as long as the block lasts; gives its issuer."""
    node = shutil.which("node")
    assert node, "node is not installed: apt-get install nodejs"
    assert (UPSTREAM / "node_modules").is_dir(), (
        "bin/test installs tests/upstream/package-lock.json"
    )
    keys = [drawn("EC", 3), drawn("RSA", 0)]
    given = folder / "given.json"
    given.write_text(
        json.dumps(
            {
                "alg": alg,
                "client": {
                    "client_id": "a-fund",
                    "redirect_uris": [RETURN],
                    "post_logout_redirect_uris": [LOGGED_OUT],
                    **client,
                },
                "keys": [
                    {**key.as_dict(private=True), "kid": f"upstream-{number}", "use": "sig"}
                    for number, key in enumerate(keys)
                ],
                "sub": SUB,
                "person": person,
            }
        )
    )
    with subprocess.Popen(
        [node, UPSTREAM / "provider.mjs", given],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as program:  # fmt: skip
        assert program.stdout is not None
        issuer = program.stdout.readline().strip()
        if not issuer:
            raise AssertionError(program.communicate()[1])
        try:
            yield issuer
        finally:
            program.communicate(timeout=SECONDS)


def client_of(issuer: str, proof: dict[str, Path]) -> FranceConnect:
    """Our side, as the service builds it of its settings."""
    settings = read_settings(
        issuer=ISSUER, franceconnect_issuer=issuer, franceconnect_client_id="a-fund", **proof
    )
    built = build_franceconnect(Parts(settings, lambda: datetime.now(UTC)), NOT_COUNTED)
    assert built is not None
    return built


def private(path: Path, content: bytes) -> Path:
    path.touch(0o600)
    path.write_bytes(content)
    return path


def outside(browser: requests.Session, address: str) -> str:
    """Follow the redirects of the other provider; gives the address that leads out of it."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(address))
    while address.startswith(origin):
        answer = browser.get(address, allow_redirects=False, timeout=SECONDS)
        assert answer.is_redirect, answer.text
        address = requests.compat.urljoin(address, answer.headers["Location"])
    return address


def answer_in(callback: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}


@pytest.mark.parametrize(
    ("proof", "alg"), [("client_secret_post", "ES256"), ("private_key_jwt", "RS256")]
)
def test_a_person_signs_in_over_there_and_out_again(tmp_path: Path, proof: str, alg: str) -> None:
    key: ECKey | RSAKey = drawn("EC", 5)
    if proof == "private_key_jwt":
        ours = private(tmp_path / "key.pem", key.as_pem(private=True))
        proves = {"franceconnect_private_key_file": ours}
        public = {**key.as_dict(private=False), "kid": key.thumbprint(), "use": "sig"}
        registered: dict[str, object] = {"jwks": {"keys": [public]}}
    else:
        ours = private(tmp_path / "secret", SECRET.encode())
        proves = {"franceconnect_client_secret_file": ours}
        registered = {"client_secret": SECRET}

    registered["token_endpoint_auth_method"] = proof
    with (
        upstream(tmp_path, alg=alg, person=PERSON, **registered) as issuer,
        requests.Session() as browser,
    ):
        client = client_of(issuer, proves)
        begun = client.begin(state=STATE, nonce=NONCE)
        answer = answer_in(outside(browser, begun))
        assert answer["state"] == STATE
        assert client.is_from(answer["iss"])

        arrived = client.finish(code=answer["code"], nonce=NONCE)

        assert arrived.arrival.sub == SUB
        assert arrived.arrival.pivot == PivotIdentity(*PERSON.values())

        # Replayed, or with the nonce of another sign-in, it is refused there or here.
        with pytest.raises(FranceConnectSaidNo, match=r"^invalid_grant$"):
            client.finish(code=answer["code"], nonce=NONCE)
        other = answer_in(outside(browser, begun))
        with pytest.raises(FranceConnectMistrusted, match=r"^nonce$"):
            client.finish(code=other["code"], nonce="x" * 43)
        # One parameter more than the closed list, and there is no way back.
        stray = browser.get(f"{begun}&code_challenge={'c' * 43}", timeout=SECONDS)
        assert (stray.status_code, stray.text) == (400, "Y030007")

        sign_out = client.logout_url(id_token=arrived.id_token, state=STATE)
        assert signed_out(browser, sign_out) == f"{LOGGED_OUT}?state={STATE}"


def test_from_the_button_to_the_service_and_out_of_both(
    tmp_path: Path, clock: Clock, make_instance: Callable[..., Instance]
) -> None:
    clock.at = datetime.now(UTC)  # theirs is a real one
    numero = "1204816"
    secret = private(tmp_path / "secret", SECRET.encode())
    camille = {
        "family_name": "DURAND",
        "given_name": "Camille Anne Louise",
        "gender": "female",
        "birthdate": "1987-04-23",
        "birthplace": "44109",
        "birthcountry": "99100",
    }
    with (
        upstream(
            tmp_path,
            alg="ES256",
            person=camille,
            client_secret=SECRET,
            token_endpoint_auth_method="client_secret_post",
        ) as issuer,
        requests.Session() as abroad,
    ):
        instance = make_instance(
            signing_algs=("ES256",),
            franceconnect_issuer=issuer,
            franceconnect_client_id="a-fund",
            franceconnect_client_secret_file=secret,
        )
        service = instance.add_service()
        person = add_member(instance, numero)
        visitor = instance.visitor()
        [button] = re.findall(r'href="(/franceconnect\?[^"]+)"', visitor.open_sign_in(service).text)
        begun = visitor.get(html.unescape(button)).headers["Location"]

        answered = visitor.get(outside(abroad, begun).removeprefix(ISSUER))

        code = answer_in(answered.headers["Location"])["code"]
        tokens = visitor.redeem(service, code).get_json()
        _, claims = visitor.read_token(tokens["id_token"])
        assert claims["acr"] == "urn:carpimko:acr:franceconnect"
        assert claims["amr"] == ["franceconnect"]
        told = visitor.userinfo(tokens["access_token"]).get_json()
        assert told["numero_dossier"] == person.numero

        page = visitor.get("/compte")
        leaving = visitor.post("/deconnexion", {"csrf": csrf_of(page)})
        [onward] = re.findall(r'content="0; url=([^"]+)"', leaving.text)
        back = signed_out(abroad, html.unescape(onward))
        assert back.startswith(f"{LOGGED_OUT}?state=")
        assert visitor.get(back.removeprefix(ISSUER)).headers["Location"] == "/deconnexion"


def signed_out(browser: requests.Session, address: str) -> str:
    """Answer the other provider's question at a sign-out; gives where it leads."""
    page = browser.get(address, timeout=SECONDS)
    form = dict(re.findall(r'name="(\w+)" value="([^"]+)"', page.text))
    target = re.search(r'action="([^"]+)"', page.text)
    assert target is not None, page.text
    left = browser.post(
        target[1], data={**form, "logout": "yes"}, allow_redirects=False, timeout=SECONDS
    )
    return left.headers["Location"]
