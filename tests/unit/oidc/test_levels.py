from dataclasses import replace
from datetime import timedelta

import pytest

from idp.oidc.authorize import check
from idp.oidc.levels import check_level
from idp.oidc.next_step import NextStep
from idp.oidc.next_step import Standing
from idp.oidc.next_step import next_step
from idp.oidc.params import Params
from idp.oidc.return_address import RefusedByRedirect
from idp.session import Session
from tests.fakes import MemoryClients
from tests.fakes import client
from tests.instance import NOON
from tests.unit.oidc.test_authorize import GOOD

INSISTS = '{"id_token": {"acr": {"essential": true, "values": ["high", "higher"]}}}'
WISHES = '{"id_token": {"acr": {"values": ["high"]}}}'


def asking(**parameters):
    return check(Params.of((GOOD | parameters).items()), MemoryClients(client()))


@pytest.mark.parametrize("reached", [["high"], ["low", "higher"]])
def test_a_level_that_can_be_reached_may_be_insisted_on(reached):
    check_level(asking(claims=INSISTS), reached)


@pytest.mark.parametrize("reached", [["low"], []])
def test_a_level_that_nobody_reaches_is_told_to_the_service(reached):
    with pytest.raises(RefusedByRedirect) as refusal:
        check_level(asking(claims=INSISTS), reached)

    assert refusal.value.error == "unmet_authentication_requirements"
    assert refusal.value.back.state == GOOD["state"]


@pytest.mark.parametrize("wish", [{}, {"claims": WISHES}, {"acr_values": "high"}])
def test_a_level_that_is_only_wished_for_refuses_nothing(wish):
    check_level(asking(**wish), ["low"])


def test_a_session_below_the_level_that_is_insisted_on_is_not_enough():
    low = Session("account", 3, ("pwd",), "low", NOON, NOON)
    high = replace(low, acr="high")

    def step(session):
        return next_step(asking(claims=INSISTS), session, requested_at=NOON, now=NOON)

    assert (step(low), step(high)) == (NextStep.SIGN_IN, NextStep.ISSUE_CODE)


class TestALevelThatIsWishedFor:
    def test_is_one_of_those_that_a_sign_in_here_reaches(self):
        asked = asking(acr_values="high unknown")

        assert asked.acr_values == ("high", "unknown")
        assert asked.wishes_another_level("low", ["low", "high"])
        assert not asked.wishes_another_level("high", ["low", "high"])
        assert not asked.wishes_another_level("low", ["low"])
        assert not asking().wishes_another_level("low", ["low", "high"])

    def test_is_asked_for_once_and_whatever_one_signs_in_with_answers(self):
        later = NOON + timedelta(seconds=1)
        wished = Standing(another_level_is_wished=True)

        def step(signed_in_at, **parameters):
            session = Session(
                "account", 1, ("pwd",), "low", signed_in_at, NOON + timedelta(hours=8)
            )
            request = asking(acr_values="high", **parameters)
            return next_step(request, session, requested_at=NOON, now=later, standing=wished)

        assert step(NOON - timedelta(minutes=1)) is NextStep.SIGN_IN
        assert step(later) is NextStep.ISSUE_CODE
        # Without a page nobody can be asked, and a wish refuses nothing.
        assert step(NOON - timedelta(minutes=1), prompt="none") is NextStep.ISSUE_CODE


def test_where_one_would_have_the_person_sign_in_travels_with_the_request():
    assert asking(idp_hint="franceconnect").idp_hint == "franceconnect"
    assert asking().idp_hint == ""
