from dataclasses import replace

import pytest

from idp.oidc.authorize import RefusedByRedirect
from idp.oidc.authorize import check
from idp.oidc.levels import check_level
from idp.oidc.next_step import NextStep
from idp.oidc.next_step import next_step
from idp.oidc.params import Params
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
