import random
import time
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from idp.identity import password_lists
from idp.identity import temporary_password
from idp.identity.contact import Contact
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.password_policy import GUESSED_LENGTH
from idp.identity.password_policy import PasswordPolicy
from idp.identity.password_policy import PolicyFault
from idp.identity.temporary_password import Channel

ANNE = Contact(
    account_id="account",
    qualite=Qualite.AFFILIE,
    numero=NumeroDossier("1234567"),
    status=DossierStatus.ACTIVE,
    credential_version=1,
    has_password=True,
    email="bleuet.moulin@example.org",
    confirmed_email="",
    former_email="",
    given_names="Anne Marie Louise",
    usage_name="MARTIN",
    family_name="LEFÈVRE",
    birthdate="1950-05-12",
    address=("MME ANNE MARTIN", "", "12 RUE DES LILAS", "", "75012 PARIS", ""),
)
GOOD = "les glycines du moulin"


def faults(clear, *, about=ANNE, policy=None):
    return (policy or PasswordPolicy()).faults(clear, about=about)


class TestGoodPasswords:
    @pytest.mark.parametrize(
        "clear",
        [
            GOOD,
            "mamie adore le tricot bleu",
            "cheval-agrafe-pile-correct",
            "xkq7 vbn2 pl9z mm4",
            "Tr0ub4dor&3xyz",
            "日本語のとても長いパスワード",
            "жёлтая груша на столе",
            "🐈🐕🐁🐇🐓🐖🐄🐎🐑🐐🐫🐘",
        ],
    )
    def test_a_long_password_of_any_script_is_good(self, clear):
        assert faults(clear) == ()

    def test_what_a_password_manager_draws_is_good(self):
        drawn = random.Random(7)  # noqa: S311 - the same ones in each run
        symbols = "".join(chr(code) for code in range(33, 127))

        for _ in range(300):
            clear = "".join(drawn.choices(symbols, k=14))
            assert faults(clear) == (), clear

    def test_what_is_known_of_nobody_accuses_nobody(self):
        unknown = replace(
            ANNE, email="", given_names="", usage_name="", family_name="", birthdate="",
            address=("",) * 6,
        )  # fmt: skip

        assert faults(GOOD, about=unknown) == ()


class TestLength:
    def test_twelve_characters_are_enough_and_eleven_are_not(self):
        assert faults("Vq8!rT2#wL5z") == ()
        assert faults("Vq8!rT2#wL5") == (PolicyFault.TOO_SHORT,)

    def test_128_characters_are_not_too_many_and_129_are(self):
        long = "".join(chr(0x4E00 + n * 37) for n in range(129))

        assert faults(long[:128]) == ()
        assert faults(long) == (PolicyFault.TOO_LONG,)

    def test_characters_are_counted_in_normal_form(self):
        apart = "e\u0301" * 6 + "vq8rt2"

        assert PolicyFault.TOO_SHORT not in faults(apart)
        assert PolicyFault.TOO_SHORT in faults(apart[:-1])

    def test_ten_megabytes_are_refused_by_their_length_first(self):
        # An attack on time and memory: nothing is made of what is too long anyway.
        huge = "e\u0301" * 5_000_000
        tracemalloc.start()
        started = time.perf_counter()

        assert faults(huge) == (PolicyFault.TOO_LONG,)

        took = time.perf_counter() - started
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert took < 0.05
        assert peak < 100_000

    def test_an_empty_proposal_is_too_short(self):
        assert faults("") == (PolicyFault.TOO_SHORT,)


class TestUnreadable:
    @pytest.mark.parametrize("hidden", ["\0", "\x7f", "\n", "\x1b", "\ud800"])
    def test_what_no_keyboard_types_is_refused(self, hidden):
        assert faults(GOOD + hidden) == (PolicyFault.UNREADABLE,)


class TestWhatTheLetterSays:
    @pytest.mark.parametrize(
        "clear",
        ["glycine 1234567 moulin", "glycine 12 34 567 moulin", "glycine1.234.567moulin",
         "glycine １２３４５６７ moulin"],
    )  # fmt: skip
    def test_the_dossier_number_is_refused_however_it_is_written(self, clear):
        assert PolicyFault.HOLDS_NUMBER in faults(clear)

    def test_the_shape_of_a_temporary_password_is_refused_whatever_the_last_symbol(self):
        secret = temporary_password.draw(Channel.MAIL)
        for last in "A9":
            clear = temporary_password.written(secret[:-1] + last).lower()
            assert PolicyFault.TEMPORARY_SHAPE in faults(clear)

    def test_every_such_fault_is_told_at_once(self):
        assert faults("1234567") == (PolicyFault.TOO_SHORT, PolicyFault.HOLDS_NUMBER)


class TestGuessable:
    @pytest.mark.parametrize(
        "clear",
        [
            "motdepasse1234!",
            "azertyuiop12!",
            "jetaimemonchat",
            "jetaimemonamour",
            "Marguerite2024!",
            "marguerite moulin",
            "MARGUERITE-MOULIN",
            "Ch0c0l@t-N0isette",
            "vive les vacances",
            "le soleil brille",
            "Versailles78000",
            "bonjour bonjour bonjour",
            "qsdfghjklmwxcvbn",
            "98765432109876",
            "Bernadette1949!",
            "élémentaire123!",
        ],
    )
    def test_french_words_and_rows_are_guessed(self, clear):
        assert faults(clear) == (PolicyFault.GUESSABLE,)

    @pytest.mark.parametrize(
        "clear",
        ["je t'aime mon chat", "Je.T.Aime.Mon.Chat", "je-t'aime_mon chat"],
    )
    def test_separators_do_not_make_words_harder(self, clear):
        assert faults(clear) == (PolicyFault.GUESSABLE,)

    def test_the_estimate_stops_at_its_length(self):
        tail = "".join(chr(0x4E00 + n * 37) for n in range(128 - GUESSED_LENGTH))

        assert faults("ab" * (GUESSED_LENGTH // 2) + tail) == (PolicyFault.GUESSABLE,)

    def test_the_threshold_is_the_policy_s(self):
        assert faults("le soleil brille", policy=PasswordPolicy(guesses=10**6)) == ()
        assert faults(GOOD, policy=PasswordPolicy(guesses=10**30)) == (PolicyFault.GUESSABLE,)


class TestPersonal:
    @pytest.mark.parametrize(
        "clear",
        [
            "Lefevre12mai1950",
            "lefèvre-12-mai-1950",
            "LilasBleuet75012",
            "bleuetmoulin12051950",
            "carpimkokinelefevre",
        ],
    )
    def test_what_is_known_of_the_person_or_the_fund_is_guessed(self, clear):
        nobody = replace(
            ANNE, email="", given_names="", usage_name="", family_name="", birthdate="",
            address=("",) * 6,
        )  # fmt: skip

        assert set(faults(clear)) <= {PolicyFault.PERSONAL, PolicyFault.GUESSABLE}
        assert faults(clear)
        assert PolicyFault.PERSONAL in (*faults(clear), *faults(clear, about=nobody))

    @pytest.mark.parametrize("birthdate", ["", "1950-00-00", "1950", "odd", "1950-13-01"])
    def test_a_birth_date_may_be_unknown_in_part(self, birthdate):
        assert faults(GOOD, about=replace(ANNE, birthdate=birthdate)) == ()


class TestLeaked:
    @pytest.mark.parametrize("clear", ["ne_e_pod_chehyl", "Ne_E_Pod_Chehyl", "né_é_pod_chehyl"])
    def test_a_leaked_password_is_refused_whatever_its_case_and_accents(self, clear):
        assert faults(clear) == (PolicyFault.LEAKED,)

    def test_one_character_more_is_another_password(self):
        assert PolicyFault.LEAKED not in faults("ne_e_pod_chehyl_7")


class TestLists:
    def test_both_lists_are_there_and_sorted(self):
        assert len(password_lists.leaked()) > 40_000
        assert len(password_lists.french()) > 50_000
        assert "ne_e_pod_chehyl" in password_lists.leaked()
        assert "marguerite" in password_lists.french()
        assert "xqzwkv" not in password_lists.french()

    def test_a_common_word_ranks_before_a_rare_one(self):
        words = password_lists.french()

        assert words.rank("bonjour") < words.rank("glycine")
        assert words.rank("xqzwkv") is None

    def test_what_stands_after_the_last_digest_is_not_found(self):
        empty = password_lists.WordList(b"", ranked=False)

        assert "anything" not in empty

    def test_the_words_of_the_fund_are_as_passwords_are_compared(self):
        words = password_lists.fund_words()

        assert "carpimko" in words
        assert all(word == password_lists.fold(word) and word.isalpha() for word in words)
        assert len(set(words)) == len(words)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), max_size=200))
@example("\ud83d" * 12)
@example("\0" * 12)
@example("﷽" * 12)
@example("\u0301" * 128)
@example("İ" * 64)
@example("ß" * 128)
@example(" " * 40)
@example("-" * 40)
def test_any_text_gets_a_verdict(clear):
    verdict = faults(clear)

    assert set(verdict) <= set(PolicyFault)
    assert len(set(verdict)) == len(verdict)


def test_a_verdict_holds_nothing_of_the_password():
    assert all(fault == fault.lower() and fault.isidentifier() for fault in PolicyFault)
