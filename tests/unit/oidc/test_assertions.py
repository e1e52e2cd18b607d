import base64
import hmac
import json
import sys
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp import StoreUnavailable
from idp.oidc.assertions import ASSERTION_LIMIT
from idp.oidc.assertions import LEEWAY
from idp.oidc.assertions import LONGEST_LIFE
from idp.oidc.assertions import Assertions
from idp.oidc.assertions import WrongAssertion
from idp.oidc.assertions import read_assertion
from idp.oidc.service_keys import read_service_keys
from tests.fakes import MemoryOnce
from tests.fakes import client
from tests.instance import NOON
from tests.instance import Clock
from tests.service_signer import ServiceSigner

ISSUER = "https://idp.example"
TOKEN_ENDPOINT = f"{ISSUER}/token"
SECOND = timedelta(seconds=1)
SIGNER = ServiceSigner()


class Published:
    """The port ``FetchedKeys``: what services publish, and what was last seen of it."""

    def __init__(self, *keys):
        self.seen = read_service_keys({"keys": [key.jwk() for key in keys]})
        self.newer = ()
        self.looks = 0

    def keys(self, client):
        return self.seen

    def look_again(self, client, tried):
        assert tried == self.seen
        self.looks += 1
        return self.newer


class Scene:
    def __init__(self, fetched=None, **metadata):
        self.clock = Clock()
        self.once = MemoryOnce(now=self.clock)
        self.fetched = fetched or Published()
        self.client = by_key(**metadata)
        self.assertions = Assertions(
            issuer=ISSUER,
            token_endpoint=TOKEN_ENDPOINT,
            fetched=self.fetched,
            once=self.once,
            now=self.clock,
        )

    def check(self, text, client=None):
        self.assertions.check(read_assertion(text), client or self.client)

    def accepts(self, signer=SIGNER, **changes):
        self.check(self.written(signer, **changes))

    def refused(self, text, client=None):
        with pytest.raises(WrongAssertion) as refusal:
            self.check(text, client)
        return str(refusal.value)

    def refuses(self, signer=SIGNER, **changes):
        return self.refused(self.written(signer, **changes))

    def written(self, signer=SIGNER, **changes):
        return signer.assertion(self.clock(), **{"audience": ISSUER, **renamed(changes)})

    def at(self, delta):
        return int((NOON + delta).timestamp())


def renamed(changes):
    return {"audience" if name == "aud" else name: value for name, value in changes.items()}


def by_key(**metadata):
    if "jwks_uri" not in metadata:
        metadata.setdefault("jwks", SIGNER.jwks())
    return client(token_endpoint_auth_method="private_key_jwt", secret_hashes=(), **metadata)


def encoded(value):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


@pytest.fixture
def scene():
    return Scene()


class TestAccepted:
    @pytest.mark.parametrize("alg", ["ES256", "PS256", "RS256"])
    def test_an_assertion_signed_with_the_registered_key(self, alg):
        signer = ServiceSigner(alg=alg)

        Scene(jwks=signer.jwks()).accepts(signer)

    @pytest.mark.parametrize("typ", [..., "JWT", "client-authentication+jwt", "whatever"])
    def test_whatever_type_its_header_says(self, scene, typ):
        scene.check(SIGNER.sign(SIGNER.claims(NOON, ISSUER), typ=typ))

    def test_a_header_with_certificates_as_some_libraries_send_it(self, scene):
        header = {"x5t": "abc", "x5t#S256": "abc", "x5c": ["A" * 900], "own": {"a": 1}}

        scene.check(SIGNER.sign(SIGNER.claims(NOON, ISSUER), **header))

    @pytest.mark.parametrize(
        "audience", [ISSUER, TOKEN_ENDPOINT, [ISSUER], [TOKEN_ENDPOINT, ISSUER]]
    )
    def test_d1_x1_the_issuer_or_the_token_endpoint_as_text_or_list(self, scene, audience):
        scene.accepts(aud=audience)

    def test_x1_f22_a_strict_service_names_the_issuer_alone(self):
        scene = Scene(require_issuer_aud=True)

        scene.accepts(aud=ISSUER)
        for audience in (TOKEN_ENDPOINT, [ISSUER], [ISSUER, TOKEN_ENDPOINT], ...):
            assert "aud: expected the issuer, alone" in scene.refuses(aud=audience)

    def test_f21_a_clock_that_goes_eight_seconds_ahead(self, scene):
        ahead = scene.at(timedelta(seconds=8))

        scene.accepts(nbf=ahead, iat=ahead)

    def test_an_assertion_without_iat_and_with_fractions_of_seconds(self, scene):
        scene.accepts(iat=..., exp=scene.at(SECOND) + 0.5)

    def test_without_kid_each_key_of_the_set_is_tried(self):
        other, signer = ServiceSigner(kid="k0", number=1), ServiceSigner(kid=None)
        keys = json.dumps({"keys": [other.jwk(), SIGNER.jwk()]})

        Scene(jwks=keys).accepts(signer)

    def test_c11_a_key_registered_without_kid_fits_any(self):
        Scene(jwks=SIGNER.jwks(kid=...)).accepts(ServiceSigner(kid="of its own"))

    def test_the_same_jti_of_another_service_is_another_assertion(self, scene):
        other = by_key(client_id="other")

        scene.check(scene.written(jti="one"))
        scene.check(scene.written(ServiceSigner("other"), jti="one"), other)


class TestTimes:
    def test_it_lives_until_its_exp_and_not_at_it(self, scene):
        scene.accepts(exp=scene.at(SECOND))
        assert scene.refuses(exp=scene.at(timedelta(0))) == "exp: missing, or past"

    def test_f21_an_expired_assertion(self, scene):
        assert "past" in scene.refuses(exp=scene.at(-timedelta(minutes=5)))

    def test_authlib_trap_09_an_assertion_for_years(self, scene):
        scene.accepts(exp=scene.at(LONGEST_LIFE + LEEWAY))
        assert "exp: more than" in scene.refuses(exp=scene.at(LONGEST_LIFE + LEEWAY + SECOND))
        assert "exp: more than" in scene.refuses(exp=scene.at(timedelta(days=3652)))

    @pytest.mark.parametrize("name", ["nbf", "iat"])
    def test_f21_an_assertion_from_the_future(self, scene, name):
        scene.accepts(**{name: scene.at(LEEWAY)})
        assert scene.refuses(**{name: scene.at(LEEWAY + SECOND)}) == f"{name}: in the future"

    @pytest.mark.parametrize(
        "value", ["soon", None, True, [1], -1, 10**30, 1e308, float("nan"), float("inf")]
    )
    @pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
    def test_an_instant_that_is_none(self, scene, name, value):
        assert scene.refuses(**{name: value}).startswith(f"{name}: expected a number")


class TestAttacks:
    def test_an_assertion_replayed(self, scene):
        text = scene.written()
        scene.check(text)

        assert scene.refused(text) == "jti: this assertion was used before"

    def test_an_assertion_replayed_in_the_last_instant_of_its_life(self, scene):
        text = scene.written(exp=scene.at(SECOND))
        scene.check(text)

        scene.clock.advance(timedelta(milliseconds=999))

        assert scene.refused(text) == "jti: this assertion was used before"

    def test_a_replay_with_another_signature_of_the_same_claims(self, scene):
        claims = SIGNER.claims(NOON, ISSUER)
        scene.check(SIGNER.sign(claims))

        assert "used before" in scene.refused(SIGNER.sign(claims))

    @pytest.mark.parametrize("jti", [..., "", 7, None, ["a"]])
    def test_an_assertion_that_could_be_replayed_for_want_of_a_jti(self, scene, jti):
        assert scene.refuses(jti=jti) == "jti: expected a text"

    def test_a_refused_assertion_does_not_use_up_its_jti(self, scene):
        scene.refuses(jti="one", aud="https://other.example")

        scene.accepts(jti="one")

    def test_a_stranger_cannot_use_up_the_jti_of_a_service(self, scene):
        stranger = ServiceSigner(number=1)
        scene.refuses(stranger, jti="one")

        scene.accepts(jti="one")

    @pytest.mark.parametrize(
        "audience",
        [
            "https://other.example",
            [ISSUER, "https://other.example/token"],
            ["https://other.example/token", TOKEN_ENDPOINT],
            f"{ISSUER}/",
            f"{ISSUER}/authorize",
            "",
            [],
            [[ISSUER]],
            {"a": ISSUER},
            7,
            None,
            ...,
        ],
    )
    def test_authlib_trap_09_an_assertion_for_another_server(self, scene, audience):
        assert scene.refuses(aud=audience).startswith("aud: expected the issuer, or the token")

    def test_another_clients_assertion(self, scene):
        # Signed by the service "other" with its own key, in the name of this one.
        thief = ServiceSigner("cotisations", number=1)

        assert scene.refuses(thief).startswith("signature")

    @pytest.mark.parametrize("iss", ["other", "", ..., None, ["cotisations"]])
    def test_an_assertion_issued_by_somebody_else(self, scene, iss):
        assert scene.refuses(iss=iss) == "iss: expected the client_id"

    def test_an_assertion_of_another_client_is_not_this_ones(self, scene):
        other = by_key(client_id="other")

        assert scene.refused(scene.written(iss="other"), other) == "sub: expected the client_id"

    @pytest.mark.parametrize("sub", ["", ..., None, 7])
    def test_f21_an_assertion_of_nobody(self, scene, sub):
        assert scene.refuses(sub=sub) == "sub: expected the client_id"

    @pytest.mark.parametrize("alg", ["none", "None", "HS256", "RS1", "ES384", "EdDSA", "", 7, None])
    def test_alg_none_and_others_that_nobody_may_use(self, scene, alg):
        header = encoded({"alg": alg, "kid": "k1"})
        forged = f"{header}.{encoded(SIGNER.claims(NOON, ISSUER))}."

        assert scene.refused(forged).startswith("alg: expected ES256 or PS256 or RS256")

    @pytest.mark.parametrize("alg", ["ES256", "RS256"])
    def test_hs256_with_the_public_key_as_its_secret(self, alg):
        signer = ServiceSigner(alg=alg)
        public = signer.key.as_pem(private=False)
        claims = encoded(signer.claims(NOON, ISSUER))
        for named in ("HS256", alg):
            signed = f"{encoded({'alg': named, 'kid': 'k1'})}.{claims}"
            mac = hmac.digest(public, signed.encode(), "sha256")
            told = Scene(jwks=signer.jwks()).refused(f"{signed}.{encoded(mac)}")
            assert told.partition(":")[0] in ("alg", "signature")

    def test_kid_confusion_a_key_of_another_kind_under_the_same_kid(self):
        rsa = ServiceSigner(alg="RS256")
        both = json.dumps({"keys": [rsa.jwk(), SIGNER.jwk()]})

        Scene(jwks=both).accepts(SIGNER)
        Scene(jwks=both).accepts(rsa)
        relabelled = rsa.sign(rsa.claims(NOON, ISSUER)).split(".")
        relabelled[0] = encoded({"alg": "ES256", "kid": "k1"})
        assert Scene(jwks=both).refused(".".join(relabelled)).startswith("signature")

    @pytest.mark.parametrize("kid", ["k2", "../k1", "k1 ", "\x00", "https://evil.example/k1"])
    def test_kid_confusion_a_kid_that_is_not_registered(self, scene, kid):
        assert scene.refuses(ServiceSigner(kid=kid)).startswith("signature")

    @pytest.mark.parametrize("kid", [7, ["k1"], {"a": 1}])
    def test_a_kid_that_is_no_text(self, scene, kid):
        header = encoded({"alg": "ES256", "kid": kid})
        assert scene.refused(f"{header}.{encoded({'sub': 'cotisations'})}.AA").startswith("kid")

    def test_a_key_with_use_enc_verifies_nothing(self):
        both = json.dumps({"keys": [SIGNER.jwk(use="enc"), ServiceSigner(number=1).jwk()]})

        assert Scene(jwks=both).refuses().startswith("signature")

    def test_the_one_algorithm_that_is_registered_and_no_other(self):
        rsa = ServiceSigner(alg="RS256")
        scene = Scene(jwks=rsa.jwks(), token_endpoint_auth_signing_alg="PS256")

        assert scene.refuses(rsa) == "alg: PS256 is registered"
        scene.accepts(ServiceSigner(alg="PS256"))

    def test_a_key_that_names_its_algorithm_verifies_no_other(self):
        scene = Scene(jwks=ServiceSigner(alg="RS256").jwks(alg="PS256"))

        assert scene.refuses(ServiceSigner(alg="RS256")).startswith("signature")

    def test_a_key_in_the_header_is_not_believed(self, scene):
        thief = ServiceSigner(number=1)
        for header in (
            {"jwk": thief.jwk()},
            {"jku": "https://evil.example/jwks"},
            {"x5u": "https://evil.example/x"},
        ):
            text = thief.sign(thief.claims(NOON, ISSUER), **header)
            assert scene.refused(text).startswith("signature")

    @pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"crit": 7}, {"b64": False}])
    def test_an_extension_that_would_change_what_is_signed(self, scene, header):
        members = {"alg": "ES256", "kid": "k1", **header}
        text = f"{encoded(members)}.{encoded(SIGNER.claims(NOON, ISSUER))}.AA"

        assert scene.refused(text).startswith("crit")

    @pytest.mark.parametrize("part", [0, 1, 2])
    def test_a_changed_part_breaks_the_signature(self, scene, part):
        parts = scene.written().split(".")
        changed = [
            {"alg": "ES256", "kid": "k1", "x": 1},
            SIGNER.claims(NOON, ISSUER, jti="other"),
            b"\x00" * 64,
        ]
        parts[part] = encoded(changed[part])

        assert scene.refused(".".join(parts)).startswith("signature")

    def test_authlib_trap_09_without_the_store_no_assertion_is_taken(self, scene):
        scene.once.away = True

        with pytest.raises(StoreUnavailable):
            scene.accepts()


class TestUnreadable:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            ".",
            "..",
            "a.b",
            "a.b.c.d",
            "é.é.é",
            "\ud800.\ud800.\ud800",
            f"{encoded([])}.{encoded({})}.AA",
            f"{encoded({'alg': 'ES256'})}.{encoded([1])}.AA",
            f"{encoded(b'{')}.{encoded({})}.AA",
            f"{encoded(b'[' * 3000)}.{encoded({})}.AA",
            "A" * ASSERTION_LIMIT + "..",
        ],
        ids=range(12),
    )
    def test_what_is_no_jwt_is_refused(self, text):
        with pytest.raises(WrongAssertion):
            read_assertion(text)

    @pytest.mark.parametrize("signature", ["", "A", "é", "\ud800", "AA" * 2000, "AA==", "!"])
    def test_a_signature_that_is_none(self, scene, signature):
        text = scene.written().rpartition(".")[0]

        assert scene.refused(f"{text}.{signature}").startswith("signature")

    def test_a_header_nested_as_deep_as_can_be_read_breaks_nothing(self, scene):
        claims = encoded(SIGNER.claims(NOON, ISSUER))
        for depth in range(0, sys.getrecursionlimit(), 7):
            nested = '{"alg":"ES256","kid":"k1","x":' + "[" * depth + "]" * depth + "}"
            scene.refused(f"{encoded(nested.encode())}.{claims}.AA")

    def test_a_refusal_never_quotes_what_was_sent(self, scene):
        for text in (scene.written(aud="https://secret.example"), scene.written()[:-4]):
            told = scene.refused(text)
            assert "secret.example" not in told
            assert text[-20:] not in told

    @given(st.text(max_size=60) | st.lists(st.text("ab.e30_-", max_size=9)).map(".".join))
    def test_whatever_is_sent_it_is_read_or_refused(self, text):
        try:
            found = read_assertion(text).alg
        except WrongAssertion:
            found = None

        assert found in (None, "ES256", "PS256", "RS256")

    def test_it_is_not_shown_in_a_repr(self, scene):
        text = scene.written()

        assert text not in repr(read_assertion(text))


class TestPublishedKeys:
    URI = "https://cotisations.example/jwks"

    def test_the_published_key_is_found(self):
        scene = Scene(Published(SIGNER), jwks_uri=self.URI)

        scene.accepts()

        assert scene.fetched.looks == 0

    def test_d15_an_unknown_kid_leads_to_another_look(self):
        renewed = ServiceSigner(kid="k2", number=1)
        scene = Scene(Published(SIGNER), jwks_uri=self.URI)
        scene.fetched.newer = read_service_keys({"keys": [renewed.jwk()]})

        scene.accepts(renewed)

        assert scene.fetched.looks == 1

    def test_a_key_replaced_under_its_kid_is_found_too(self):
        renewed = ServiceSigner(number=1)
        scene = Scene(Published(SIGNER), jwks_uri=self.URI)
        scene.fetched.newer = read_service_keys({"keys": [renewed.jwk()]})

        scene.accepts(renewed)

    def test_a_key_that_is_not_there_after_another_look_either(self):
        scene = Scene(Published(SIGNER), jwks_uri=self.URI)

        assert scene.refuses(ServiceSigner(kid="k2", number=1)).startswith("signature")
        assert scene.fetched.looks == 1

    def test_a_service_without_any_key_proves_nothing(self):
        assert Scene(jwks="").refuses() == "no key is registered"
