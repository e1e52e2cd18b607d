"""The notifier's loop: what it does when stores are away or something nobody foresaw happens."""

import logging
from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace

import pytest

from idp import StoreUnavailable
from idp.notifier import AFTER_FAILURE
from idp.notifier import RESTS
from idp.notifier import Notifier
from idp.oidc.backchannel_logout import LogoutNotice
from idp.oidc.backchannel_logout import Outcome
from idp.oidc.backchannel_logout import Told
from idp.promise import PromiseState
from tests.instance import NOON
from tests.instance import Clock

POLL = timedelta(seconds=1)


def notice(number, client_id="cotisations"):
    return LogoutNotice(
        number, client_id, "account", "sid", PromiseState.WAITING, NOON, NOON, 1, "lease"
    )


SENT = Told(Outcome.SENT)


class Script:
    """Claims and outcomes that are written beforehand."""

    def __init__(self, *claims, outcome=SENT):
        self.claims, self.outcome = list(claims), outcome
        self.left_alone, self.sent = [], []

    def claim(self, *, without=()):
        self.left_alone.append(set(without))
        turn = self.claims.pop(0) if self.claims else None
        if isinstance(turn, Exception):
            raise turn
        return turn

    def send(self, claimed):
        self.sent.append(claimed.id)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def notifier_of(clock):
    def make(script, **how):
        parts = SimpleNamespace(
            settings=SimpleNamespace(outbox_poll=POLL),
            now=clock,
            flask=SimpleNamespace(app_context=nullcontext),
        )
        return Notifier(parts, script, **how)

    return make


@pytest.mark.parametrize("fault", [StoreUnavailable("SQL: gone"), ValueError("a secret")])
def test_a_claim_that_fails_is_tried_again_soon(notifier_of, caplog, fault):
    assert notifier_of(Script(fault)).deliver() == AFTER_FAILURE
    assert "notices put off" in caplog.text
    assert "a secret" not in caplog.text


@pytest.mark.parametrize("fault", [StoreUnavailable("SQL: gone"), ValueError("a secret")])
def test_a_notice_that_fails_keeps_no_other_and_its_service_rests(notifier_of, caplog, fault):
    script = Script(notice(1), outcome=fault)
    notifier = notifier_of(script)

    notifier.deliver_all()

    assert script.sent == [1]
    assert script.left_alone[-1] == {"cotisations"}
    assert "a secret" not in caplog.text


def test_a_service_that_does_not_answer_rests_longer_each_time_and_no_more_once_it_did(
    notifier_of, clock
):
    script = Script(outcome=Told(Outcome.PUT_OFF, "service_timeout", away=True))
    notifier = notifier_of(script)
    for rest in (*RESTS, RESTS[-1]):
        script.claims.append(notice(1))
        notifier.deliver_all()
        clock.advance(rest - timedelta(seconds=1))
        notifier.deliver()
        assert script.left_alone[-1] == {"cotisations"}
        clock.advance(timedelta(seconds=1))
        notifier.deliver()
        assert script.left_alone[-1] == set()

    script.outcome = SENT
    script.claims.append(notice(1))
    notifier.deliver_all()
    script.outcome = Told(Outcome.PUT_OFF, "service_timeout", away=True)
    script.claims.append(notice(1))
    notifier.deliver_all()
    clock.advance(RESTS[0])
    notifier.deliver()
    assert script.left_alone[-1] == set()


def test_each_outcome_is_one_line_and_a_dead_one_an_error(notifier_of, caplog):
    caplog.set_level(logging.INFO, "idp.worker")
    for told in (
        SENT,
        Told(Outcome.DROPPED, "no_address"),
        Told(Outcome.PUT_OFF, "answer_503", away=True),
        Told(Outcome.DEAD, "answer_400"),
    ):
        notifier_of(Script(notice(1_234_567), outcome=told)).deliver_all()

    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("INFO", "outbox row 1_234_567: logout to cotisations: sent"),
        ("WARNING", "outbox row 1_234_567: logout to cotisations: dropped no_address"),
        ("WARNING", "outbox row 1_234_567: logout to cotisations: put_off answer_503"),
        ("ERROR", "outbox row 1_234_567: logout to cotisations: dead answer_400"),
    ]


def test_it_stops_when_it_is_told_to(notifier_of):
    waits = []
    notifier = notifier_of(Script(), wait=lambda span: (waits.append(span), notifier.stop()))

    notifier.run()

    assert waits == [POLL]
    assert notifier.deliver() == POLL
