"""Sign-in through FranceConnect: whose dossier opens, by which rule, and whose never does."""

from dataclasses import replace
from datetime import timedelta

import pytest

from idp import StoreUnavailable
from idp.audit import Event
from idp.identity.account import Protection
from idp.identity.dossier import DossierStatus
from idp.identity.dossier import Qualite
from idp.identity.franceconnect import ACR_FRANCECONNECT
from idp.identity.franceconnect import Choose
from idp.identity.franceconnect import DossierChoice
from idp.identity.franceconnect import Refused
from idp.identity.franceconnect import Unlinked
from idp.identity.franceconnect_finding import Unmatched
from idp.identity.franceconnect_links import CANDIDATES
from idp.identity.franceconnect_links import LINKS_OF_SUB
from idp.identity.franceconnect_links import Ending
from idp.identity.franceconnect_links import Rule
from idp.identity.login import Cause
from idp.identity.login import subject_of
from idp.identity.outbox import Kind
from idp.identity.pivot import Arrival
from idp.limits import Origin
from idp.session import SignedIn
from tests.franceconnect_scene import ANNE
from tests.franceconnect_scene import BROWSER
from tests.franceconnect_scene import HERS
from tests.franceconnect_scene import SUB
from tests.franceconnect_scene import THIEF
from tests.franceconnect_scene import FranceConnectScene
from tests.sign_in_scene import BCRYPT
from tests.sign_in_scene import DECOY_KEY
from tests.sign_in_scene import HERE
from tests.sign_in_scene import NUMERO
from tests.sign_in_scene import REDESIGN
from tests.sign_in_scene import WRONG

SIGNED_IN = SignedIn("account", 3, ("franceconnect",), ACR_FRANCECONNECT)
LINKED = (Kind.FRANCECONNECT_LINKED, "account")
UNLINKED = (Kind.FRANCECONNECT_UNLINKED, "account")
MARRIED = Arrival("b" * 64 + "v1", ANNE)
"""Her again, by another ``sub``: her civil status was corrected."""


@pytest.fixture
def scene():
    return FranceConnectScene()


# --- whose dossier -------------------------------------------------------------------------------


def test_the_first_sign_in_links_the_one_dossier_that_equals_and_tells_its_member(scene):
    assert scene.arrive() == SIGNED_IN

    link = scene.link_of()
    assert (link.sub, link.rule, link.linked_at) == (SUB, Rule.PIVOT, scene.clock())
    assert scene.happened() == [
        (Event.FRANCECONNECT_LINKED, "account"),
        (Event.SIGN_IN_SUCCEEDED, "account"),
    ]
    assert scene.told(Event.FRANCECONNECT_LINKED) == {"rule": "pivot", "by": "sign_in"}
    assert scene.told(Event.SIGN_IN_SUCCEEDED) == {"by": "franceconnect", "rule": "pivot"}
    assert {event.actor for event in scene.audit.events} == {BROWSER}
    assert scene.mails() == [LINKED]


def test_the_next_one_goes_by_the_link_though_the_directory_says_something_else_by_now(scene):
    scene.arrive()
    scene.directory.pivots["account"] = replace(ANNE, birthplace="13055")
    scene.clock.advance(timedelta(days=3))

    assert scene.arrive() == SIGNED_IN

    assert scene.told(Event.SIGN_IN_SUCCEEDED) == {
        "by": "franceconnect",
        "rule": "sub",
        "differs": "birthplace",
    }
    assert scene.link_of().used_at == scene.clock()
    assert scene.mails() == [LINKED]


def test_two_sign_ins_make_one_link(scene):
    scene.arrive()
    scene.arrive()

    assert [event for event, _ in scene.happened()].count(Event.FRANCECONNECT_LINKED) == 1


def test_a_member_without_an_address_is_linked_and_nothing_is_promised(scene):
    entry = scene.accounts.entries["account"]
    entry.subject = replace(entry.subject, email="")

    assert scene.arrive() == SIGNED_IN
    assert scene.mails() == []


def test_one_mailbox_for_two_makes_no_bond_between_them(scene):
    scene.add("husband", "7654321", replace(ANNE, gender="male"))

    assert scene.arrive() == SIGNED_IN


@pytest.mark.parametrize(
    "another",
    [
        replace(ANNE, family_name="LEFEBVRE"),
        replace(ANNE, given_names="ANNE MARIE"),
        replace(ANNE, gender="male"),
        replace(ANNE, birthdate="1950-05-13"),
        replace(ANNE, birthplace="75113"),
        replace(ANNE, birthplace="", birthcountry="99109"),
    ],
)
def test_a_homonym_who_differs_in_one_field_opens_nothing(scene, another):
    assert scene.arrive(Arrival("c" * 64, another)) == Unlinked()

    assert scene.link_of() is None
    assert scene.happened() == [(Event.FRANCECONNECT_UNMATCHED, None)]
    assert scene.told(Event.FRANCECONNECT_UNMATCHED) == {"why": Unmatched.NOBODY}
    assert scene.mails() == []


def test_what_is_no_date_equals_no_dossier_that_says_it_too(scene):
    scene.directory.pivots["account"] = replace(ANNE, birthdate="1950")

    assert scene.arrive(Arrival(SUB, replace(ANNE, birthdate="1950"))) == Unlinked()


def test_of_several_dossiers_the_member_chooses(scene):
    scene.add("survivor", "123456789", ANNE, Qualite.AYANT_DROIT)

    assert scene.arrive() == Choose(
        (
            DossierChoice("account", Qualite.AFFILIE, "67"),
            DossierChoice("survivor", Qualite.AYANT_DROIT, "89"),
        )
    )
    assert scene.link_of() is None
    assert scene.told(Event.FRANCECONNECT_SEVERAL) == {"dossiers": 2}
    assert scene.franceconnect.choices(HERS) == scene.arrive().choices
    assert scene.franceconnect.choices(THIEF) == ()

    assert scene.choose("survivor").account_id == "survivor"

    assert scene.link_of("survivor").rule is Rule.PIVOT
    assert scene.link_of() is None
    # The next time both again, one by its link, one by equality.
    assert len(scene.arrive().choices) == 2
    assert scene.choose("account") == SIGNED_IN


def test_a_dossier_linked_by_proof_is_offered_beside_the_one_that_equals(scene):
    scene.add("typo", "7654321", replace(ANNE, birthplace="13055"))
    scene.prove(account_id="typo")

    assert {choice.account_id for choice in scene.arrive().choices} == {"account", "typo"}


def test_a_choice_is_never_believed_forged_page(scene):
    scene.add("survivor", "123456789", ANNE, Qualite.AYANT_DROIT)
    scene.add("neighbour", "7654321", replace(ANNE, family_name="DURAND"))

    for forged in ("neighbour", "nobody", "", "a" * 5000):
        assert scene.denied(scene.choose, forged) == Refused.NOT_OFFERED
    # What a page said is in no account's story.
    assert {account_id for _, account_id in scene.happened()} == {None}

    scene.directory.pivots["survivor"] = replace(ANNE, birthdate="1951-05-12")
    assert scene.denied(scene.choose, "survivor") == Refused.NOT_OFFERED


# --- loose equality ------------------------------------------------------------------------------


def test_first_names_in_another_order_open_and_are_told(scene):
    scene.directory.pivots["account"] = replace(ANNE, given_names="MARIE ANNE LOUISE")

    assert scene.arrive() == SIGNED_IN
    assert scene.told(Event.FRANCECONNECT_LINKED)["given_names"] == "reordered"


def test_a_presumed_date_opens_and_is_told(scene):
    scene.directory.pivots["account"] = replace(ANNE, birthdate="1950-00-00")

    assert scene.arrive(Arrival(SUB, replace(ANNE, birthdate="1950-01-01"))) == SIGNED_IN
    assert scene.told(Event.SIGN_IN_SUCCEEDED)["birthdate"] == "presumed"


def test_the_exact_order_is_preferred_and_the_other_is_not_even_offered(scene):
    scene.add("twin", "7654321", replace(ANNE, given_names="MARIE ANNE LOUISE"))

    assert scene.arrive() == SIGNED_IN


def test_an_exact_dossier_that_is_closed_makes_no_room_for_a_loose_one(scene):
    scene.add("twin", "7654321", replace(ANNE, given_names="MARIE ANNE LOUISE"))
    scene.change(dossier_status=DossierStatus.CLOSED)

    assert scene.denied(scene.arrive) == Refused.NOT_ACTIVE


def test_loose_dossiers_that_agree_are_one_persons(scene):
    other = replace(ANNE, given_names="MARIE ANNE LOUISE")
    scene.directory.pivots["account"] = other
    scene.add("survivor", "123456789", replace(other, given_names="Marie-Anne Louise"))

    assert len(scene.arrive().choices) == 2


def test_loose_dossiers_that_do_not_agree_are_nobodys(scene):
    scene.directory.pivots["account"] = replace(ANNE, given_names="MARIE ANNE LOUISE")
    scene.add("twin", "7654321", replace(ANNE, given_names="LOUISE ANNE MARIE"))

    assert scene.arrive() == Unlinked()
    assert scene.told(Event.FRANCECONNECT_UNMATCHED) == {"why": Unmatched.AMBIGUOUS}


def test_more_dossiers_of_a_day_than_can_be_compared_are_nobodys(scene):
    for number in range(CANDIDATES):
        scene.add(f"n{number}", f"{number:07}", replace(ANNE, family_name="AUTRE"))

    assert scene.arrive() == Unlinked()
    assert scene.told(Event.FRANCECONNECT_UNMATCHED) == {"why": Unmatched.TOO_MANY}


# --- what is never opened ------------------------------------------------------------------------


@pytest.mark.parametrize("protection", [Protection.FROZEN, Protection.REOPENED])
@pytest.mark.parametrize("linked", [True, False])
def test_a_frozen_or_reopened_account_is_refused(scene, protection, linked):
    if linked:
        scene.arrive()
    scene.change(protection=protection)

    assert scene.denied(scene.arrive) == Refused.FROZEN
    assert scene.denied(scene.choose, "account") == Refused.NOT_OFFERED
    assert scene.denied(scene.prove) == Refused.FROZEN
    if linked:
        assert scene.denied(scene.confirm) == Refused.NOT_OFFERED


@pytest.mark.parametrize("status", [DossierStatus.CLOSED, DossierStatus.DECEASED])
@pytest.mark.parametrize("linked", [True, False])
def test_a_dossier_that_is_not_active_is_refused(scene, status, linked):
    if linked:
        scene.arrive()
    scene.change(dossier_status=status)

    assert scene.denied(scene.arrive) == Refused.NOT_ACTIVE
    assert scene.denied(scene.prove) == Refused.NOT_ACTIVE


def test_a_frozen_dossier_beside_another_is_not_offered_and_its_existence_not_told(scene):
    scene.add("survivor", "123456789", ANNE, Qualite.AYANT_DROIT, protection=Protection.FROZEN)

    assert scene.arrive() == SIGNED_IN


def test_an_account_that_changes_at_this_moment_is_refused(scene):
    find = scene.accounts.find

    def frozen_meanwhile(qualite, numero):
        account = find(qualite, numero)
        scene.change(protection=Protection.FROZEN)
        return account

    scene.accounts.find = frozen_meanwhile

    assert scene.denied(scene.arrive) == Refused.CHANGED_MEANWHILE
    assert scene.link_of() is None


def test_an_account_that_goes_away_at_this_moment_is_refused(scene):
    scene.accounts.find = lambda _qualite, _numero: None

    assert scene.denied(scene.arrive) == Refused.CHANGED_MEANWHILE


def test_a_link_that_ends_at_this_moment_opens_nothing(scene):
    scene.arrive()
    find = scene.accounts.find

    def unlinked_meanwhile(qualite, numero):
        scene.links.end("account", at=scene.clock(), why=Ending.MEMBER)
        return find(qualite, numero)

    scene.accounts.find = unlinked_meanwhile

    assert scene.denied(scene.arrive) == Refused.CHANGED_MEANWHILE


def test_what_is_unlinked_at_this_moment_is_not_linked_again_because_it_equals(scene):
    """Race: the member removes FranceConnect, and somebody who equals is on the way in."""
    scene.prove(THIEF)
    find = scene.accounts.find

    def unlinked_meanwhile(qualite, numero):
        scene.unlink()
        return find(qualite, numero)

    scene.accounts.find = unlinked_meanwhile

    assert scene.denied(scene.arrive) == Refused.CHANGED_MEANWHILE
    assert scene.link_of() is None


def test_a_link_that_somebody_makes_at_this_moment_is_not_overwritten(scene):
    scene.links.put = lambda _link: False

    assert scene.denied(scene.arrive) == Refused.CHANGED_MEANWHILE
    assert scene.denied(scene.prove) == Refused.CHANGED_MEANWHILE
    assert scene.mails() == []


# --- a changed sub -------------------------------------------------------------------------------


def test_a_changed_sub_is_linked_anew_by_equality_and_the_former_link_is_history(scene):
    scene.arrive()
    former = scene.link_of()

    assert scene.arrive(MARRIED) == SIGNED_IN

    assert scene.link_of().sub == MARRIED.sub
    (ended,) = scene.links.history("account")
    assert (ended.link, ended.why) == (former, Ending.RELINKED)
    assert scene.told(Event.FRANCECONNECT_RELINKED) == {
        "rule": "pivot",
        "by": "sign_in",
        "former": "pivot",
    }
    assert scene.mails() == [LINKED, LINKED]


def test_a_changed_sub_whose_civil_status_the_directory_does_not_have_is_linked_by_proof(scene):
    scene.arrive()
    renamed = Arrival("c" * 64, replace(ANNE, family_name="DURAND"))
    assert scene.arrive(renamed) == Unlinked()
    assert scene.link_of().sub == SUB

    signed_in = scene.prove(renamed)

    assert signed_in == SignedIn("account", 3, ("franceconnect", "pwd"), ACR_FRANCECONNECT)
    assert scene.told(Event.FRANCECONNECT_RELINKED) == {
        "rule": "proof",
        "by": "proof",
        "differs": "family_name",
        "former": "pivot",
    }
    assert scene.arrive(renamed) == SIGNED_IN


def test_the_digest_of_a_link_tells_two_identities_apart_and_nothing_of_either(scene):
    scene.arrive()
    scene.prove(Arrival("c" * 64, replace(ANNE, family_name="DURAND")))

    digests = {scene.link_of().pivot_digest, scene.links.history("account")[0].link.pivot_digest}

    assert len(digests) == 2
    assert all(len(digest) == 64 for digest in digests)


# --- proof ---------------------------------------------------------------------------------------


def test_a_proof_links_a_dossier_that_says_something_else(scene):
    scene.directory.pivots["account"] = replace(ANNE, birthplace="", given_names="ANNE")
    assert scene.arrive() == Unlinked()

    scene.prove()

    assert scene.link_of().rule is Rule.PROOF
    assert scene.told(Event.FRANCECONNECT_LINKED) == {
        "rule": "proof",
        "by": "proof",
        "differs": "given_names birthplace",
    }
    assert scene.mails() == [LINKED]
    assert scene.arrive() == SIGNED_IN


def test_a_proof_of_what_equals_rests_on_the_states_word(scene):
    scene.prove()

    assert scene.link_of().rule is Rule.PIVOT
    assert scene.told(Event.FRANCECONNECT_LINKED) == {"rule": "pivot", "by": "proof"}


def test_whom_the_dossier_names_is_its_person_and_nobody_else_is(scene):
    assert scene.franceconnect.is_theirs(HERS, "account")
    assert not scene.franceconnect.is_theirs(THIEF, "account")
    assert not scene.franceconnect.is_theirs(HERS, "nobody")


def test_a_proof_of_what_is_linked_already_changes_nothing(scene):
    scene.arrive()
    before = scene.happened()

    scene.prove()

    assert scene.happened() == before
    assert scene.mails() == [LINKED]


def test_a_proof_under_another_version_links_nothing(scene):
    assert scene.denied(scene.prove, THIEF, version=2) == Refused.CHANGED_MEANWHILE
    assert scene.link_of() is None


def test_a_proof_of_an_account_that_is_gone_links_nothing(scene):
    del scene.directory.pivots["account"]

    assert scene.denied(scene.prove) == Refused.CHANGED_MEANWHILE


def test_from_the_members_own_page_the_recent_session_is_the_proof(scene):
    scene.directory.pivots["account"] = replace(ANNE, birthplace="13055")

    scene.franceconnect.link(HERS, "account", 3, actor=BROWSER)

    assert scene.link_of().rule is Rule.PROOF
    assert scene.told(Event.FRANCECONNECT_LINKED)["by"] == "account"
    assert scene.account.last_sign_in_at is None


def test_one_person_links_a_few_dossiers_and_no_collection_of_stolen_passwords(scene):
    for number in range(LINKS_OF_SUB):
        scene.add(f"stolen{number}", f"77777{number:02}", ANNE)
        scene.prove(THIEF, f"stolen{number}", 1)

    assert scene.denied(scene.prove, THIEF) == Refused.TOO_MANY_LINKS
    assert scene.link_of() is None


# --- thieves -------------------------------------------------------------------------------------


def test_a_thief_with_the_password_links_himself_and_the_member_and_the_log_are_told(scene):
    scene.prove(THIEF)

    assert scene.mails() == [LINKED]
    assert scene.told(Event.FRANCECONNECT_LINKED)["differs"] == (
        "family_name given_names gender birthdate birthplace"
    )


def test_a_new_password_ends_what_a_thief_linked_with_the_old_one(scene):
    scene.prove(THIEF)
    assert scene.arrive(THIEF) == SIGNED_IN

    scene.choose_password()

    assert scene.arrive(THIEF) == Unlinked()
    assert scene.link_of() is None
    assert scene.denied(scene.confirm, arrival=THIEF) == Refused.NOT_LINKED


def test_a_freeze_ends_what_a_thief_linked(scene):
    scene.prove(THIEF)

    scene.freeze()

    assert scene.arrive(THIEF) == Unlinked()
    assert scene.link_of() is None


def test_theft_a_freeze_shuts_out_who_has_her_franceconnect_until_she_links_it_again(scene):
    """Attack: he came in by her account at an identity provider, and waits for the letter too."""
    assert not scene.freezing.outlook("account").unlinks
    scene.arrive()
    assert scene.freezing.outlook("account").unlinks
    scene.freeze()
    assert scene.denied(scene.prove) == Refused.FROZEN

    scene.choose_password()

    assert scene.arrive() == Unlinked()
    assert scene.told("franceconnect.unmatched") == {"why": Unmatched.BARRED}
    assert scene.told("account.frozen")["franceconnect"] == 1
    assert scene.prove().acr == ACR_FRANCECONNECT
    assert scene.arrive().amr == ("franceconnect",)


def test_the_member_who_arrives_takes_the_place_of_a_thief_who_linked_himself(scene):
    scene.prove(THIEF)

    assert scene.arrive() == SIGNED_IN

    assert scene.link_of().sub == SUB
    assert scene.arrive(THIEF) == Unlinked()
    assert scene.told(Event.FRANCECONNECT_RELINKED)["former"] == "proof"


def test_a_link_that_died_with_its_password_gives_way_to_a_new_proof(scene):
    scene.directory.pivots["account"] = replace(ANNE, birthplace="13055")
    scene.prove()
    scene.choose_password()
    assert scene.arrive() == Unlinked()

    assert scene.prove().credential_version == 4

    assert scene.link_of().credential_version == 4
    assert [event for event, _ in scene.happened()].count(Event.FRANCECONNECT_LINKED) == 2


# --- unlinking -----------------------------------------------------------------------------------


def test_what_a_member_unlinked_is_not_linked_again_at_the_next_click(scene):
    scene.arrive()

    assert scene.unlink()

    assert scene.link_of() is None
    assert scene.arrive() == Unlinked()
    assert scene.told(Event.FRANCECONNECT_UNMATCHED) == {"why": Unmatched.BARRED}
    assert scene.arrive(MARRIED) == Unlinked()
    assert scene.denied(scene.confirm) == Refused.NOT_LINKED
    assert scene.told(Event.FRANCECONNECT_UNLINKED) == {"why": "member", "rule": "pivot"}
    assert scene.mails() == [LINKED, UNLINKED]


@pytest.mark.parametrize("by", ["proof", "account"])
def test_until_the_member_links_it_again(scene, by):
    scene.arrive()
    scene.unlink()

    if by == "proof":
        scene.prove()
    else:
        scene.franceconnect.link(HERS, "account", 3, actor=BROWSER)

    assert scene.arrive() == SIGNED_IN


def test_where_nothing_is_linked_there_is_nothing_to_unlink(scene):
    assert not scene.unlink()
    assert scene.happened() == []

    scene.prove(THIEF)
    scene.choose_password()
    assert not scene.unlink()


def test_of_two_who_unlink_at_once_one_is_told(scene):
    scene.arrive()
    scene.links.end = lambda *_words, **_named: None

    assert not scene.unlink()
    assert Event.FRANCECONNECT_UNLINKED not in [event for event, _ in scene.happened()]


def test_the_help_desk_unlinks_under_a_name_and_with_a_reason(scene):
    scene.arrive()

    assert scene.linking.unlink("account", Ending.HELP_DESK, actor=BROWSER, reason="appel reçu")

    assert scene.told(Event.FRANCECONNECT_UNLINKED) == {
        "why": "help_desk",
        "rule": "pivot",
        "reason": "appel reçu",
    }
    assert scene.arrive() == Unlinked()


# --- signing in again ----------------------------------------------------------------------------


def test_who_is_linked_confirms_and_nobody_else(scene):
    assert scene.denied(scene.confirm) == Refused.NOT_LINKED
    scene.arrive()

    assert scene.confirm() == SIGNED_IN
    assert scene.denied(scene.confirm, arrival=THIEF) == Refused.NOT_OFFERED
    assert scene.confirm(arrival=MARRIED) == SIGNED_IN
    assert scene.link_of().sub == MARRIED.sub


# --- what such a sign-in does to the account -----------------------------------------------------


def test_it_lifts_the_waiting_time_of_the_account_and_knows_the_browser(scene):
    for _ in range(5):
        scene.refused(clear=WRONG)
    subject = subject_of(DECOY_KEY, Qualite.AFFILIE, NUMERO)
    assert scene.attempts.look(subject).until is not None

    scene.arrive(device="tablet")

    assert scene.attempts.look(subject).until is None
    assert scene.attempts.reserve(subject, Origin(HERE.network, "tablet")).known_device


def test_it_counts_as_a_sign_in_of_the_account(scene):
    scene.change(last_sign_in_at=REDESIGN + timedelta(days=1))

    scene.arrive()

    assert scene.account.last_sign_in_at == scene.clock()


@pytest.mark.parametrize("last", [REDESIGN - timedelta(days=1), None])
def test_an_old_password_that_must_be_reset_does_not_come_to_life_by_franceconnect(scene, last):
    scene.change(password=BCRYPT, last_sign_in_at=last)
    scene.refused()
    assert scene.told(Event.SIGN_IN_REFUSED)["cause"] == Cause.MUST_RESET

    scene.arrive()
    scene.confirm()

    assert scene.account.last_sign_in_at == last
    scene.refused()
    assert scene.told(Event.SIGN_IN_REFUSED)["cause"] == Cause.MUST_RESET


def test_nor_does_one_that_an_import_brings_after_a_sign_in_through_franceconnect(scene):
    scene.change(password=None)
    assert scene.arrive() == SIGNED_IN

    scene.change(password=BCRYPT)

    scene.refused()
    assert scene.told(Event.SIGN_IN_REFUSED)["cause"] == Cause.MUST_RESET


@pytest.mark.parametrize("store", ["accounts", "links", "directory", "attempts"])
def test_without_a_store_there_is_no_verdict(scene, store):
    getattr(scene, store).away = True

    with pytest.raises(StoreUnavailable):
        scene.arrive()


# --- from which browser --------------------------------------------------------------------------


def test_theft_whoever_has_her_franceconnect_comes_by_a_browser_that_she_reads_of(scene):
    """Attack: a stolen account of an identity provider opens the dossier, and nobody notices."""
    scene.arrive(device="phone")
    scene.arrive(device="phone")
    assert scene.mails() == [LINKED]

    scene.arrive(device="thief")
    scene.arrive(device="another of the thief")

    assert scene.mails() == [LINKED, (Kind.NEW_BROWSER, "account")]


def test_a_confirmation_tells_of_no_browser_for_it_was_signed_in_by_one(scene):
    scene.arrive(device="phone")
    scene.confirm()

    assert scene.mails() == [LINKED]


def test_an_installation_may_tell_of_no_browser(scene):
    scene.franceconnect = replace(scene.franceconnect, notices=None)
    scene.arrive(device="phone")
    scene.arrive(device="thief")

    assert scene.mails() == [LINKED]
