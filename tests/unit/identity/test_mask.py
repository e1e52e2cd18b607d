import math
from collections import Counter

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from idp.identity.contact import MailMix
from idp.identity.dossier import Qualite
from idp.identity.mask import Decoys
from idp.identity.mask import mask_email

SUBJECTS = [f"{number:032x}" for number in range(4_000)]
MIX = MailMix(
    post_only=0.3,
    domains={"g*****.com": 500, "o*****.fr": 250, "w*****.fr": 150, "f*****.fr": 100},
    firsts={"a": 300, "m": 400, "j": 250, "z": 50},
    lasts={"ne": 400, "re": 300, "": 100, "42": 200},
)
FRAGMENTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="@"),
    min_size=1,
)


class Mixes:
    def __init__(self, mix):
        self.mix = mix

    def mail_mix(self, qualite):
        return self.mix if qualite is Qualite.AFFILIE else MailMix(1.0, {}, {}, {})


def decoys(mix=MIX, *, key=b"k" * 32, post_only_share=None):
    return Decoys(key, Mixes(mix), post_only_share=post_only_share)


def masks(mix=MIX, **settings):
    made = decoys(mix, **settings)
    return [made.contact_mask(subject, Qualite.AFFILIE) for subject in SUBJECTS]


def chi_square(counts, weights):
    """How far counts are from weights, in standard deviations of the statistic."""
    total, whole = sum(counts.values()), sum(weights.values())
    expected = {name: total * weight / whole for name, weight in weights.items()}
    statistic = sum((counts[name] - wanted) ** 2 / wanted for name, wanted in expected.items())
    freedom = len(weights) - 1
    return (statistic - freedom) / math.sqrt(2 * freedom)


class TestMaskEmail:
    @pytest.mark.parametrize(
        ("address", "mask"),
        [
            ("jeandy@caisse.com", "j***dy@c*****.com"),
            ("anne@orange.fr", "a***ne@o*****.fr"),
            ("bob@orange.fr", "b***@o*****.fr"),
            ("x@orange.fr", "x***@o*****.fr"),
            ("Anne.MARTIN@Orange.FR", "a***in@o*****.fr"),
            ("anne+impots@sub.example.co.uk", "a***ts@s*****.uk"),
            ("two@at@example.org", "t***at@e*****.org"),
            ("élise@école.fr", "é***se@é*****.fr"),
            ("elise@xn--cole-9oa.fr", "e***se@x*****.fr"),
            ("İpek@İst.tr", "İ***ek@İ*****.tr"),
        ],
    )
    def test_an_address_shows_its_ends_and_constant_stars(self, address, mask):
        assert mask_email(address) == mask

    @pytest.mark.parametrize("domain", ["localhost", "localhost."])
    def test_a_domain_of_one_label_shows_its_first_letter_alone(self, domain):
        assert mask_email(f"anne@{domain}") == "a***ne@l*****"

    @pytest.mark.parametrize(
        "text", ["", "anne", "@", "@@@", "@orange.fr", "anne@", "an\nne@orange.fr", "a\u202eb@c.fr"]
    )
    def test_what_is_no_address_has_no_mask(self, text):
        assert mask_email(text) == ""

    @given(FRAGMENTS, FRAGMENTS, FRAGMENTS.filter(lambda label: "." not in label))
    @example("anne", "orange", "fr")
    @example("İİİİ", "İ", "İ")
    def test_a_mask_shows_three_characters_of_the_name_and_one_of_the_domain(
        self, local, domain, last_label
    ):
        mask = mask_email(f"{local}@{domain}.{last_label}")

        name, _, rest = mask.partition("@")
        assert name[1:4] == "***"
        assert len(name) == (4 if len(local) <= 3 else 6)
        assert rest[1:7] == "*****."
        assert len(rest) == 7 + len(last_label)

    @given(st.text())
    def test_any_text_is_masked_or_refused(self, text):
        mask = mask_email(text)

        assert mask == "" or "***" in mask
        assert mask == "" or len(mask) <= 6 + 1 + 7 + len(text.rpartition(".")[2])


class TestDecoys:
    def test_a_decoy_has_the_shape_of_a_mask(self):
        shown = {mask for mask in masks() if mask}

        for mask in shown:
            name, _, domain = mask.partition("@")
            assert domain in MIX.domains
            assert name[0] in MIX.firsts
            assert name[1:4] == "***"
            assert name[4:] in MIX.lasts

    def test_a_decoy_is_the_same_tomorrow_and_on_another_node(self):
        assert masks() == masks()

    def test_another_key_makes_other_decoys(self):
        same = sum(
            ours == theirs for ours, theirs in zip(masks(), masks(key=b"o" * 32), strict=True)
        )

        assert same < len(SUBJECTS) / 3

    def test_decoys_follow_the_mix_of_the_directory(self):
        # An unknown number must not be told by a domain too rare, or too common, for the fund.
        shown = masks()

        written = [mask for mask in shown if mask]
        sides = Counter("post" if not mask else "mail" for mask in shown)
        assert chi_square(sides, {"post": 0.3, "mail": 0.7}) < 5
        assert chi_square(Counter(mask.partition("@")[2] for mask in written), MIX.domains) < 5
        assert chi_square(Counter(mask[0] for mask in written), MIX.firsts) < 5
        assert chi_square(Counter(mask.partition("@")[0][4:] for mask in written), MIX.lasts) < 5

    def test_a_nightly_shift_of_one_per_cent_changes_about_one_decoy_in_a_hundred(self):
        # Who asks for a number every day must not see that nobody has it. One hundred more
        # addresses of one domain in a thousand is a shift of 1 % of the mix.
        shifted = MailMix(
            post_only=MIX.post_only,
            domains={**MIX.domains, "g*****.com": 510},
            firsts=MIX.firsts,
            lasts=MIX.lasts,
        )

        changed = sum(now != then for now, then in zip(masks(shifted), masks(), strict=True))

        assert changed / len(SUBJECTS) < 0.01

    def test_a_domain_that_appears_takes_its_own_share_and_moves_no_other(self):
        grown = MailMix(
            post_only=MIX.post_only,
            domains={**MIX.domains, "n*****.org": 10},
            firsts=MIX.firsts,
            lasts=MIX.lasts,
        )

        moved = [now for now, then in zip(masks(grown), masks(), strict=True) if now != then]

        assert moved
        assert all(mask.endswith("@n*****.org") for mask in moved)
        assert len(moved) / len(SUBJECTS) < 0.02

    def test_a_decoy_that_gets_an_address_as_members_do_never_loses_it(self):
        fewer_by_post = MailMix(0.28, MIX.domains, MIX.firsts, MIX.lasts)

        pairs = list(zip(masks(), masks(fewer_by_post), strict=True))

        assert all(after == before for before, after in pairs if before)
        assert 0 < sum(before != after for before, after in pairs) < 0.04 * len(SUBJECTS)

    @pytest.mark.parametrize(("share", "by_post"), [(1.0, len(SUBJECTS)), (0.0, 0)])
    def test_the_share_by_post_can_be_set(self, share, by_post):
        assert sum(not mask for mask in masks(post_only_share=share)) == by_post

    def test_an_empty_directory_is_written_to_by_post_alone(self):
        assert decoys().contact_mask("subject", Qualite.AYANT_DROIT) == ""
        assert set(masks(MailMix(1.0, {}, {}, {}), post_only_share=0.0)) == {""}

    def test_a_fragment_that_nobody_has_any_more_is_never_drawn(self):
        without = MailMix(0.0, {"g*****.com": 1, "o*****.fr": 0}, {"a": 1}, {"": 1})

        assert set(masks(without)) == {"a***@g*****.com"}
