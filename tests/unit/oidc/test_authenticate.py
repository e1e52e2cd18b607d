from base64 import b64encode
from datetime import timedelta

import pytest
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from hypothesis import given
from hypothesis import strategies as st

from idp import StoreUnavailable
from idp.limits import TooManyClientFailures
from idp.oidc.assertions import ASSERTION_TYPE
from idp.oidc.authenticate import CREDENTIALS_LIMIT
from idp.oidc.authenticate import ClientAuthenticator
from idp.oidc.authenticate import Presented
from idp.oidc.authenticate import WrongClientCredentials
from idp.oidc.clients import hash_client_secret
from idp.oidc.params import Params
from tests.fakes import MemoryClientFailures
from tests.fakes import MemoryClients
from tests.fakes import assertions
from tests.fakes import client
from tests.instance import NOON
from tests.instance import Clock
from tests.service_signer import ServiceSigner

HERE = "192.0.2.1"
PUBLIC = client(client_id="mobile", token_endpoint_auth_method="none", secret_hashes=())
POSTING = client(client_id="legacy", token_endpoint_auth_method="client_secret_post")
SIGNER = ServiceSigner("signing")
SIGNING = client(
    client_id="signing",
    token_endpoint_auth_method="private_key_jwt",
    jwks=SIGNER.jwks(),
    secret_hashes=(),
)
ISSUER = "https://idp.example"


class Scene:
    def __init__(self, *clients, limit=60):
        self.clients = MemoryClients(*(clients or (client(), PUBLIC, POSTING, SIGNING)))
        self.failures = MemoryClientFailures(limit=limit, window=timedelta(minutes=10), now=Clock())
        self.authenticator = ClientAuthenticator(
            self.clients, self.failures, assertions(ISSUER, now=Clock())
        )

    def authenticate(self, authorization="", network=HERE, also=(), **params):
        return self.authenticator.authenticate(
            Params.of([*params.items(), *also]), authorization, network
        )

    def refused(self, *args, **kwargs):
        with pytest.raises(WrongClientCredentials) as refusal:
            self.authenticate(*args, **kwargs)
        return refusal.value

    @property
    def counted(self):
        return self.failures.counts.get(HERE, (0,))[0]


@pytest.fixture
def scene():
    return Scene()


def basic(credentials, scheme="Basic"):
    raw = credentials if isinstance(credentials, bytes) else credentials.encode()
    return f"{scheme} {b64encode(raw).decode()}"


def signed(**claims):
    return SIGNER.form(NOON, ISSUER, **claims)


GOOD = basic("cotisations:the+secret")


def test_a_confidential_client_proves_itself_by_basic(scene):
    assert scene.authenticate(GOOD) == client()
    assert scene.authenticate(GOOD, client_id="cotisations") == client()
    assert scene.counted == 0


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_the_scheme_has_no_case(scene, scheme):
    assert scene.authenticate(basic("cotisations:the+secret", scheme)) == client()


def test_b32_a_client_registered_for_it_sends_its_secret_in_the_form(scene):
    assert scene.authenticate(client_id="legacy", client_secret="the secret") == POSTING
    scene.refused(client_id="legacy", client_secret="wrong")
    scene.refused(client_secret="the secret")
    assert scene.counted == 2


def test_a_client_signs_with_its_key_and_need_not_name_itself_beside(scene):
    assert scene.authenticate(**signed()) == SIGNING
    assert scene.authenticate(**signed(), client_id="signing") == SIGNING
    assert scene.counted == 0


def test_an_assertion_replayed_is_refused(scene):
    form = signed()
    scene.authenticate(**form)

    refusal = scene.refused(**form)

    assert refusal.reason == "jti: this assertion was used before"
    assert scene.counted == 1


def test_f17_authlib_trap_09_an_assertion_beside_another_clients_name_is_refused(scene):
    refusal = scene.refused(**signed(), client_id="cotisations")

    assert (refusal.error, refusal.client_id) == ("invalid_client", "")


@pytest.mark.parametrize(
    "kind",
    [
        "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
        ASSERTION_TYPE.upper(),
        f"{ASSERTION_TYPE} ",
        "jwt-bearer",
        "",
    ],
)
def test_the_type_of_an_assertion_is_compared_exactly(scene, kind):
    refusal = scene.refused(**signed() | {"client_assertion_type": kind})

    assert refusal.reason.startswith("client_assertion_type: expected")


def test_f21_a_type_without_an_assertion_is_refused(scene):
    assert scene.refused(client_assertion_type=ASSERTION_TYPE, client_id="signing").reason


def test_an_assertion_does_not_let_a_client_in_that_is_registered_for_a_secret(scene):
    thief = ServiceSigner("cotisations")

    refusal = scene.refused(**thief.form(NOON, ISSUER))

    assert refusal.reason == "method: private_key_jwt, where client_secret_basic is registered"


@pytest.mark.parametrize(
    ("authorization", "params", "reason"),
    [
        (basic("nobody:x"), {}, "client_id: not registered"),
        (basic("cotisations:x"), {}, "client_secret: none of those that live"),
        (GOOD.replace("Basic", "Digest"), {}, "Authorization: expected Basic"),
        ("Basic !", {}, "Authorization: not client_id:client_secret in base64"),
        (basic("no colon"), {}, "Authorization: not client_id:client_secret in base64"),
        ("", {}, "client_id: missing"),
        ("", {"client_id": "cotisations"}, "method: none, where client_secret_basic is registered"),
    ],
)
def test_an_operator_can_be_told_which_check_refused(scene, authorization, params, reason):
    assert scene.refused(authorization, **params).reason == reason


@pytest.mark.parametrize(
    "name", ["client_id", "client_secret", "client_assertion", "client_assertion_type"]
)
def test_credentials_that_come_twice_are_refused(scene, name):
    with pytest.raises(InvalidRequestError):
        scene.authenticate(also=[(name, "a"), (name, "a")])


def test_a_public_client_names_itself(scene):
    assert scene.authenticate(client_id="mobile") == PUBLIC


@pytest.mark.parametrize("secret", ["first", "second"])
def test_both_live_secrets_are_good(secret):
    hashes = (hash_client_secret("first"), hash_client_secret("second"))

    assert Scene(client(secret_hashes=hashes)).authenticate(basic(f"cotisations:{secret}"))


def test_identifier_and_secret_are_form_encoded_before_base64():
    registered = client(client_id="a:b c", secret_hashes=(hash_client_secret("p%+é:x"),))

    found = Scene(registered).authenticate(basic("a%3Ab+c:p%25%2B%C3%A9%3Ax"))

    assert found == registered


def test_authlib_trap_09_unknown_client_and_wrong_secret_are_one_answer(scene):
    answers = {
        (refusal.error, refusal.description, refusal.status_code, str(refusal.get_headers()))
        for refusal in (
            scene.refused(basic("cotisations:wrong")),
            scene.refused(basic("nobody:wrong")),
            scene.refused(basic("nobody:")),
            scene.refused(basic("mobile:wrong")),
            scene.refused(client_id="nobody"),
            scene.refused(client_id="cotisations"),
            scene.refused(),
            scene.refused("Bearer x"),
            scene.refused(client_id="legacy", client_secret="wrong"),
            scene.refused(client_id="nobody", client_secret="wrong"),
            scene.refused(**signed(jti="")),
            scene.refused(**signed(sub="nobody")),
            scene.refused(**signed(), client_id="mobile"),
            scene.refused(client_assertion_type=ASSERTION_TYPE),
        )
    }

    assert len(answers) == 1


def test_authlib_trap_09_a_refusal_names_its_scheme_and_realm(scene):
    refusal = scene.refused(basic("cotisations:wrong"))

    assert (refusal.status_code, refusal.error) == (401, "invalid_client")
    headers = [value for name, value in refusal.get_headers() if name == "WWW-Authenticate"]
    assert headers == ['Basic realm="token", charset="UTF-8"']


def test_authlib_trap_09_another_clients_name_beside_basic_is_refused(scene):
    with pytest.raises(InvalidRequestError):
        scene.authenticate(GOOD, client_id="mobile")


def test_authlib_trap_09_basic_beside_another_clients_secret_is_refused(scene):
    with pytest.raises(InvalidRequestError):
        scene.authenticate(GOOD, client_id="mobile", client_secret="x")


@pytest.mark.parametrize(
    ("authorization", "params"),
    [
        (GOOD, {"client_secret": "the secret"}),
        (GOOD, {"client_assertion": "x", "client_assertion_type": ASSERTION_TYPE}),
        (GOOD, {"client_assertion_type": ASSERTION_TYPE}),
        ("", {"client_assertion": "x", "client_secret": "the secret"}),
    ],
)
def test_authlib_trap_09_two_methods_in_one_request_are_refused(scene, authorization, params):
    with pytest.raises(InvalidRequestError):
        scene.authenticate(authorization, client_id="cotisations", **params)


@pytest.mark.parametrize(
    ("client_id", "params"),
    [
        ("cotisations", {"client_secret": "the secret"}),
        ("cotisations", {}),
        ("cotisations", {"client_assertion": "x", "client_assertion_type": ASSERTION_TYPE}),
        ("mobile", {"client_secret": "the secret"}),
    ],
)
def test_authlib_trap_10_a_client_proves_itself_by_its_registered_method_and_no_other(
    scene, client_id, params
):
    scene.refused(client_id=client_id, **params)


def test_authlib_trap_05_a_secret_for_a_client_without_one_is_refused_in_peace(scene):
    scene.refused(basic("mobile:anything"))
    scene.refused(client_id="mobile", client_secret="anything")


def test_a_confidential_client_whose_secrets_are_all_gone_cannot_come_in():
    scene = Scene(client(secret_hashes=()))

    for secret in ("", "the+secret"):
        scene.refused(basic(f"cotisations:{secret}"))


@pytest.mark.parametrize(
    "authorization",
    [
        basic("cotisations:sécret"),
        basic("cotisations:\N{GRINNING FACE}"),
        basic("cotisations:%FF%00"),
        basic(b"cotisations:\xff\xfe"),
        basic(b"\xff:the secret"),
        basic("cotisations"),
        basic(""),
        "Basic",
        "Basic ",
        "Basic é",
        "Basic !!!!",
        "Basic \ud800",
        "Basic " + "A" * (CREDENTIALS_LIMIT + 1),
        "Bearer abc",
        "Basic\t" + GOOD.partition(" ")[2],
        " ",
    ],
    ids=ascii,
)
def test_authlib_trap_05_credentials_that_cannot_be_read_are_refused_like_wrong_ones(
    scene, authorization
):
    scene.refused(authorization)


@given(
    authorization=st.text(max_size=40)
    | st.binary(max_size=40).map(basic)
    | st.text(st.characters(), max_size=20).map(lambda text: f"Basic {text}"),
    params=st.lists(
        st.tuples(
            st.sampled_from(
                ["client_id", "client_secret", "client_assertion", "client_assertion_type"]
            ),
            st.text(st.characters(), max_size=12) | st.sampled_from(["cotisations", "mobile"]),
        ),
        max_size=4,
    ),
)
def test_authlib_trap_05_whatever_is_sent_the_answer_is_a_client_or_a_refusal(
    authorization, params
):
    scene = Scene(limit=10**9)
    try:
        status, found = 200, scene.authenticate(authorization, also=params)
    except OAuth2Error as refusal:
        (status, _, _), found = refusal(), None

    assert (status, found) in [(200, PUBLIC), (400, None), (401, None)]


def test_wrong_assertions_are_counted_by_network_and_then_held(scene):
    for _ in range(60):
        scene.refused(**signed(aud="https://other.example"))

    with pytest.raises(TooManyClientFailures):
        scene.authenticate(**signed())
    assert scene.authenticate(**signed(), network="192.0.2.2") == SIGNING


def test_without_counters_no_assertion_is_looked_at(scene):
    scene.failures.away = True

    with pytest.raises(StoreUnavailable):
        scene.authenticate(**signed())


def test_wrong_credentials_are_counted_by_network_and_then_held(scene):
    for _ in range(60):
        scene.refused(basic("cotisations:wrong"))

    with pytest.raises(TooManyClientFailures):
        scene.authenticate(GOOD)
    assert scene.authenticate(GOOD, network="192.0.2.2") == client()


def test_made_up_names_are_counted_and_held_too(scene):
    for n in range(60):
        scene.refused(client_id=f"guess-{n}")

    with pytest.raises(TooManyClientFailures):
        scene.authenticate(client_id="guess-61")


def test_a_public_client_is_not_shut_out_by_its_neighbours_failures(scene):
    for _ in range(60):
        scene.refused(basic("cotisations:wrong"))

    assert scene.authenticate(client_id="mobile") == PUBLIC


def test_success_and_ambiguity_are_not_counted(scene):
    scene.authenticate(GOOD)
    scene.authenticate(client_id="mobile")
    with pytest.raises(InvalidRequestError):
        scene.authenticate(GOOD, client_id="mobile")

    assert scene.counted == 0


def test_without_counters_no_secret_is_tried(scene):
    scene.failures.away = True

    with pytest.raises(StoreUnavailable):
        scene.authenticate(GOOD)


def test_a_secret_is_never_seen_in_a_repr():
    shown = repr(Presented("client_secret_basic", "cotisations", "the secret"))

    assert shown == "Presented(client_secret_basic, 'cotisations')"
    assert "secret_hashes" not in repr(client())
