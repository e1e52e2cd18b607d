"""How a service proves itself, whatever it asks for: its registered method, once, and no other."""

import base64
import json
from collections.abc import Callable
from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.instance import ISSUER
from tests.instance import Instance
from tests.instance import Service
from tests.instance import without_incident
from tests.key_publisher import KeyPublisher
from tests.key_publisher import answering
from tests.key_publisher import dripping
from tests.running import Running
from tests.running import at_once
from tests.service_signer import ServiceSigner

TOKEN_ENDPOINT = f"{ISSUER}/token"
BY_KEY = {"token_endpoint_auth_method": "private_key_jwt"}


class Signing:
    """A service that signs, and a code for it."""

    def __init__(self, instance: Instance, signer: ServiceSigner, **metadata: Any) -> None:
        self.instance = instance
        self.signer = signer
        self.service: Service = instance.add_service(signer.client_id, **BY_KEY | metadata)
        self.visitor = instance.visitor()
        self.code = self.visitor.code(instance.add_person(), self.service)

    def form(self, aud: object = ISSUER, **claims: Any) -> dict[str, str]:
        """A token request with a fresh assertion."""
        redemption = self.service.redemption(self.code)
        redemption.pop("client_id")
        return redemption | self.signer.form(self.instance.clock(), aud, **claims)

    def send(self, form: dict[str, str], network: str = "192.0.2.10") -> TestResponse:
        """Send a token request."""
        return self.instance.visitor(network).post("/token", form)

    def refused(self, form: dict[str, str]) -> str:
        """Send what must be refused, and make sure that the code is still good."""
        answer = self.send(form)
        assert answer.status_code == 401, answer.text
        body: dict[str, str] = answer.get_json()
        assert body["error"] == "invalid_client"
        return without_incident(body["error_description"])


@pytest.fixture
def signing(instance: Instance) -> Signing:
    signer = ServiceSigner()
    return Signing(instance, signer, jwks=signer.jwks())


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[KeyPublisher]:
    made = KeyPublisher(tmp_path)
    yield made
    made.close()


@pytest.fixture
def trusting(make_instance: Callable[..., Instance], publisher: KeyPublisher) -> Instance:
    """A provider that may ask services of this machine."""
    return make_instance(
        signing_algs=("ES256",),
        services_private_networks="127.0.0.0/8, ::1/128",
        services_ca_file=publisher.ca_file,
    )


def test_b32_a_secret_in_the_form_redeems_a_code(instance: Instance) -> None:
    service = instance.add_service(token_endpoint_auth_method="client_secret_post")
    visitor = instance.visitor()
    code = visitor.code(instance.add_person(), service)
    form = service.redemption(code, client_id="cotisations")

    by_basic = visitor.post("/token", form, headers=service.basic)
    assert by_basic.status_code == 401  # not the registered method
    answer = visitor.post("/token", form | {"client_secret": str(service.secret)})

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("alg", ["ES256", "RS256", "PS256"])
@pytest.mark.parametrize("audience", [ISSUER, TOKEN_ENDPOINT, [ISSUER, TOKEN_ENDPOINT]])
def test_c6_d1_an_assertion_redeems_a_code(instance: Instance, alg: str, audience: object) -> None:
    signer = ServiceSigner(alg=alg)
    signing = Signing(instance, signer, jwks=signer.jwks())

    answer = signing.send(signing.form(audience))

    assert answer.status_code == 200, answer.text


def test_a_service_may_name_itself_beside_its_assertion(signing: Signing) -> None:
    assert signing.send(signing.form() | {"client_id": "cotisations"}).status_code == 200


def test_an_assertion_replayed_is_refused_whatever_it_is_sent_for(signing: Signing) -> None:
    form = signing.form()
    assert signing.send(form | {"grant_type": "password"}).status_code == 400

    signing.refused(form)

    assert signing.send(signing.form()).status_code == 200


def test_of_twenty_replays_at_once_exactly_one_is_taken(signing: Signing) -> None:
    form = signing.form() | {"grant_type": "password"}

    def act() -> int:
        return signing.send(form).status_code

    statuses = at_once([act] * 20)

    assert sorted(statuses) == [400] + [401] * 19


def test_every_attack_on_an_assertion_gets_the_one_answer(signing: Signing) -> None:
    now = signing.instance.clock()
    other = ServiceSigner(number=1)
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    good = signing.form()["client_assertion"]
    attacks: dict[str, dict[str, str]] = {
        "another server": signing.form("https://other.example"),
        "another server too": signing.form([ISSUER, "https://other.example/token"]),
        "expired": signing.form(exp=int((now - timedelta(seconds=1)).timestamp())),
        "future": signing.form(nbf=int((now + timedelta(minutes=2)).timestamp())),
        "years": signing.form(exp=int((now + timedelta(days=900)).timestamp())),
        "without jti": signing.form(jti=...),
        "without exp": signing.form(exp=...),
        "without sub": signing.form(sub=...),
        "without iss": signing.form(iss=...),
        "another issuer": signing.form(iss="other"),
        "another client": signing.form() | {"client_id": "other"},
        "another key": signing.form() | other.form(now, ISSUER),
        "another kid": signing.form() | ServiceSigner(kid="k9").form(now, ISSUER),
        "nobody": signing.form(iss="nobody", sub="nobody"),
        "alg none": signing.form() | {"client_assertion": f"{unsigned}.{good.split('.')[1]}."},
        "no signature": signing.form() | {"client_assertion": good.rpartition(".")[0] + "."},
        "type": signing.form() | {"client_assertion_type": "jwt-bearer"},
        "no type": {k: v for k, v in signing.form().items() if k != "client_assertion_type"},
        "no assertion": {k: v for k, v in signing.form().items() if k != "client_assertion"},
        "a secret": {"client_id": "cotisations", "client_secret": "x"}
        | signing.service.redemption(signing.code),
    }

    told = {signing.refused(form) for form in attacks.values()}

    assert len(told) == 1
    assert signing.send(signing.form()).status_code == 200  # nobody could spend the code


def test_a_key_for_encryption_lets_nobody_in(instance: Instance) -> None:
    signer = ServiceSigner()
    keys = [signer.jwk(use="enc"), ServiceSigner(kid="k2", number=1).jwk()]

    signing = Signing(instance, signer, jwks=json.dumps({"keys": keys}))

    signing.refused(signing.form())


def test_f22_a_strict_service_names_the_issuer_alone(instance: Instance) -> None:
    signer = ServiceSigner()
    signing = Signing(instance, signer, jwks=signer.jwks(), require_issuer_aud=True)

    for audience in (TOKEN_ENDPOINT, [ISSUER], f"{ISSUER}/par"):
        signing.refused(signing.form(audience))

    assert signing.send(signing.form(ISSUER)).status_code == 200


def test_authlib_trap_10_every_endpoint_takes_every_method_that_a_service_may_register(
    instance: Instance,
) -> None:
    signer = ServiceSigner("signing")
    instance.add_service("signing", jwks=signer.jwks(), **BY_KEY)
    posting = instance.add_service("posting", token_endpoint_auth_method="client_secret_post")
    basic = instance.add_service("basic")
    secret = {"client_id": "posting", "client_secret": str(posting.secret)}
    visitor = instance.visitor()

    for path, good in (("/introspect", 200), ("/revoke", 200), ("/token", 400)):
        asked = {"token": "unknown", "grant_type": "authorization_code"}
        ways = [
            ({**asked, **signer.form(instance.clock(), ISSUER)}, {}),
            ({**asked, **secret}, {}),
            (asked, basic.basic),
        ]
        for form, headers in ways:
            answer = visitor.post(path, form, headers=headers)
            assert answer.status_code == good, (path, answer.text)
        replayed = visitor.post(path, ways[0][0])
        assert replayed.status_code == 401
        wrong = visitor.post(path, {**asked, **secret, "client_secret": "wrong"})
        assert (wrong.status_code, replayed.status_code) == (401, 401)
        said = [
            without_incident(each.get_json()["error_description"]) for each in (wrong, replayed)
        ]
        assert said[0] == said[1]


@pytest.mark.parametrize("also", ["header", "secret"])
def test_two_methods_in_one_request_are_refused(signing: Signing, also: str) -> None:
    form = signing.form() | ({"client_secret": "x"} if also == "secret" else {})
    headers = {"Authorization": "Basic eDp5"} if also == "header" else {}

    answer = signing.visitor.post("/token", form, headers=headers)

    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_request")


def test_sixty_wrong_assertions_close_the_endpoint_for_that_network_alone(
    signing: Signing,
) -> None:
    wrong = signing.form("https://other.example")
    statuses = {signing.send(wrong, "198.51.100.7").status_code for _ in range(60)}

    held = signing.send(signing.form(), "198.51.100.7")

    assert statuses == {401}
    assert held.status_code == 429
    assert 0 < int(held.headers["Retry-After"]) <= 600
    assert signing.send(signing.form()).status_code == 200


def test_no_assertion_is_written_to_any_log(
    signing: Signing, caplog: pytest.LogCaptureFixture
) -> None:
    form = signing.form()
    with caplog.at_level("DEBUG", "idp"):
        signing.send(form)
        signing.refused(form)

    assert form["client_assertion"] not in caplog.text
    assert form["client_assertion"] not in json.dumps(signing.instance.audit())


def test_c2_d12_keys_are_fetched_from_where_the_service_publishes_them(
    trusting: Instance, publisher: KeyPublisher
) -> None:
    signer = ServiceSigner()
    publisher.publish(signer.jwk())
    signing = Signing(trusting, signer, jwks_uri=publisher.uri)

    assert signing.send(signing.form()).status_code == 200
    signing.refused(signing.form("https://other.example"))
    assert len(publisher.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        answering(b"", status="302 Found", headers="Location: http://127.0.0.1/\r\n"),
        answering(b"{" + b" " * 70_000 + b"}"),
        dripping(b"HTTP/1.1 200 OK\r\n\r\n"),
        answering(b"{}"),
    ],
    ids=["redirect", "huge body", "slow body", "no keys"],
)
def test_ssrf_whatever_an_address_of_keys_answers_the_request_is_refused_in_time(
    trusting: Instance, publisher: KeyPublisher, answer: Any
) -> None:
    publisher.answer = answer
    signing = Signing(trusting, ServiceSigner(), jwks_uri=publisher.uri)

    signing.refused(signing.form())


def test_ssrf_an_address_of_keys_inside_our_network_is_not_asked(
    make_instance: Callable[..., Instance], publisher: KeyPublisher
) -> None:
    instance = make_instance(signing_algs=("ES256",), services_ca_file=publisher.ca_file)
    publisher.publish(ServiceSigner().jwk())
    signing = Signing(instance, ServiceSigner(), jwks_uri=publisher.uri)

    signing.refused(signing.form())

    assert publisher.asked == []


def test_an_assertion_taken_by_one_worker_is_taken_for_the_other(running: Running) -> None:
    signer = ServiceSigner("signing")
    running.add_service("signing", jwks=signer.jwks(), **BY_KEY)
    form = {
        "grant_type": "password",
        **signer.form(datetime.now(UTC), running.issuer),
    }
    statuses = []

    for worker in running.workers():
        with running.only(worker):
            statuses.append(running.visitor().post("/token", form).status_code)

    assert statuses == [400, 401]
