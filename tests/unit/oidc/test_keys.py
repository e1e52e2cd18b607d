import json
import time
from base64 import urlsafe_b64encode
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric import ed25519
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
from joserfc.jwk import RSAKey
from joserfc.jwk import thumbprint

from idp.oidc import signer
from idp.oidc.keys import KeyRing
from idp.oidc.keys import NoSigningKey
from idp.oidc.keys import RevokedKey
from idp.oidc.keys import SigningKey
from idp.oidc.keys import read_key
from idp.oidc.signer import LockedKey
from idp.oidc.signer import UnusableKey
from idp.oidc.signer import encrypted_anew
from idp.oidc.signer import generate
from idp.oidc.signer import is_encrypted
from idp.oidc.signer import opens
from idp.oidc.signer import read_signer
from tests.fakes import key_of
from tests.fakes import private_key

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def key(kid, signs_from, alg="RS256"):
    return key_of(kid, signs_from, alg)


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
    keys = [key("old", NOON - 24 * HOUR), key("new", NOON)]
    ring = KeyRing(keys, longest_token=HOUR, longest_hint=8 * HOUR)
    then = NOON + 9 * HOUR - SECOND

    assert kids(ring, then) == ["new"]
    assert ring.verification_key("old", "RS256", now=then).kid == "old"
    assert ring.verification_key("old", "ES256", now=then) is None
    assert ring.verification_key("old", "HS256", now=then) is None
    assert ring.verification_key("unknown", "RS256", now=then) is None


def test_a_key_verifies_nothing_any_more_once_its_last_hint_has_ended():
    keys = [key("old", NOON - 24 * HOUR), key("new", NOON)]
    ring = KeyRing(keys, longest_token=HOUR, longest_hint=8 * HOUR)

    assert ring.kept_until(keys[0]) == NOON + 9 * HOUR
    assert ring.verification_key("old", "RS256", now=NOON + 9 * HOUR) is None
    assert ring.kept_until(keys[1]) is None
    assert ring.verification_key("new", "RS256", now=NOON + 9000 * HOUR) is keys[1]


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


def revoked(kid, signs_from, at, alg="RS256"):
    return RevokedKey(kid, alg, signs_from, at)


class TestRevokedKey:
    """Three keys in a row: one that retired, one that signs, one that waits."""

    old, mid, new = key("old", NOON - 48 * HOUR), key("mid", NOON), key("new", NOON + 24 * HOUR)
    then = NOON + HOUR

    def ring(self, *gone, keys=(old, mid, new)):
        left = [revoked(one.kid, one.signs_from, at) for one, at in gone]
        return KeyRing(keys, longest_token=HOUR, longest_hint=HOUR, revoked=left)

    def test_it_signs_is_published_and_verifies_nothing_though_its_file_is_there(self):
        ring = self.ring((self.mid, self.then))

        assert "mid" not in [one.kid for one in ring]
        assert "mid" not in kids(ring, self.then)
        assert ring.verification_key("mid", "RS256", now=self.then) is None

    def test_the_key_that_waited_signs_from_that_instant_on(self):
        ring = self.ring((self.mid, self.then))

        assert ring.signing_key("RS256", now=self.then).kid == "new"
        assert ring.begins(self.new) == self.then

    def test_the_key_before_it_never_signs_again(self):
        # Its last token has expired, and services may have forgotten it.
        ring = self.ring((self.mid, self.then), keys=(self.old, self.mid))

        with pytest.raises(NoSigningKey):
            ring.signing_key("RS256", now=self.then)
        assert ring.published_until(self.old) == NOON + HOUR

    def test_a_key_drawn_afterwards_signs_at_once_where_none_waited(self):
        late = key("late", self.then + HOUR)
        ring = self.ring((self.mid, self.then), keys=(self.old, late))

        assert ring.signing_key("RS256", now=self.then + SECOND) is late

    def test_a_key_that_waited_and_leaked_changes_nothing_for_the_one_that_signs(self):
        ring = self.ring((self.new, self.then))

        assert ring.signing_key("RS256", now=self.then).kid == "mid"
        assert ring.signs_until(self.mid) is None

    def test_a_place_that_a_revoked_key_never_took_is_free_for_another(self):
        again = key("again", self.new.signs_from)
        ring = self.ring((self.new, self.then), keys=(self.mid, again))

        assert ring.signing_key("RS256", now=again.signs_from) is again

    def test_when_the_one_that_took_over_leaks_too_the_next_one_takes_over(self):
        last = key("last", NOON + 99 * HOUR)
        ring = self.ring((self.mid, self.then), (self.new, self.then + HOUR), keys=(self.old, last))

        assert ring.begins(last) == self.then + HOUR
        assert ring.signing_key("RS256", now=self.then + HOUR) is last

    def test_two_that_are_revoked_at_once_leave_the_third(self):
        last = key("last", NOON + 99 * HOUR)
        ring = self.ring((self.mid, self.then), (self.new, self.then), keys=(last,))

        assert ring.signing_key("RS256", now=self.then) is last

    def test_one_that_had_retired_changes_nothing_for_its_successors(self):
        ring = self.ring((self.old, self.then))

        assert ring.begins(self.mid) == self.mid.signs_from
        assert ring.signing_key("RS256", now=self.then).kid == "mid"

    def test_what_it_may_have_signed_is_from_where_it_took_over_on(self):
        ring = self.ring((self.mid, self.then), (self.new, self.then + HOUR), keys=(self.old,))

        assert ring.signed_since(ring.revoked["mid"]) == self.mid.signs_from
        assert ring.signed_since(ring.revoked["new"]) == self.then

    def test_one_that_waited_signed_nothing(self):
        ring = self.ring((self.new, self.then))

        assert ring.signed_since(ring.revoked["new"]) is None

    def test_a_copy_of_it_under_two_names_is_no_fault(self):
        copy = key("mid", NOON + 7 * HOUR)

        ring = self.ring((self.mid, self.then), keys=(self.old, self.mid, copy, self.new))

        assert [one.kid for one in ring] == ["old", "new"]

    def test_a_key_of_another_algorithm_neither_takes_over_nor_is_touched(self):
        other = key("ec", NOON - HOUR, "ES256")
        ring = self.ring((self.mid, self.then), keys=(self.mid, self.new, other))

        assert ring.signing_key("ES256", now=self.then) is other


STEPS = st.lists(
    st.tuples(st.integers(1, 400), st.none() | st.integers(401, 900)), min_size=1, max_size=6,
    unique_by=lambda fact: fact[0],
)  # fmt: skip


def signs_by_history(facts, now):
    """Who signs at ``now``, told as it happened: keys begin, keys are revoked, one by one."""
    order = sorted(facts)
    happened = [(start, 0, n) for n, (start, _) in enumerate(order)]
    happened += [(end, 1, n) for n, (_, end) in enumerate(order) if end is not None]
    signs, alive = None, [True] * len(order)
    for at, what, n in sorted(happened):
        if at > now:
            break
        if what == 1:
            alive[n] = False
            if signs == n:
                signs = next((later for later in range(n, len(order)) if alive[later]), None)
        elif alive[n] and (signs is None or signs < n):
            signs = n
    return signs


@given(STEPS, st.integers(0, 1000))
def test_the_ring_says_who_signs_as_the_history_of_starts_and_revocations_does(facts, at):
    order = sorted(facts)
    names = [f"k{n}" for n in range(len(order))]
    ring = KeyRing(
        [key(name, NOON + start * SECOND) for name, (start, _) in zip(names, order, strict=True)],
        longest_token=HOUR,
        revoked=[
            revoked(name, NOON + start * SECOND, NOON + end * SECOND)
            for name, (start, end) in zip(names, order, strict=True)
            if end is not None and end <= at  # what is known now
        ],
    )
    known = [(start, end if end is not None and end <= at else None) for start, end in order]

    expected = signs_by_history(known, at)

    if expected is None:
        with pytest.raises(NoSigningKey):
            ring.signing_key("RS256", now=NOON + at * SECOND)
    else:
        assert ring.signing_key("RS256", now=NOON + at * SECOND).kid == f"k{expected}"


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
    pem = generate("ES256")
    signing = read_key(pem, alg="ES256", signs_from=NOON)

    assert private_key(pem).as_dict(private=True)["d"] not in repr(signing)
    assert repr(signing.signer) == f"LocalSigner(kid={signing.kid!r}, alg='ES256')"


def pem_of(native):
    return native.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


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
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"x")
            ),
            "not as PKCS#8",
        ),
        ("ES256", pem_of(ed25519.Ed25519PrivateKey.generate()), "not a key for RS256 or ES256"),
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


def test_a_key_whose_numbers_do_not_fit_is_refused_however_often_it_is_read(rsa_pem):
    numbers = load_pem_private_key(rsa_pem, password=None).private_numbers()
    unfit = rsa.RSAPrivateNumbers(
        numbers.p, numbers.q, numbers.d + 2, numbers.dmp1, numbers.dmq1, numbers.iqmp,
        numbers.public_numbers,
    ).private_key(unsafe_skip_rsa_key_validation=True)  # fmt: skip

    for _ in range(2):
        with pytest.raises(UnusableKey, match="not a PEM private key"):
            read_key(pem_of(unfit), alg="RS256", signs_from=NOON)


def test_what_was_found_sound_is_not_checked_anew_and_signs_as_well(rsa_pem):
    first = read_key(rsa_pem, alg="RS256", signs_from=NOON)

    began = time.process_time()
    again = [read_key(rsa_pem, alg="RS256", signs_from=NOON) for _ in range(100)]

    assert time.process_time() - began < 2  # 100 checks take more than 10
    assert {one.signer.sign(b"message") for one in again} == {first.signer.sign(b"message")}


def test_what_is_remembered_of_sound_keys_is_bounded():
    for _ in range(200):
        read_key(generate("ES256"), alg="ES256", signs_from=NOON)

    assert len(signer._found_sound) <= 64


def test_authlib_trap_01_a_retired_or_future_key_never_signs():
    starts = {"retired": NOON - HOUR, "current": NOON, "next": NOON + HOUR}
    keys = {
        name: read_key(generate("ES256"), alg="ES256", signs_from=start)
        for name, start in starts.items()
    }
    ring = KeyRing(list(keys.values()), longest_token=HOUR)

    for _ in range(40):  # a choice at random among three would pass once in 10^19 runs
        signing = ring.signing_key("ES256", now=NOON)
        token = signed(signing)

        assert signing.kid == keys["current"].kid
        jwt.decode(token, keys["current"].public, algorithms=["ES256"])
        for other in ("retired", "next"):
            with pytest.raises(BadSignatureError):
                jwt.decode(token, keys[other].public, algorithms=["ES256"])


def test_authlib_trap_01_the_ring_gives_a_key_and_never_a_set_of_keys(rsa_pem):
    ring = KeyRing([read_key(rsa_pem, alg="RS256", signs_from=NOON)], longest_token=HOUR)

    signing = ring.signing_key("RS256", now=NOON)
    assert (type(signing), type(signing.public)) == (SigningKey, RSAKey)


def test_authlib_trap_22_a_signature_parses_nothing(rsa_pem, monkeypatch):
    signing = read_key(rsa_pem, alg="RS256", signs_from=NOON)
    monkeypatch.setattr("idp.oidc.signer.load_pem_private_key", None)

    jwt.decode(signed(signing), signing.public, algorithms=["RS256"])


def signed(key):
    """A JWT of nothing much, signed by ``key`` as tokens are."""
    header = urlsafe_b64encode(json.dumps({"alg": key.alg, "kid": key.kid}).encode()).rstrip(b"=")
    message = header + b"." + urlsafe_b64encode(b"{}").rstrip(b"=")
    signature = urlsafe_b64encode(key.signer.sign(message)).rstrip(b"=")
    return (message + b"." + signature).decode()


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_what_a_signer_signs_is_a_jws_that_any_library_verifies(alg, rsa_pem):
    pem = rsa_pem if alg == "RS256" else generate(alg)
    key = read_key(pem, alg=alg, signs_from=NOON)

    for _ in range(20):  # half of the signatures on P-256 have a number that begins with zeros
        jwt.decode(signed(key), key.public, algorithms=[alg])


PASSPHRASE = b"une phrase de passe pour les essais"


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_a_key_that_was_drawn_under_a_passphrase_opens_with_it_and_with_no_other(alg):
    pem = generate(alg, PASSPHRASE)

    assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert is_encrypted(pem)
    opened = read_signer(pem, alg=alg, passphrases=(b"another", PASSPHRASE))
    assert opened.public_jwk["alg"] == alg
    with pytest.raises(LockedKey, match="there is none to open it"):
        read_signer(pem, alg=alg)
    with pytest.raises(LockedKey, match="damaged, or encrypted with another passphrase"):
        read_signer(pem, alg=alg, passphrases=(b"another", b"a third"))


def test_a_key_in_clear_opens_whatever_the_passphrase():
    assert read_signer(generate("ES256"), alg="ES256", passphrases=(PASSPHRASE,))


def test_a_key_that_is_encrypted_anew_is_the_same_key():
    clear = generate("ES256")
    once = encrypted_anew(clear, (PASSPHRASE,))
    twice = encrypted_anew(once, (b"the next one", PASSPHRASE))

    kids = {
        read_signer(clear, alg="ES256").kid,
        read_signer(once, alg="ES256", passphrases=(PASSPHRASE,)).kid,
        read_signer(twice, alg="ES256", passphrases=(b"the next one",)).kid,
    }
    assert len(kids) == 1
    assert opens(twice, b"the next one")
    assert not opens(twice, PASSPHRASE)
