"""Access tokens for services themselves and for APIs, without HTTP."""

import re
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp import StoreUnavailable
from idp.audit import Actor
from idp.oidc.access_tokens import InvalidAccessToken
from idp.oidc.tokens import ACCESS_TOKEN_TYPE
from idp.oidc.userinfo import InsufficientScope
from tests.fakes import client
from tests.unit.oidc.test_provider import HERE
from tests.unit.oidc.test_provider import ISSUER
from tests.unit.oidc.test_provider import Scene

API = "https://api.example/paiements"
OTHER_API = "urn:example:droits"
BATCH = client(
    client_id="batch",
    redirect_uris=(),
    response_types=(),
    grant_types=("client_credentials",),
    scope=frozenset({"paiements:lire", "paiements:ecrire"}),
    allowed_resources=(API,),
)
SEVERAL = client(
    client_id="plusieurs",
    grant_types=("authorization_code", "client_credentials"),
    scope=frozenset({"openid", "paiements:lire"}),
    allowed_resources=(API, OTHER_API),
)
PLAIN = client(client_id="simple", grant_types=("client_credentials",), scope=frozenset())
PUBLIC = client(
    client_id="publique",
    token_endpoint_auth_method="none",
    grant_types=("client_credentials",),
    secret_hashes=(),
)
THE_API = client(client_id="api", grant_types=(), resource_identifiers=(API,))
EVERYTHING = client(client_id="avide", grant_types=(), resource_identifiers=(ISSUER,))


class Machines(Scene):
    """A provider with services that ask for themselves, and APIs."""

    def __init__(self):
        super().__init__(BATCH, SEVERAL, PLAIN, PUBLIC, THE_API, EVERYTHING)

    def ask_for_itself(self, name="batch", *also, **form):
        pairs = {"grant_type": "client_credentials", **form}
        return self.provider.answer_token_request([*pairs.items(), *also], **self.proof(name))

    def proof(self, name):
        return {
            "authorization": f"Basic {b64encode(f'{name}:the secret'.encode()).decode()}",
            "network": HERE,
            "actor": Actor(),
        }

    def token(self, name="batch", *also, **form):
        answer = self.ask_for_itself(name, *also, **form)
        assert answer.status == 200, answer
        return answer.body["access_token"]

    def error(self, name="batch", *also, **form):
        answer = self.ask_for_itself(name, *also, **form)
        assert answer.status == 400
        return answer.body["error"]

    def claims(self, token):
        return self.tokens.read(token, typ=ACCESS_TOKEN_TYPE)

    def introspected(self, token, name):
        answer = self.provider.answer_introspection([("token", token)], **self.proof(name))
        assert answer.status == 200
        return answer.body


@pytest.fixture
def scene():
    return Machines()


def test_a_service_is_given_a_token_that_speaks_of_nobody_else(scene):
    answer = scene.ask_for_itself()

    assert (answer.status, answer.to_confirm) == (200, "")
    assert set(answer.body) == {"access_token", "token_type", "expires_in", "scope"}
    assert answer.body["expires_in"] == 300
    assert answer.body["scope"] == "paiements:ecrire paiements:lire"
    claims = scene.claims(answer.body["access_token"])
    assert set(claims) == {"iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti"}
    assert claims["sub"] == claims["client_id"] == "batch"
    assert (claims["aud"], claims["exp"] - claims["iat"]) == (API, 300)


def test_a_scope_is_narrowed_on_demand_and_never_widened(scene):
    assert scene.ask_for_itself(scope="paiements:lire").body["scope"] == "paiements:lire"

    for scope in ("paiements:tout", "openid", "paiements:lire openid", "é"):
        assert scene.error(scope=scope) == "invalid_scope"
    assert scene.error("plusieurs", scope="openid", resource=API) == "invalid_scope"


def test_a_service_of_one_api_need_not_name_it_and_one_of_several_must(scene):
    assert scene.claims(scene.token(resource=API))["aud"] == API
    assert scene.error(resource=OTHER_API) == "invalid_target"
    assert scene.error("plusieurs") == "invalid_target"
    assert scene.claims(scene.token("plusieurs", resource=OTHER_API))["aud"] == OTHER_API
    both = scene.token("plusieurs", ("resource", API), ("resource", OTHER_API))
    assert scene.claims(both)["aud"] == [API, OTHER_API]


def test_a_service_of_no_api_and_no_scope_gets_a_token_for_nothing_but_itself(scene):
    answer = scene.ask_for_itself("simple")

    assert "scope" not in answer.body
    claims = scene.claims(answer.body["access_token"])
    assert claims["aud"] == ISSUER
    assert "scope" not in claims
    with pytest.raises(InsufficientScope):
        scene.userinfo.tell(answer.body["access_token"])


_WORDS = st.one_of(
    st.text(max_size=30), st.sampled_from(["paiements:lire", "openid", API, OTHER_API, " ", ""])
)


@given(scope=_WORDS, resources=st.lists(_WORDS, max_size=10))
def test_whatever_a_machine_asks_it_is_refused_or_gets_what_is_registered(scope, resources):
    scene = Machines()

    answer = scene.ask_for_itself(
        "plusieurs", *(("resource", name) for name in resources), scope=scope
    )

    if answer.status == 200:
        claims = scene.claims(answer.body["access_token"])
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        assert set(audiences) <= {API, OTHER_API}
        assert claims["scope"] == "paiements:lire"
    else:
        assert answer.status == 400
        assert answer.body["error"] in ("invalid_scope", "invalid_target")
        assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*", answer.body["error_description"])


@pytest.mark.parametrize("name", ["cotisations", "retraite", "api"])
def test_a_service_that_is_not_registered_for_it_is_told_so(scene, name):
    assert scene.error(name) == "unauthorized_client"


def test_a_public_service_never_asks_for_itself_whatever_its_registration_says(scene):
    answer = scene.provider.answer_token_request(
        [("grant_type", "client_credentials"), ("client_id", "publique")],
        authorization="",
        network=HERE,
        actor=Actor(),
    )

    assert (answer.status, answer.body["error"]) == (400, "unauthorized_client")


def test_no_other_parameter_than_resource_comes_twice(scene):
    assert scene.error("batch", ("scope", "a:b"), ("scope", "a:b")) == "invalid_request"
    assert scene.claims(scene.token("batch", ("resource", API), ("resource", API)))["aud"] == API


def test_a_token_for_an_api_opens_no_userinfo(scene):
    with pytest.raises(InvalidAccessToken, match="another audience"):
        scene.userinfo.tell(scene.token())


def test_introspection_tells_the_service_and_its_api_and_nobody_else(scene):
    token = scene.token()

    for name in ("batch", "api"):
        told = scene.introspected(token, name)
        assert (told["active"], told["sub"], told["aud"]) == (True, "batch", API)
        assert set(told) == {"active", "token_type", *scene.claims(token)}
    for name in ("cotisations", "plusieurs", "avide"):
        assert scene.introspected(token, name) == {"active": False}


def test_an_api_that_calls_itself_like_the_issuer_sees_no_token_of_a_member(scene):
    token = scene.ask().body["access_token"]

    assert scene.introspected(token, "cotisations")["active"] is True
    for name in ("avide", "api"):
        assert scene.introspected(token, name) == {"active": False}


def test_a_token_ends_at_its_last_second(scene):
    token = scene.token()

    scene.clock.advance(scene.tokens.access_token_lifetime)

    assert scene.introspected(token, "api") == {"active": False}


def test_a_revoked_token_is_dead_and_the_next_one_lives(scene):
    token, other = scene.token(), scene.token()

    stranger = scene.provider.answer_revocation([("token", token)], **scene.proof("api"))
    assert (stranger.status, scene.introspected(token, "api")["active"]) == (200, True)
    scene.provider.answer_revocation([("token", token)], **scene.proof("batch"))

    assert scene.introspected(token, "api") == {"active": False}
    assert scene.introspected(other, "api")["active"] is True


@pytest.mark.parametrize("changes", [{"grant_types": ()}, None])
def test_a_token_dies_with_the_registration_of_its_service(scene, changes):
    token = scene.token()

    if changes is None:
        scene.clients.remove("batch")
    else:
        scene.clients.add(client(client_id="batch", **changes))

    assert scene.introspected(token, "api") == {"active": False}


def test_a_store_that_forgot_ends_tokens_and_one_that_is_away_gives_no_verdict(scene):
    token = scene.token()

    scene.service_grants.away = True
    with pytest.raises(StoreUnavailable):
        scene.introspected(token, "api")
    with pytest.raises(StoreUnavailable):
        scene.token()
    scene.service_grants.away = False
    scene.service_grants.forget_all()

    assert scene.introspected(token, "api") == {"active": False}


class TestResourcesOfAMember:
    """A member's sign-in for APIs: what was granted, and what one token is for."""

    @pytest.fixture
    def scene(self):
        scene = Machines()
        scene.clients.add(client(allowed_resources=(API, OTHER_API, ISSUER)))
        return scene

    def redeem(self, scene, resources, *named):
        scene.issue("code", resources=resources)
        return scene.ask(code="code", also=[("resource", name) for name in named])

    def aud(self, scene, resources, *named):
        answer = self.redeem(scene, resources, *named)
        assert answer.status == 200, answer
        return scene.claims(answer.body["access_token"])["aud"]

    def test_the_token_is_for_all_that_was_granted_or_for_what_the_request_names(self, scene):
        assert self.aud(scene, ()) == ISSUER
        assert self.aud(scene, (API,)) == API
        assert self.aud(scene, (API, OTHER_API)) == [API, OTHER_API]
        assert self.aud(scene, (API, OTHER_API), OTHER_API) == OTHER_API

    @pytest.mark.parametrize("resources", [(), (OTHER_API,)])
    def test_what_was_not_granted_is_an_invalid_target_though_registered(self, scene, resources):
        answer = self.redeem(scene, resources, API)

        assert (answer.status, answer.body["error"]) == (400, "invalid_target")

    def test_what_is_no_more_allowed_is_left_out_and_never_becomes_userinfo(self, scene):
        scene.clients.add(client(allowed_resources=(API,)))

        assert self.aud(scene, (API, OTHER_API)) == API
        refusal = self.redeem(scene, (OTHER_API,))
        assert (refusal.status, refusal.body["error"]) == (400, "invalid_target")

    def test_userinfo_takes_a_token_that_names_it_among_others_and_no_other(self, scene):
        for_both = self.redeem(scene, (ISSUER, API)).body["access_token"]
        for_api = self.redeem(scene, (ISSUER, API), API).body["access_token"]

        assert scene.userinfo.tell(for_both).claims["qualite"] == "affilie"
        with pytest.raises(InvalidAccessToken, match="another audience"):
            scene.userinfo.tell(for_api)

    def test_an_api_reads_the_sub_of_the_service_that_calls_it(self, scene):
        answer = self.redeem(scene, (API,))
        id_token = scene.tokens.read(answer.body["id_token"], typ="JWT")

        told = scene.introspected(answer.body["access_token"], "api")

        assert (told["sub"], told["client_id"]) == (id_token["sub"], "cotisations")
        assert told["qualite"] == "affilie"
