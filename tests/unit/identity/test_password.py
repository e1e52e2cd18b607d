import math
import re
import resource
import unicodedata
from base64 import b64encode
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import argon2
import bcrypt
import pytest
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import Type
from argon2.low_level import hash_secret
from argon2.low_level import verify_secret
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from idp import Busy
from idp.identity.dossier import Qualite
from idp.identity.password import PASSWORD_LIMIT
from idp.identity.password import Argon2Cost
from idp.identity.password import PasswordHash
from idp.identity.password import Passwords
from idp.identity.password import PasswordTooLong
from idp.identity.password import UnusablePasswordHash
from idp.identity.password import parse_imported

MIX = {"argon2id:m=65536,t=3,p=4": 500, "bcrypt:10": 300, "ours:m=19456,t=2,p=1": 200}
GIBIBYTE_IN_KIB = 1024 * 1024
CHEAP = Argon2Cost(memory_kib=8, passes=1)
BCRYPT_4 = bcrypt.hashpw(b"correct", b"$2b$04$" + b"Salt" * 5 + b"Su").decode()


@pytest.fixture
def little_memory():
    """Inside it this process may take 256 MiB more than it has."""

    @contextmanager
    def limit():
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(
            resource.RLIMIT_AS, (pages * resource.getpagesize() + 256 * 1024 * 1024, hard)
        )
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

    return limit


class Mix:
    def __init__(self, counts=()):
        self.counts = dict(counts)

    def scheme_counts(self, qualite):
        return self.counts if qualite is Qualite.AFFILIE else {}


def passwords(cost=CHEAP, *, pepper=b"p" * 32, decoy_key=b"d" * 32, mix=()):
    return Passwords(pepper=pepper, decoy_key=decoy_key, cost=cost, mix=Mix(mix))


def argon2id(clear, *, m=8, t=1, p=1, salt=b"s" * 16, length=32):
    return hash_secret(clear.encode(), salt, t, m, p, length, Type.ID).decode()


def phc(m=65536, t=3, p=4, salt="c2FsdHNhbHRzYWx0c2FsdA", digest="A" * 43):
    return f"$argon2id$v=19$m={m},t={t},p={p}${salt}${digest}"


class TestOurs:
    def test_a_hash_verifies_its_password_and_no_other(self):
        stored = passwords().hash("les glycines du moulin")

        assert passwords().verify(stored, "les glycines du moulin") is True
        assert passwords().verify(stored, "les glycines du moulin ") is False
        assert passwords().verify(stored, "") is False

    def test_a_hash_tells_its_algorithm_and_cost_in_one_word(self):
        stored = passwords(Argon2Cost()).hash("x")

        assert stored.scheme == "ours:m=19456,t=2,p=1"
        assert stored.phc.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert stored.imported is False

    def test_two_hashes_of_one_password_differ(self):
        assert passwords().hash("x").phc != passwords().hash("x").phc

    def test_the_database_alone_verifies_nothing(self):
        stored = passwords(pepper=b"p" * 32).hash("x")

        assert passwords(pepper=b"q" * 32).verify(stored, "x") is False
        with pytest.raises(VerifyMismatchError):
            argon2.PasswordHasher().verify(stored.phc, "x")

    def test_a_password_typed_decomposed_is_the_same_password(self):
        stored = passwords().hash(unicodedata.normalize("NFC", "été à Orléans"))

        assert passwords().verify(stored, unicodedata.normalize("NFD", "été à Orléans")) is True

    @pytest.mark.parametrize("clear", ["a\0b", "\ud800", "𐍈" * 64, "\N{ZERO WIDTH JOINER}"])
    def test_any_character_may_stand_in_a_password(self, clear):
        stored = passwords().hash(clear)

        assert passwords().verify(stored, clear) is True
        assert passwords().verify(stored, clear[:-1]) is False

    def test_256_characters_are_verified_and_one_more_is_refused_before_any_work(self):
        longest = "é" * PASSWORD_LIMIT
        stored = passwords().hash(longest)

        assert passwords().verify(stored, longest) is True
        impossible = PasswordHash("ours:m=8,t=1,p=1", "verifying this would say no")
        with pytest.raises(PasswordTooLong):
            passwords().verify(impossible, longest + "é")

    @pytest.mark.parametrize("broken", ["", "x", "$argon2id$v=19$m=8,t=1,p=1$AAA$AAA"])
    def test_a_damaged_hash_opens_nothing(self, broken):
        assert passwords().verify(PasswordHash("ours:m=8,t=1,p=1", broken), "") is False

    def test_memory_that_cannot_be_had_is_no_verdict(self, little_memory):
        dear = Argon2Cost(memory_kib=GIBIBYTE_IN_KIB, passes=1)

        with little_memory(), pytest.raises(Busy):
            passwords().verify(PasswordHash(dear.scheme, phc(dear.memory_kib, 1, 1)), "x")
        with little_memory(), pytest.raises(Busy):
            passwords(dear).hash("x")

    def test_a_hash_is_outdated_when_it_is_not_of_todays_cost(self):
        today = passwords(Argon2Cost(16, 1))

        assert today.outdated(today.hash("x")) is False
        assert today.outdated(passwords(CHEAP).hash("x")) is True
        assert today.outdated(parse_imported(BCRYPT_4)) is True

    def test_neither_hash_nor_salt_is_seen_in_a_repr(self):
        stored = passwords().hash("x")

        assert repr(stored) == "PasswordHash(ours:m=8,t=1,p=1)"


class TestImported:
    def test_an_argon2id_hash_is_verified_without_our_pepper(self):
        stored = parse_imported(argon2id("correct"))

        assert stored.imported is True
        assert stored.scheme == "argon2id:m=8,t=1,p=1"
        assert passwords().verify(stored, "correct") is True
        assert passwords().verify(stored, "Correct") is False

    @pytest.mark.parametrize("version", ["2a", "2b", "2y"])
    def test_a_bcrypt_hash_of_each_old_version_is_verified(self, version):
        stored = parse_imported(BCRYPT_4.replace("$2b$", f"${version}$"))

        assert stored.scheme == "bcrypt:4"
        assert passwords().verify(stored, "correct") is True
        assert passwords().verify(stored, "Correct") is False

    def test_bcrypt_reads_72_bytes_of_a_longer_password_as_the_old_system_did(self):
        typed = "é" * 36 + "anything"
        stored = parse_imported(bcrypt.hashpw(("é" * 36).encode(), bcrypt.gensalt(4)).decode())

        assert passwords().verify(stored, typed) is True
        assert passwords().verify(stored, "é" * 35 + "anything") is False

    def test_bcrypt_reads_up_to_a_nul_as_the_old_system_did(self):
        stored = parse_imported(BCRYPT_4)

        assert passwords().verify(stored, "correct\0anything") is True
        assert passwords().verify(stored, "corr\0ect") is False

    def test_a_damaged_bcrypt_hash_opens_nothing(self):
        assert passwords().verify(PasswordHash("bcrypt:4", "$2b$04$short"), "x") is False

    @pytest.mark.parametrize(
        ("hash_of_the_old_system", "scheme"),
        [
            (phc(m=131072, t=4, p=16), "argon2id:m=131072,t=4,p=16"),
            (phc(m=128, t=1, p=16), "argon2id:m=128,t=1,p=16"),
            (phc(m=8, t=1, p=1, salt="c2FsdHNhbHQ", digest="A" * 16), "argon2id:m=8,t=1,p=1"),
            (BCRYPT_4.replace("$04$", "$12$"), "bcrypt:12"),
            (BCRYPT_4, "bcrypt:4"),
        ],
    )
    def test_a_hash_at_the_edge_of_what_one_sign_in_may_cost_is_taken(
        self, hash_of_the_old_system, scheme
    ):
        assert parse_imported(hash_of_the_old_system) == PasswordHash(
            scheme, hash_of_the_old_system
        )

    @pytest.mark.parametrize(
        ("hash_of_the_old_system", "reason"),
        [
            (phc(m=131073), "m=131073, 131072 (128 MiB) at most"),
            (phc(t=5), "t=5, 4 at most"),
            (phc(p=17), "p=17, 16 at most and m at least 8 times p"),
            (phc(m=127, p=16), "p=16, 16 at most and m at least 8 times p"),
            (phc(m=9999999999), "m=9999999999, 131072 (128 MiB) at most"),
            (BCRYPT_4.replace("$04$", "$13$"), "bcrypt cost 13, 4 to 12 expected"),
            (BCRYPT_4.replace("$04$", "$03$"), "bcrypt cost 3, 4 to 12 expected"),
            (BCRYPT_4.replace("$04$", "$99$"), "bcrypt cost 99, 4 to 12 expected"),
        ],
    )
    def test_a_hash_one_step_dearer_is_refused_with_its_cap(self, hash_of_the_old_system, reason):
        with pytest.raises(UnusablePasswordHash, match=f"^{re.escape(reason)}$"):
            parse_imported(hash_of_the_old_system)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "correct horse battery staple",
            "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/",
            "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            phc().replace("argon2id", "argon2i"),
            phc().replace("v=19", "v=16"),
            phc(m="065536"),
            phc(t=0),
            phc(m="٨٨٨"),
            phc() + "\n",
            " " + phc(),
            phc() + "$",
            phc(salt="c2FsdA"),
            phc(salt="A" * 87),
            phc(digest="A" * 15),
            phc(salt="c2FsdHNhbHR="),
            # No Base64 has 13 characters; 11 hold eight bytes when the last two bits are zero.
            phc(salt="A" * 13),
            phc(salt="A" * 10 + "B"),
            phc(digest="A" * 42 + "B"),
            BCRYPT_4 + "\n",
            BCRYPT_4[:-1],
            BCRYPT_4.replace("$2b$", "$2x$"),
            BCRYPT_4.replace("$04$", "$4$"),
            # The spare bits of salt and digest are zero in every hash that bcrypt wrote.
            BCRYPT_4[:28] + "A" + BCRYPT_4[29:],
            BCRYPT_4[:-1] + "/",
        ],
    )
    def test_what_could_never_be_verified_is_refused_and_not_quoted(self, text):
        with pytest.raises(UnusablePasswordHash) as refusal:
            parse_imported(text)

        assert str(refusal.value) == "not an Argon2id PHC or bcrypt string"

    @given(st.text(alphabet="$argon2idv=19mtp,bcry0123456789AZaz+/.=\n é", max_size=120))
    @example("$argon2id$v=19$m=8,t=1,p=1$$")
    @example("$2b$12$" + "." * 53)
    def test_no_text_gives_anything_but_a_hash_or_its_refusal(self, text):
        try:
            stored = parse_imported(text)
        except UnusablePasswordHash as refusal:
            assert len(text) < 8 or text not in str(refusal)  # noqa: PT017 - half of one truth
        else:
            assert stored.phc == text

    @given(
        m=st.integers(0, 10**10),
        t=st.integers(0, 6),
        p=st.integers(0, 20),
        salt=st.text("ABCDEFQgw019+/", min_size=0, max_size=90),
        digest=st.text("ABCDEFQgw019+/", min_size=0, max_size=175),
    )
    def test_an_argon2id_hash_is_taken_within_the_caps_and_no_other(self, m, t, p, salt, digest):
        text = phc(m, t, p, salt, digest)
        try:
            parse_imported(text)
        except UnusablePasswordHash:
            return

        assert 8 * p <= m <= 131072
        assert 1 <= t <= 4
        assert 1 <= p <= 16

    @given(salt=st.binary(min_size=8, max_size=64), digest=st.binary(min_size=12, max_size=128))
    def test_every_argon2id_hash_that_is_taken_can_be_verified(self, salt, digest):
        text = phc(8, 1, 1, *(b64encode(part).decode().rstrip("=") for part in (salt, digest)))

        parse_imported(text)

        with pytest.raises(VerifyMismatchError):
            verify_secret(text.encode(), b"x", Type.ID)

    @given(
        salt=st.text("ABCDEFQgw019+/", min_size=11, max_size=86),
        digest=st.text("ABCDEFQgw019+/", min_size=16, max_size=171),
    )
    def test_a_hash_that_argon2_cannot_decode_is_never_taken(self, salt, digest):
        text = phc(8, 1, 1, salt, digest)
        try:
            parse_imported(text)
        except UnusablePasswordHash:
            return

        with pytest.raises(VerifyMismatchError):
            verify_secret(text.encode(), b"x", Type.ID)


class TestDecoys:
    def test_a_number_has_a_decoy_of_the_same_scheme_for_ever(self):
        ours = passwords(mix=MIX)

        schemes = {ours.decoy("subject", Qualite.AFFILIE).scheme for _ in range(20)}

        assert len(schemes) == 1
        assert schemes == {passwords(mix=MIX).decoy("subject", Qualite.AFFILIE).scheme}

    def test_decoys_follow_the_directorys_mix(self):
        ours = passwords(mix=MIX)

        drawn = Counter(ours.decoy(f"subject-{n}", Qualite.AFFILIE).scheme for n in range(10_000))

        for scheme, count in MIX.items():
            share = count / 1000
            tolerance = 4 * math.sqrt(10_000 * share * (1 - share))
            assert abs(drawn[scheme] - 10_000 * share) < tolerance
        assert set(drawn) == set(MIX)

    def test_who_does_not_have_the_key_cannot_tell_the_schemes_of_decoys(self):
        one = passwords(mix=MIX, decoy_key=b"1" * 32)
        other = passwords(mix=MIX, decoy_key=b"2" * 32)

        agree = sum(
            one.decoy(str(n), Qualite.AFFILIE).scheme == other.decoy(str(n), Qualite.AFFILIE).scheme
            for n in range(2000)
        )

        assert agree < 2000 * 0.45  # 0.38 is what chance gives: 0.5² + 0.3² + 0.2²

    def test_an_account_more_in_the_directory_moves_few_decoys(self):
        before = passwords(mix=MIX)
        after = passwords(mix=MIX | {"bcrypt:10": 301})

        moved = sum(
            before.decoy(str(n), Qualite.AFFILIE).scheme
            != after.decoy(str(n), Qualite.AFFILIE).scheme
            for n in range(5000)
        )

        assert moved < 25

    def test_decoys_follow_the_mix_of_their_qualite(self):
        ours = passwords(mix={"bcrypt:10": 1})

        assert ours.decoy("subject", Qualite.AFFILIE).scheme == "bcrypt:10"
        assert ours.decoy("subject", Qualite.AYANT_DROIT).scheme == CHEAP.scheme

    def test_while_imported_hashes_are_replaced_no_decoy_moves_back_from_ours(self):
        steps = ((500, 500, 0), (300, 450, 250), (300, 100, 600), (10, 40, 950), (0, 0, 1000))
        was_ours: set[str] = set()

        for bcrypt_count, argon2_count, our_count in steps:
            mix = {"bcrypt:10": bcrypt_count, "argon2id:m=8,t=1,p=1": argon2_count}
            ours = passwords(mix=mix | {CHEAP.scheme: our_count})
            is_ours = {
                str(n) for n in range(500) if not ours.decoy(str(n), Qualite.AFFILIE).imported
            }
            assert was_ours <= is_ours
            was_ours = is_ours
        assert len(was_ours) == 500

    def test_while_imported_hashes_are_replaced_no_decoy_moves_between_imported_families(self):
        # Whoever asks again next month would see which unknown numbers changed their cost.
        argon2id, other = "argon2id:m=8,t=1,p=1", "bcrypt:10"
        before = passwords(mix={argon2id: 5000, other: 5000, CHEAP.scheme: 1000})
        after = passwords(mix={argon2id: 3000, other: 4500, CHEAP.scheme: 3500})

        moves = Counter(
            (before.decoy(n, Qualite.AFFILIE).scheme, after.decoy(n, Qualite.AFFILIE).scheme)
            for n in map(str, range(5000))
        )

        assert {(old, new) for old, new in moves if old != new} == {
            (argon2id, CHEAP.scheme),
            (other, CHEAP.scheme),
        }
        assert abs(moves[argon2id, CHEAP.scheme] - 5000 * 2 / 11) < 120
        assert abs(moves[other, CHEAP.scheme] - 5000 * 0.5 / 11) < 70

    def test_within_a_family_only_the_decoys_that_the_proportion_forces_move(self):
        before = passwords(mix={"bcrypt:10": 5000, "bcrypt:12": 5000})
        after = passwords(mix={"bcrypt:10": 4000, "bcrypt:12": 5000, CHEAP.scheme: 1000})

        moves = Counter(
            (before.decoy(n, Qualite.AFFILIE).scheme, after.decoy(n, Qualite.AFFILIE).scheme)
            for n in map(str, range(5000))
        )

        assert moves["bcrypt:12", "bcrypt:10"] == 0
        # Half of them stayed imported as 5 : 5 and do as 4 : 5 now.
        assert 0 < moves["bcrypt:10", "bcrypt:12"] < 5000 * 0.9 * (5 / 9 - 1 / 2) + 80

    def test_decoys_of_ours_move_only_to_todays_cost_as_hashes_are_renewed(self):
        old = "ours:m=4096,t=1,p=1"
        before = passwords(mix={old: 900, CHEAP.scheme: 100})
        after = passwords(mix={old: 500, CHEAP.scheme: 500})

        moves = {
            (before.decoy(n, Qualite.AFFILIE).scheme, after.decoy(n, Qualite.AFFILIE).scheme)
            for n in map(str, range(1000))
        }

        assert (CHEAP.scheme, old) not in moves

    def test_an_empty_directory_has_decoys_of_todays_cost(self):
        assert passwords(mix={}).decoy("subject", Qualite.AFFILIE).scheme == CHEAP.scheme
        assert (
            passwords(mix={"bcrypt:10": 0}).decoy("subject", Qualite.AFFILIE).scheme == CHEAP.scheme
        )

    @pytest.mark.parametrize(
        "scheme", ["argon2id:m=65536,t=3,p=4", "argon2id:m=8,t=1,p=1", "bcrypt:4", "bcrypt:12"]
    )
    def test_a_decoy_is_a_good_hash_of_its_scheme(self, scheme):
        for n in range(200):
            decoy = passwords(mix={scheme: 1}).decoy(str(n), Qualite.AFFILIE)
            assert parse_imported(decoy.phc) == PasswordHash(scheme, decoy.phc)

    def test_a_decoy_of_ours_has_todays_parameters_and_a_16_byte_salt(self):
        decoy = passwords(Argon2Cost()).decoy("subject", Qualite.AFFILIE)

        parameters = argon2.extract_parameters(decoy.phc)
        assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (
            19_456,
            2,
            1,
        )
        assert (parameters.salt_len, parameters.hash_len) == (16, 32)

    @pytest.mark.parametrize("scheme", ["argon2id:m=8,t=1,p=1", "bcrypt:4", CHEAP.scheme])
    def test_verifying_a_decoy_does_the_work_and_says_no(self, scheme):
        ours = passwords(mix={scheme: 1})
        decoy = ours.decoy("subject", Qualite.AFFILIE)

        for clear in ("", "subject", "\0", "x" * 256):
            assert ours.verify(decoy, clear) is False
        # bcrypt and Argon2 both reach their comparison: neither refuses the string unread.
        if decoy.scheme.startswith("bcrypt:"):
            assert bcrypt.hashpw(b"x", decoy.phc.encode())[:29] == decoy.phc[:29].encode()
        else:
            with pytest.raises(VerifyMismatchError):
                verify_secret(decoy.phc.encode(), b"x", Type.ID)
