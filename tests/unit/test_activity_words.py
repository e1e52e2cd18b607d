"""What a member reads of the audit log, on the page and in their own copy."""

from datetime import UTC
from datetime import datetime

import pytest

from idp.audit import Event
from idp.identity.audit_trail import UNTOLD
from idp.identity.audit_trail import PastEvent
from idp.identity.outbox import Kind
from idp.identity.timeline_words import words_of
from idp.web.account_devices import network_shown
from idp.web.activity_words import OTHER
from idp.web.activity_words import days_of
from idp.web.activity_words import told_alone

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def past(event: str, **detail: str | int) -> PastEvent:
    return PastEvent(NOON, event, "", "jean.dupont", detail)


def test_what_the_help_desk_can_tell_of_an_account_the_copy_tells_in_words_for_a_member():
    known = [
        event
        for event in set(Event) - set(UNTOLD)
        if not words_of(past(event)).startswith("Événement")
    ]

    assert len(known) > 20
    assert [event for event in known if told_alone(past(event)) == OTHER] == []


def test_the_copy_names_no_cause_no_streak_and_no_operator():
    refused = past(Event.SIGN_IN_REFUSED, cause="wrong_password", streak=3, known_device=0)

    assert str(told_alone(refused)) == "Essai de connexion manqué"
    assert str(told_alone(past(Event.ACCOUNT_FROZEN))) == "Espace bloqué par nos services"


def test_the_copy_has_each_event_where_the_page_counts_or_leaves_out():
    code = past(Event.NOTICE_SENT, kind=Kind.ADDRESS_CODE)

    assert days_of([code], since=datetime(2026, 1, 1, tzinfo=UTC)) == []
    assert str(told_alone(code)) == "Nous vous avons écrit"
    assert told_alone(past("of.a.later.version")) == OTHER


@pytest.mark.parametrize(
    ("network", "shown"),
    [
        ("203.0.113.0/24", "203.0.113.…"),
        ("2001:db8:7::/48", "2001:db8:7:…"),
        ("::/48", ""),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_of_a_network_the_page_shows_what_is_left_of_it_or_nothing(network, shown):
    assert network_shown(network) == shown
