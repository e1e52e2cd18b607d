from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization import NoEncryption
from cryptography.hazmat.primitives.serialization import PrivateFormat
from cryptography.hazmat.primitives.serialization import PublicFormat
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey
from joserfc.jwk import RSAKey
from joserfc.jwk import thumbprint

from idp.oidc.keys import KeyRing
from idp.oidc.keys import NoSigningKey
from idp.oidc.keys import SigningKey
from idp.oidc.keys import UnusableKey
from idp.oidc.keys import generate
from idp.oidc.keys import read_key

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
ANY_KEY = ECKey.generate_key("P-256")


def key(kid, signs_from, alg="RS256"):
    """A key for a ring: only its times matter."""
    return SigningKey(kid, alg, signs_from, ANY_KEY, {"kid": kid})


def kids(ring, now):
    return [key.kid for key in ring.published(now=now)]


def test_a_new_key_is_published_before_it_signs_and_the_old_one_after():
    ring = KeyRing([key("old", NOON - 24 * HOUR), key("new", NOON)], longest_token=HOUR)

    def seen(now):
        return ring.signing_key("RS256", now=now).kid, kids(ring, now)

    assert seen(NOON - HOUR) == ("old", ["old", "new"])
    assert seen(NOON - timedelta(microseconds=1)) == ("old", ["old", "new"])
    assert seen(NOON) == ("new", ["old", "new"])
    assert seen(NOON + HOUR - timedelta(microseconds=1)) == ("new", ["old", "new"])
    assert seen(NOON + HOUR) == ("new", ["new"])


def test_the_order_of_the_files_says_nothing():
    keys = [key("new", NOON), key("old", NOON - HOUR), key("next", NOON + HOUR)]

    ring = KeyRing(keys, longest_token=HOUR)

    assert [key.kid for key in ring] == ["old", "new", "next"]
    assert ring.signing_key("RS256", now=NOON).kid == "new"


def test_a_first_key_announced_for_later_is_published_and_signs_nothing():
    ring = KeyRing([key("first", NOON)], longest_token=HOUR)

    assert kids(ring, NOON - HOUR) == ["first"]
    with pytest.raises(NoSigningKey, match="no RS256 key signs now"):
        ring.signing_key("RS256", now=NOON - SECOND)


@pytest.mark.parametrize("alg", ["ES256", "none", "HS256", ""])
def test_an_algorithm_without_a_key_signs_nothing(alg):
    ring = KeyRing([key("only", NOON)], longest_token=HOUR)

    with pytest.raises(NoSigningKey):
        ring.signing_key(alg, now=NOON)


def test_a_key_of_one_algorithm_neither_replaces_nor_retires_one_of_another():
    ring = KeyRing([key("rsa", NOON - 9 * HOUR), key("ec", NOON, "ES256")], longest_token=HOUR)

    assert ring.signing_key("RS256", now=NOON + 9 * HOUR).kid == "rsa"
    assert kids(ring, NOON + 9 * HOUR) == ["rsa", "ec"]
    assert ring.published_until(ring.signing_key("RS256", now=NOON)) is None


def test_a_hint_is_verified_by_a_key_that_left_the_jwks_and_under_its_own_algorithm_only():
    ring = KeyRing([key("old", NOON - 24 * HOUR), key("new", NOON)], longest_token=HOUR)

    assert kids(ring, NOON + 9 * HOUR) == ["new"]
    assert ring.verification_key("old", "RS256").kid == "old"
    assert ring.verification_key("old", "ES256") is None
    assert ring.verification_key("old", "HS256") is None
    assert ring.verification_key("unknown", "RS256") is None


def test_whoever_keeps_the_jwks_is_told_until_when():
    ring = KeyRing([key("old", NOON - 24 * HOUR), key("new", NOON)], longest_token=HOUR)

    assert ring.published_changes_at(NOON) == NOON + HOUR
    assert ring.published_changes_at(NOON + HOUR) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [(key("same", NOON), key("same", NOON + HOUR)), (key("a", NOON), key("b", NOON))],
)
def test_a_ring_in_which_two_keys_would_be_one_is_refused(one, other):
    with pytest.raises(UnusableKey):
        KeyRing([one, other], longest_token=HOUR)


SECONDS = st.integers(0, 100_000)
KEYS = st.lists(
    st.tuples(SECONDS, st.sampled_from(["RS256", "ES256"])), unique=True, min_size=1, max_size=8
)


def ring_of(facts, longest_token):
    keys = [key(f"{alg}@{at}", NOON + at * SECOND, alg) for at, alg in facts]
    return KeyRing(keys, longest_token=longest_token)


@given(KEYS, SECONDS, SECONDS, st.integers(1, 3600))
def test_at_any_instant_one_key_signs_and_it_was_published_all_the_time_before(
    facts, at, earlier, longest
):
    ring = ring_of(facts, longest * SECOND)
    now = NOON + at * SECOND

    for alg in {alg for _, alg in facts}:
        begun = [start for start, key_alg in facts if key_alg == alg and start <= at]
        if not begun:
            with pytest.raises(NoSigningKey):
                ring.signing_key(alg, now=now)
            continue
        signing = ring.signing_key(alg, now=now)
        assert signing.kid == f"{alg}@{max(begun)}"
        assert signing in ring.published(now=now - earlier * SECOND)


@given(KEYS, SECONDS, st.data())
def test_every_token_lives_while_its_key_is_published_whatever_key_is_added_later(
    facts, signed_at, data
):
    longest = data.draw(st.integers(1, 3600))
    age = data.draw(st.integers(0, longest - 1))
    added = data.draw(st.integers(signed_at, signed_at + 100_000))
    alg = facts[0][1]
    before = ring_of(facts, longest * SECOND)
    after = ring_of({*facts, (added, alg)}, longest * SECOND)
    signed = NOON + signed_at * SECOND
    try:
        kid = before.signing_key(alg, now=signed - timedelta(microseconds=1)).kid
    except NoSigningKey:
        return

    assert kid in kids(before, signed + age * SECOND)
    assert kid in kids(after, signed + age * SECOND)


@given(KEYS, SECONDS)
def test_the_jwks_changes_at_the_instants_told_and_at_no_other(facts, at):
    ring = ring_of(facts, HOUR)
    now = NOON + at * SECOND

    change = ring.published_changes_at(now)

    if change is None:
        assert kids(ring, now) == kids(ring, now + timedelta(days=3650))
    else:
        assert kids(ring, now) == kids(ring, change - timedelta(microseconds=1))
        assert kids(ring, now) != kids(ring, change)


@pytest.fixture(scope="module")
def rsa_pem():
    return generate("RS256")


def test_a_drawn_es256_key_is_on_p256_and_pkcs8():
    pem = generate("ES256")

    native = load_pem_private_key(pem, password=None)
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----")
    assert isinstance(native, ec.EllipticCurvePrivateKey)
    assert native.curve.name == "secp256r1"


def test_a_drawn_rs256_key_has_3072_bits(rsa_pem):
    native = load_pem_private_key(rsa_pem, password=None)

    assert isinstance(native, rsa.RSAPrivateKey)
    assert (native.key_size, native.public_key().public_numbers().e) == (3072, 65537)


def test_no_key_is_drawn_for_an_algorithm_that_is_not_ours():
    with pytest.raises(UnusableKey, match="RS256, ES256"):
        generate("HS256")


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_the_jwks_entry_names_the_key_by_its_thumbprint_and_holds_nothing_private(alg, rsa_pem):
    pem = rsa_pem if alg == "RS256" else generate(alg)

    signing = read_key(pem, alg=alg, signs_from=NOON)

    jwk = signing.public_jwk
    expected = {"ES256": {"kty", "crv", "x", "y"}, "RS256": {"kty", "n", "e"}}[alg]
    assert set(jwk) == expected | {"kid", "use", "alg"}
    assert (jwk["kid"], jwk["use"], jwk["alg"]) == (signing.kid, "sig", alg)
    assert thumbprint({name: jwk[name] for name in expected}) == signing.kid


def test_the_repr_of_a_key_shows_no_part_of_it():
    signing = read_key(generate("ES256"), alg="ES256", signs_from=NOON)

    assert signing.private.as_dict(private=True)["d"] not in repr(signing)
    assert "private" not in repr(signing)


def pem_of(native, encryption=None):
    return native.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


@pytest.mark.parametrize(
    ("alg", "pem", "reason"),
    [
        ("ES256", b"", "not a PEM private key"),
        ("ES256", b"\xff" * 100, "not a PEM private key"),
        ("ES256", generate("ES256")[:80], "not a PEM private key"),
        ("RS256", generate("ES256"), "not a key for RS256"),
        ("HS256", generate("ES256"), "not a key for HS256"),
        ("ES256", pem_of(ec.generate_private_key(ec.SECP384R1())), "on P-256"),
        ("ES256", pem_of(ec.generate_private_key(ec.SECP256K1())), "on P-256"),
        ("RS256", pem_of(rsa.generate_private_key(65537, 2048)), "2048 bits: 3072 at least"),
        (
            "ES256",
            pem_of(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"x")),
            "passphrase",
        ),
        (
            "ES256",
            ec.generate_private_key(ec.SECP256R1())
            .public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "not a PEM private key",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_key_of_ours_is_refused_with_the_reason(alg, pem, reason):
    with pytest.raises(UnusableKey, match=reason):
        read_key(pem, alg=alg, signs_from=NOON)


def test_authlib_trap_01_a_retired_or_future_key_never_signs():
    starts = {"retired": NOON - HOUR, "current": NOON, "next": NOON + HOUR}
    keys = {
        name: read_key(generate("ES256"), alg="ES256", signs_from=start)
        for name, start in starts.items()
    }
    ring = KeyRing(list(keys.values()), longest_token=HOUR)

    for _ in range(40):  # a choice at random among three would pass once in 10^19 runs
        signing = ring.signing_key("ES256", now=NOON)
        header = {"alg": "ES256", "kid": signing.kid}
        token = jwt.encode(header, {"sub": "x"}, signing.private, algorithms=["ES256"])

        assert header["kid"] == keys["current"].kid
        jwt.decode(token, ECKey.import_key(keys["current"].public_jwk), algorithms=["ES256"])
        for other in ("retired", "next"):
            with pytest.raises(BadSignatureError):
                jwt.decode(token, ECKey.import_key(keys[other].public_jwk), algorithms=["ES256"])


def test_authlib_trap_01_the_ring_gives_a_key_and_never_a_set_of_keys(rsa_pem):
    ring = KeyRing([read_key(rsa_pem, alg="RS256", signs_from=NOON)], longest_token=HOUR)

    assert type(ring.signing_key("RS256", now=NOON).private) is RSAKey


def test_authlib_trap_22_a_signature_parses_nothing(rsa_pem):
    signing = read_key(rsa_pem, alg="RS256", signs_from=NOON)

    assert isinstance(signing.private.get_op_key("sign"), rsa.RSAPrivateKey)
    assert signing.private.get_op_key("sign") is signing.private.get_op_key("sign")
