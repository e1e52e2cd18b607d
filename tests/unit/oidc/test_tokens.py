import hashlib
import hmac
import json
import logging
import time
from base64 import urlsafe_b64decode
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization import PublicFormat
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import assume
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc import jwt
from joserfc.jwk import ECKey

from idp.oidc.claims import sid_of
from idp.oidc.claims import sub_of
from idp.oidc.keys import KeyRing
from idp.oidc.keys import NoSigningKey
from idp.oidc.keys import read_key
from idp.oidc.tokens import ACCESS_TOKEN_TYPE
from idp.oidc.tokens import ID_TOKEN_TYPE
from idp.oidc.tokens import TOKEN_LIMIT
from idp.oidc.tokens import Tokens
from idp.oidc.tokens import UnreadableToken
from tests.fakes import MemoryKeyRings
from tests.fakes import authorization
from tests.fakes import client
from tests.fakes import private_key
from tests.fakes import signing_key
from tests.fakes import subject
from tests.instance import NOON
from tests.instance import Clock

ISSUER = "https://idp.example"
SALT = b"s" * 32
HOUR = timedelta(hours=1)
BEFORE = NOON - 24 * HOUR


@cache
def key(alg="ES256", number=0, signs_from=BEFORE):
    return read_key(signing_key(alg, number), alg=alg, signs_from=signs_from)


def ring(*keys):
    keys = keys or (key(), key("RS256"))
    return KeyRing(keys, longest_token=HOUR, longest_hint=24 * HOUR)


def mint(*keys, clock=None, issuer=ISSUER):
    return Tokens(
        issuer=issuer,
        rings=MemoryKeyRings(ring(*keys)),
        pairwise_salt=SALT,
        access_token_lifetime=timedelta(minutes=5),
        id_token_lifetime=timedelta(minutes=10),
        now=clock or Clock(),
    )


def parts(token):
    """Header and claims of a token, as anybody reads them."""
    return [json.loads(decoded(part)) for part in token.split(".")[:2]]


def decoded(text):
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encoded(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def id_token(tokens=None, registered=None, **changes):
    return (tokens or mint()).id_token(authorization(**changes), subject(), registered or client())


def access_token(tokens=None, registered=None, **changes):
    made = (tokens or mint()).access_token(
        authorization(**changes), subject(), registered or client(), "grant"
    )
    return made.jwt


def forged(header, claims, private):
    """A token signed by whoever has this key, whatever its header says."""
    signing_input = f"{encoded(header)}.{encoded(claims)}"
    return f"{signing_input}.{encoded(private(signing_input.encode()))}"


def jwt_by_us(header, payload):
    """A token that our key signed over any payload."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return jws.serialize_compact(
        header, raw, private_key(signing_key("ES256")), algorithms=["ES256"]
    )


SIGNED = id_token()


class TestIdToken:
    def test_it_says_who_for_whom_when_and_how(self):
        header, claims = parts(id_token(nonce="n-0S6"))

        assert header == {"typ": "JWT", "alg": "ES256", "kid": key().kid}
        assert claims == {
            "iss": ISSUER,
            "sub": sub_of("account", client(), SALT),
            "aud": "cotisations",
            "iat": int(NOON.timestamp()),
            "exp": int(NOON.timestamp()) + 600,
            "auth_time": int(NOON.timestamp()),
            "nonce": "n-0S6",
            "acr": "urn:example:acr",
            "amr": ["pwd"],
            "sid": sid_of("session", client(), SALT),
            "qualite": "affilie",
        }

    def test_authlib_trap_02_auth_time_is_the_sign_in_not_the_code(self):
        _, claims = parts(id_token(auth_time=NOON - 3 * HOUR))

        assert claims["auth_time"] == int((NOON - 3 * HOUR).timestamp())
        assert claims["iat"] == int(NOON.timestamp())

    def test_a_nonce_that_was_not_sent_is_absent(self):
        assert "nonce" not in parts(id_token())[1]

    def test_without_the_scope_dossier_it_says_no_qualite(self):
        assert "qualite" not in parts(id_token(scope=("openid", "profile")))[1]

    def test_authlib_trap_07_its_audience_is_one_string(self):
        assert parts(id_token())[1]["aud"] == "cotisations"


class TestAccessToken:
    def test_it_is_a_jwt_of_rfc_9068(self):
        made = mint().access_token(authorization(), subject(), client(), "grant")
        header, claims = parts(made.jwt)

        assert header == {"typ": "at+jwt", "alg": "ES256", "kid": key().kid}
        assert claims["aud"] == claims["iss"] == ISSUER
        assert (claims["client_id"], claims["scope"]) == ("cotisations", "openid dossier")
        assert claims["jti"].startswith("grant.")
        assert claims["qualite"] == "affilie"
        assert {"sub", "auth_time", "acr", "amr", "sid"} < set(claims)

    def test_two_tokens_of_one_grant_have_names_of_their_own(self):
        assert parts(access_token())[1]["jti"] != parts(access_token())[1]["jti"]

    def test_authlib_trap_11_it_lives_five_minutes(self):
        made = mint().access_token(authorization(), subject(), client(), "grant")

        assert made.expires_in == 300
        assert parts(made.jwt)[1]["exp"] == int(NOON.timestamp()) + 300

    @pytest.mark.parametrize(("left", "lives"), [(timedelta(seconds=90), 90), (-HOUR, 1)])
    def test_it_does_not_outlive_its_session(self, left, lives):
        made = mint().access_token(
            authorization(session_ends_at=NOON + left), subject(), client(), "grant"
        )

        assert made.expires_in == lives
        assert parts(made.jwt)[1]["exp"] == int(NOON.timestamp()) + lives


class TestWhatAPersonCannotSay:
    @pytest.mark.parametrize(
        ("make", "own"), [(id_token, ["nonce"]), (access_token, ["jti", "client_id", "scope"])]
    )
    def test_authlib_trap_04_no_claim_of_the_person_takes_the_place_of_a_registered_one(
        self, make, own, monkeypatch
    ):
        registered = ["iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid", *own]
        hostile = dict.fromkeys([*registered, "qualite"], "planted")
        for told in ("token_claims", "id_token_claims"):
            monkeypatch.setattr(f"idp.oidc.tokens.{told}", lambda *_asked: hostile)

        _, claims = parts(make(nonce="n"))

        assert [name for name, value in claims.items() if value == "planted"] == ["qualite"]

    @pytest.mark.parametrize("make", [id_token, access_token])
    def test_authlib_trap_04_every_token_names_issuer_person_audience_and_expiry(self, make):
        _, claims = parts(make())

        assert all(claims[name] for name in ("iss", "sub", "aud", "exp", "iat"))


class TestSigning:
    @pytest.mark.parametrize("alg", ["ES256", "RS256"])
    def test_each_client_gets_the_algorithm_it_registered(self, alg):
        registered = client(id_token_signed_response_alg=alg)

        header, _ = parts(id_token(registered=registered))
        assert (header["alg"], header["kid"]) == (alg, key(alg).kid)
        header, _ = parts(access_token(registered=registered))
        assert (header["alg"], header["kid"]) == (alg, key(alg).kid)

    def test_authlib_trap_01_neither_a_retired_nor_a_future_key_ever_signs(self):
        retired = key(number=1, signs_from=BEFORE - HOUR)
        current = key(number=2, signs_from=BEFORE)
        future = key(number=3, signs_from=NOON + HOUR)
        tokens = mint(future, retired, current)

        signers = {parts(make(tokens))[0]["kid"] for make in (id_token, access_token) * 20}

        assert signers == {current.kid}

    def test_authlib_trap_01_the_next_key_signs_from_its_instant(self):
        clock = Clock()
        current, following = key(number=1), key(number=2, signs_from=NOON + HOUR)
        tokens = mint(current, following, clock=clock)

        clock.advance(HOUR - timedelta(microseconds=1))
        assert parts(id_token(tokens))[0]["kid"] == current.kid
        clock.advance(timedelta(microseconds=1))
        assert parts(id_token(tokens))[0]["kid"] == following.kid

    def test_authlib_trap_22_a_token_is_signed_by_the_very_key_object_of_the_ring(self):
        tokens = mint(key("RS256"))
        registered = client(id_token_signed_response_alg="RS256")
        id_token(tokens, registered)

        started = time.process_time()
        for _ in range(3):
            id_token(tokens, registered)

        # Importing the key at each use would cost fifty milliseconds and more a token.
        assert (time.process_time() - started) / 3 < 0.03

    @pytest.mark.parametrize("alg", ["none", "HS256", "PS256", ""])
    def test_authlib_trap_14_an_algorithm_of_a_clients_own_choosing_never_signs(self, alg):
        with pytest.raises(NoSigningKey):
            id_token(registered=client(id_token_signed_response_alg=alg))

    def test_authlib_trap_12_no_token_is_ever_logged(self, caplog):
        caplog.set_level(logging.DEBUG)
        tokens = mint()

        made = [id_token(tokens), access_token(tokens)]
        for token, typ in zip(made, (ID_TOKEN_TYPE, ACCESS_TOKEN_TYPE), strict=True):
            tokens.read(token, typ=typ)
        with pytest.raises(UnreadableToken):
            tokens.read(made[0] + "A", typ=ID_TOKEN_TYPE)

        assert not any(token[:40] in caplog.text for token in made)

    def test_authlib_trap_21_the_strings_of_a_token_stay_strings(self):
        # joserfc 1.7.3 and 1.6.0 changed what sub, acr and amr may be.
        _, claims = parts(id_token(registered=client(subject_type="public"), account_id="7"))

        assert (claims["sub"], claims["acr"], claims["amr"]) == ("7", "urn:example:acr", ["pwd"])


class TestReading:
    @pytest.mark.parametrize("alg", ["ES256", "RS256"])
    def test_our_own_tokens_are_read(self, alg):
        tokens, registered = mint(), client(id_token_signed_response_alg=alg)

        read = tokens.read(id_token(tokens, registered), typ=ID_TOKEN_TYPE)
        assert read["aud"] == "cotisations"
        assert tokens.read(access_token(tokens, registered), typ=ACCESS_TOKEN_TYPE)["aud"] == ISSUER

    def test_an_expired_token_is_still_read_for_a_hint_may_be_old(self):
        clock = Clock()
        tokens = mint(clock=clock)
        token = id_token(tokens)

        clock.advance(24 * HOUR)

        assert tokens.read(token, typ=ID_TOKEN_TYPE)["sub"]

    def test_authlib_trap_07_a_token_is_read_after_its_key_has_left_the_jwks(self):
        clock = Clock()
        tokens = mint(key(number=1), key(number=2, signs_from=NOON + HOUR), clock=clock)
        token = id_token(tokens)

        clock.advance(24 * HOUR)

        assert key(number=1).kid not in [k.kid for k in tokens.rings.ring().published(now=clock())]
        assert tokens.read(token, typ=ID_TOKEN_TYPE)["sub"]

    def test_authlib_trap_13_an_id_token_is_not_an_access_token_nor_the_reverse(self):
        for token, other in (
            (id_token(), ACCESS_TOKEN_TYPE),
            (access_token(), ID_TOKEN_TYPE),
        ):
            with pytest.raises(UnreadableToken, match=f"typ is not {other}".replace("+", r"\+")):
                mint().read(token, typ=other)

    @pytest.mark.parametrize(
        "typ", [None, "", "at+JWT", "jwt", "application/at+jwt", 1, ["at+jwt"]]
    )
    def test_authlib_trap_13_a_token_without_its_exact_type_is_refused(self, typ):
        header = {"alg": "ES256", "kid": key().kid} | ({} if typ is None else {"typ": typ})
        token = jwt_by_us(header | {"typ": "at+jwt"}, {"iss": ISSUER})
        retyped = encoded(header) + token[token.index(".") :]

        with pytest.raises(UnreadableToken):
            mint().read(retyped, typ=ACCESS_TOKEN_TYPE)

    def test_a_token_of_another_issuer_under_our_key_is_refused(self):
        token = id_token(mint(issuer="https://other.example"))

        with pytest.raises(UnreadableToken, match=r"^iss$"):
            mint().read(token, typ=ID_TOKEN_TYPE)

    def test_a_token_under_a_key_that_is_not_ours_is_refused(self):
        with pytest.raises(UnreadableToken, match=r"^kid is unknown$"):
            mint().read(id_token(mint(key(number=7))), typ=ID_TOKEN_TYPE)

    def test_a_token_under_a_strangers_key_that_names_ours_is_refused(self):
        stranger = ECKey.generate_key("P-256")
        header = {"typ": "JWT", "alg": "ES256", "kid": key().kid}
        token = jwt.encode(header, {"iss": ISSUER}, stranger, algorithms=["ES256"])

        with pytest.raises(UnreadableToken, match=r"^signature$"):
            mint().read(token, typ=ID_TOKEN_TYPE)

    @pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None])
    def test_authlib_trap_14_a_token_that_nobody_signed_is_refused(self, alg):
        header = {"typ": "JWT", "alg": alg, "kid": key().kid}
        for signature in ("", "AAAA"):
            token = f"{encoded(header)}.{encoded({'iss': ISSUER})}.{signature}"
            with pytest.raises(UnreadableToken, match=r"^(alg|header)$"):
                mint().read(token, typ=ID_TOKEN_TYPE)

    @pytest.mark.parametrize("alg", ["ES256", "RS256"])
    def test_authlib_trap_14_a_public_key_is_not_an_hmac_secret(self, alg):
        public = load_pem_private_key(signing_key(alg), None).public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

        def sign(signing_input):
            return hmac.digest(pem, signing_input, hashlib.sha256)

        for claimed in ("HS256", alg):
            header = {"typ": "JWT", "alg": claimed, "kid": key(alg).kid}
            with pytest.raises(UnreadableToken):
                mint().read(forged(header, {"iss": ISSUER}, sign), typ=ID_TOKEN_TYPE)

    def test_a_key_of_the_other_algorithm_does_not_verify(self):
        header = {"typ": "JWT", "alg": "RS256", "kid": key("ES256").kid}
        token = f"{encoded(header)}.{encoded({'iss': ISSUER})}.{encoded(b'0' * 64)}"

        with pytest.raises(UnreadableToken, match=r"^kid is unknown$"):
            mint().read(token, typ=ID_TOKEN_TYPE)

    @pytest.mark.parametrize(
        "planted",
        [
            {"jwk": ECKey.generate_key("P-256").as_dict(private=False)},
            {"jku": "https://evil.example/jwks"},
            {"x5u": "https://evil.example/x"},
            {"crit": ["exp"]},
            {"crit": 1},
            {"crit": [[]]},
            {"crit": {"a": 1}},
            {"b64": False, "crit": ["b64"]},
            {"zip": "DEF"},
            {"kid": None},
            {"kid": ["x"]},
            {"alg": ["ES256"]},
        ],
        ids=lambda planted: "-".join(planted),
    )
    def test_authlib_trap_05_a_header_with_more_than_ours_is_refused_unread(self, planted):
        header = {"typ": "JWT", "alg": "ES256", "kid": key().kid} | planted
        token = f"{encoded(header)}.{encoded({'iss': ISSUER})}.{encoded(b'0' * 64)}"

        with pytest.raises(UnreadableToken):
            mint().read(token, typ=ID_TOKEN_TYPE)

    def test_a_changed_claim_is_refused(self):
        header, _, signature = id_token().split(".")
        token = f"{header}.{encoded({'iss': ISSUER, 'sub': 'somebody'})}.{signature}"

        with pytest.raises(UnreadableToken, match=r"^signature$"):
            mint().read(token, typ=ID_TOKEN_TYPE)

    @pytest.mark.parametrize("payload", [b"[]", b"null", b"{", b"\xff", b'"x"', b""])
    def test_a_payload_that_is_no_object_is_refused_though_we_signed_it(self, payload):
        token = jwt_by_us({"typ": "JWT", "alg": "ES256", "kid": key().kid}, payload)

        with pytest.raises(UnreadableToken):
            mint().read(token, typ=ID_TOKEN_TYPE)

    @pytest.mark.parametrize(
        "token",
        [
            "",
            ".",
            "..",
            "...",
            "a.b",
            "a.b.c.d.e",
            "é.é.é",
            "\ud800..",
            encoded([]) + "..",
            encoded("x") + "..",
            encoded(b"\xff") + "..",
            encoded(b"[" * 5000) + "..",
            encoded(b'{"a":' * 1000) + "..",
            encoded({"typ": "JWT"}) + "..",
            encoded(b'{"typ":"JWT","alg":NaN}') + "..",
            "A" * TOKEN_LIMIT + "..",
        ],
        ids=lambda token: ascii(token)[:30],
    )
    def test_what_is_not_a_jwt_is_refused(self, token):
        with pytest.raises(UnreadableToken):
            mint().read(token, typ=ID_TOKEN_TYPE)

    def test_a_huge_token_is_refused_before_it_is_decoded(self):
        huge = id_token() + "A" * 20_000_000

        started = time.process_time()
        with pytest.raises(UnreadableToken, match=r"^not a JWT$"):
            mint().read(huge, typ=ID_TOKEN_TYPE)

        assert time.process_time() - started < 0.5

    @given(
        header=st.dictionaries(
            st.sampled_from(["typ", "alg", "kid", "crit", "b64", "jwk", "x"]),
            st.recursive(
                st.none()
                | st.booleans()
                | st.integers()
                | st.text(max_size=8)
                | st.sampled_from(["JWT", "at+jwt", "ES256", "RS256", "none", "HS256"]),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(st.text(max_size=4), inner, max_size=3)
                ),
                max_leaves=6,
            ),
        ),
        ours=st.booleans(),
        rest=st.text(".ABCabc012-_=é\n", max_size=60),
    )
    @example(header={"crit": 1}, ours=True, rest=".e30.AAAA")
    def test_authlib_trap_05_no_token_of_a_strangers_makes_anything_but_its_refusal(
        self, header, ours, rest
    ):
        if ours:
            header = {"typ": "JWT", "alg": "ES256", "kid": key().kid} | header
        for token in (f"{encoded(header)}.{rest}", f"{encoded(header)}..{rest}", rest):
            with pytest.raises(UnreadableToken) as refusal:
                mint().read(token, typ=ID_TOKEN_TYPE)
            assert len(str(refusal.value)) < 40

    @given(place=st.integers(0, len(SIGNED) - 2), character=st.characters())
    def test_no_character_of_a_token_can_be_changed(self, place, character):
        assume(character != SIGNED[place])

        with pytest.raises(UnreadableToken):
            mint().read(SIGNED[:place] + character + SIGNED[place + 1 :], typ=ID_TOKEN_TYPE)


class TestHint:
    def test_a_hint_of_this_member_names_nobody_else_though_it_expired(self):
        clock = Clock()
        tokens = mint(clock=clock)
        hint = id_token(tokens)

        clock.advance(23 * HOUR)

        assert not tokens.hint_names_another(hint, client(), "account")
        assert tokens.hint_names_another(hint, client(), "another")

    @pytest.mark.parametrize(
        "hint",
        ["", "x", access_token(), id_token(mint(key(number=7)))],
        ids=["none", "no token", "access token", "a stranger's"],
    )
    def test_what_is_no_id_token_of_ours_says_nothing(self, hint):
        assert not mint().hint_names_another(hint, client(), "another")

    def test_attack_the_hint_of_another_service_says_nothing_of_who_its_member_is(self):
        other = client(client_id="other", subject_type="public")
        hint = id_token(registered=other)

        assert mint().hint_names_another(hint, other, "another")
        assert not mint().hint_names_another(hint, client(), "another")


def test_the_mint_reads_back_what_another_node_signed():
    one, other = mint(), replace(mint())

    assert other.read(id_token(one), typ=ID_TOKEN_TYPE)["iss"] == ISSUER
