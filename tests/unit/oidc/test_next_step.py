from dataclasses import replace
from datetime import timedelta

import pytest

from idp.oidc.next_step import NextStep
from idp.oidc.next_step import Standing
from idp.oidc.next_step import next_step
from idp.oidc.refusals import finding_of
from idp.oidc.return_address import RefusedByRedirect
from idp.session import Session
from tests.instance import NOON
from tests.unit.oidc.test_authorize import GOOD
from tests.unit.oidc.test_authorize import run

SECOND = timedelta(seconds=1)
THIRD_PARTY = {"first_party": False}
LEVEL = '{"id_token": {"acr": {"essential": true, "value": "urn:example:higher"}}}'


def session(age=timedelta(0)):
    """A session opened ``age`` ago."""
    signed_in_at = NOON - age
    return Session("account", 3, ("pwd",), "acr", signed_in_at, signed_in_at + timedelta(hours=8))


def step(request, session, *, requested_at=NOON, now=NOON, **standing):
    return next_step(
        request, session, requested_at=requested_at, now=now, standing=Standing(**standing)
    )


NATIVE = {"redirect_uris": ("http://127.0.0.1/cb",), "token_endpoint_auth_method": "none"}


def native(**changes):
    """A request of an application on the member's device."""
    return run(NATIVE, redirect_uri="http://127.0.0.1:51004/cb", **changes)


class TestAnApplicationOfTheDevice:
    def test_is_answered_by_nothing_that_the_member_has_not_seen_asked(self):
        assert step(native(), session(SECOND)) is NextStep.SELECT_ACCOUNT
        assert step(native(), session(SECOND), selected=True) is NextStep.ISSUE_CODE

    def test_is_answered_after_a_sign_in_for_it(self):
        later = replace(session(), auth_time=NOON + SECOND)

        assert step(native(), None) is NextStep.SIGN_IN
        assert step(native(), later, now=NOON + SECOND) is NextStep.ISSUE_CODE

    def test_attack_another_application_asks_without_a_page_and_gets_no_code(self):
        with pytest.raises(RefusedByRedirect) as refusal:
            step(native(prompt="none"), session(SECOND))

        assert refusal.value.error == "interaction_required"


class TestNextStep:
    def test_another_person_than_the_hinted_one_signing_in_is_refused_not_asked_for_ever(self):
        later = replace(session(), auth_time=NOON + SECOND)

        with pytest.raises(RefusedByRedirect) as refusal:
            step(run(), later, now=NOON + SECOND, another_is_hinted=True)

        assert refusal.value.error == "login_required"

    def test_without_a_session_one_signs_in(self):
        assert step(run(), None) is NextStep.SIGN_IN

    @pytest.mark.parametrize("prompt", [None, "none", "consent"])
    def test_with_a_session_a_code_is_issued(self, prompt):
        assert step(run(prompt=prompt), session(timedelta(hours=7))) is NextStep.ISSUE_CODE

    @pytest.mark.parametrize("prompt", ["login", "login select_account", "login consent"])
    def test_a_prompt_for_the_person_wants_a_sign_in_after_the_request(self, prompt):
        request = run(prompt=prompt)

        assert step(request, session(SECOND)) is NextStep.SIGN_IN
        assert step(request, session()) is NextStep.SIGN_IN
        later = replace(session(), auth_time=NOON + SECOND)
        assert step(request, later, now=NOON + SECOND) is NextStep.ISSUE_CODE

    def test_a_choice_of_account_is_asked_of_who_is_signed_in_and_answered_once(self):
        request = run(prompt="select_account")

        assert step(request, session(SECOND)) is NextStep.SELECT_ACCOUNT
        assert step(request, session(SECOND), selected=True) is NextStep.ISSUE_CODE
        assert step(request, None) is NextStep.SIGN_IN

    def test_a_sign_in_after_the_request_is_a_choice_of_account_too(self):
        later = replace(session(), auth_time=NOON + SECOND)

        assert step(run(prompt="select_account"), later) is NextStep.ISSUE_CODE

    def test_a_session_too_old_is_not_offered_as_a_choice(self):
        request = run(prompt="select_account", max_age="60")

        assert step(request, session(61 * SECOND)) is NextStep.SIGN_IN
        assert step(request, session(61 * SECOND), selected=True) is NextStep.SIGN_IN
        assert step(request, session(60 * SECOND)) is NextStep.SELECT_ACCOUNT

    def test_who_is_another_than_the_hinted_one_is_not_offered_as_a_choice(self):
        request = run(prompt="select_account")

        assert step(request, session(SECOND), another_is_hinted=True) is NextStep.SIGN_IN

    def test_prompt_create_leads_to_the_first_connection_session_or_not(self):
        request = run(prompt="create")

        assert step(request, None) is NextStep.REGISTER
        assert step(request, session(SECOND)) is NextStep.REGISTER
        later = replace(session(), auth_time=NOON + SECOND)
        assert step(request, later) is NextStep.ISSUE_CODE

    def test_what_is_not_granted_is_asked_for_once_everything_else_is_settled(self):
        missing = {"must_consent": True}

        assert step(run(), None, **missing) is NextStep.SIGN_IN
        assert step(run(), session(), **missing) is NextStep.ASK_CONSENT
        chosen = run(prompt="select_account consent")
        assert step(chosen, session(SECOND), **missing) is NextStep.SELECT_ACCOUNT
        assert step(chosen, session(SECOND), selected=True, **missing) is NextStep.ASK_CONSENT

    def test_an_answer_does_not_stand_for_a_grant_that_was_taken_back_meanwhile(self):
        assert step(run(), session(), must_consent=True, consented=True) is NextStep.ASK_CONSENT

    def test_prompt_consent_asks_for_what_is_granted_already_and_takes_the_answer(self):
        request = run(THIRD_PARTY, prompt="consent")

        assert step(request, session()) is NextStep.ASK_CONSENT
        assert step(request, session(), consented=True) is NextStep.ISSUE_CODE
        assert step(run(THIRD_PARTY), session()) is NextStep.ISSUE_CODE

    def test_x7_prompt_consent_passes_for_a_service_of_the_fund(self):
        assert step(run(prompt="consent"), session()) is NextStep.ISSUE_CODE

    def test_prompt_none_where_consent_is_missing_is_consent_required(self):
        with pytest.raises(RefusedByRedirect) as refusal:
            step(run(THIRD_PARTY, prompt="none"), session(), must_consent=True)

        assert (refusal.value.error, refusal.value.back.state) == (
            "consent_required",
            GOOD["state"],
        )

    def test_prompt_none_without_a_session_asks_nobody(self):
        with pytest.raises(RefusedByRedirect) as refusal:
            step(run(prompt="none"), None)

        assert (refusal.value.error, refusal.value.back.state) == ("login_required", GOOD["state"])

    def test_prompt_none_with_a_session_too_old_asks_nobody(self):
        with pytest.raises(RefusedByRedirect) as refusal:
            step(run(prompt="none", max_age="60"), session(61 * SECOND))

        assert refusal.value.error == "login_required"

    @pytest.mark.parametrize(
        ("changes", "there", "another", "found"),
        [
            ({}, None, False, "none"),
            ({}, session(), True, "one of another person"),
            ({"claims": LEVEL}, session(), False, "one of acr"),
            ({"max_age": "60"}, session(61 * SECOND), False, "one 61 seconds ago"),
        ],
    )
    def test_operators_are_told_which_session_there_was(self, changes, there, another, found):
        with pytest.raises(RefusedByRedirect) as refusal:
            step(run(prompt="none", **changes), there, another_is_hinted=another)

        assert refusal.value.error == "login_required"
        assert finding_of(refusal.value).found == found

    def test_max_age_holds_up_to_its_second(self):
        request = run(max_age="60")

        assert step(request, session(60 * SECOND)) is NextStep.ISSUE_CODE
        assert step(request, session(60 * SECOND + SECOND / 1000)) is NextStep.SIGN_IN

    def test_max_age_zero_wants_a_sign_in_and_takes_the_one_that_follows(self):
        request = run(max_age="0")

        assert step(request, session(SECOND)) is NextStep.SIGN_IN
        slow = replace(session(), auth_time=NOON + 10 * SECOND)
        assert step(request, slow, now=NOON + 15 * SECOND) is NextStep.ISSUE_CODE

    def test_the_registrations_default_bounds_a_session_too(self):
        request = run({"default_max_age": 60})

        assert step(request, session(61 * SECOND)) is NextStep.SIGN_IN
