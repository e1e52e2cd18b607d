"""Consent without HTTP: what is missing, what stands behind a token, what a service has."""

from dataclasses import replace
from datetime import timedelta

import pytest

from idp.oidc.consent import Access
from idp.oidc.consent import Accesses
from idp.oidc.consent import Consent
from idp.oidc.consent import ConsentRule
from idp.oidc.refresh import Family
from idp.oidc.refresh import RefreshTokens
from tests.fake_consents import MemoryConsents
from tests.fake_refresh_families import MemoryRefreshFamilies
from tests.fakes import MemoryClients
from tests.fakes import MemoryCodes
from tests.fakes import MemorySessions
from tests.fakes import authorization
from tests.fakes import client
from tests.instance import NOON
from tests.instance import Clock
from tests.unit.oidc.test_refresh import OFFLINE
from tests.unit.oidc.test_refresh import SCOPE
from tests.unit.oidc.test_refresh import OfflineScene

DAY = timedelta(days=1)
OWN = client(client_id="caisse", client_name="Caisse")
AGENDA = client(client_id="agenda", client_name="Agenda", first_party=False)
BANQUE = client(client_id="banque", client_name="Banque", first_party=False)


@pytest.fixture
def consents():
    return MemoryConsents()


@pytest.fixture
def rule(consents):
    return ConsentRule(consents)


def test_a_service_of_the_fund_misses_nothing_whatever_it_asks(rule):
    assert rule.missing(OWN, "account", ("openid", "dossier")) == ()


def test_what_is_missing_keeps_the_order_in_which_it_is_asked(rule, consents):
    consents.grant("account", "agenda", ("profile",), NOON)

    asked = ("openid", "profile", "email")
    assert rule.missing(AGENDA, "account", asked) == ("openid", "email")
    assert rule.missing(AGENDA, "other", asked) == asked
    assert rule.missing(BANQUE, "account", asked) == asked


def test_an_authorization_stands_while_all_of_it_is_granted(rule, consents):
    given = authorization(client_id="agenda", scope=("openid", "profile"))
    assert not rule.stands_behind(given, AGENDA)

    consents.grant("account", "agenda", ("openid", "profile", "email"), NOON)
    assert rule.stands_behind(given, AGENDA)
    assert not rule.stands_behind(replace(given, scope=("openid", "dossier")), AGENDA)

    consents.end("account", "agenda")
    assert not rule.stands_behind(given, AGENDA)


def family(number, client_id="agenda", **changes):
    given = authorization(client_id=client_id, scope=("openid", "offline_access"))
    values = {
        "id": str(number) * 43,
        "authorization": given,
        "grant_id": str(number) * 24,
        "token_hash": str(number) * 43,
        "former_hash": "",
        "started_at": NOON + number * DAY,
        "rotated_at": NOON + number * DAY,
        "expires_at": NOON + 30 * DAY,
        **changes,
    }
    return Family(**values)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def accesses(consents, clock):
    codes = MemoryCodes(MemorySessions(idle=DAY, now=clock), tombstone=DAY, now=clock)
    refresh_tokens = RefreshTokens(
        MemoryRefreshFamilies(),
        codes,
        idle=30 * DAY,
        absolute=180 * DAY,
        access_token_lifetime=DAY,
        now=clock,
    )
    return Accesses(consents, refresh_tokens, MemoryClients(OWN, BANQUE, AGENDA), clock)


def test_services_are_told_by_name_with_their_consent_and_their_families(accesses, consents):
    first, second, own = family(1), family(2), family(3, "caisse")
    for kept in (second, first, own):
        accesses.refresh_tokens.families.start(kept)
    consents.grant("account", "agenda", ("openid",), NOON)
    consents.grant("account", "banque", ("openid",), NOON)

    assert accesses.of_account("account", 3) == [
        Access(AGENDA, Consent("account", "agenda", ("openid",), NOON), (first, second)),
        Access(BANQUE, Consent("account", "banque", ("openid",), NOON), ()),
        Access(OWN, None, (own,)),
    ]
    assert accesses.of_account("other", 3) == []


def test_a_family_of_a_former_password_or_past_its_time_is_no_access(accesses, clock):
    accesses.refresh_tokens.families.start(family(1))

    assert accesses.of_account("account", 4) == []
    assert accesses.of_account("account", 3)
    clock.advance(30 * DAY)
    assert accesses.of_account("account", 3) == []


def test_what_is_of_a_service_that_is_gone_is_not_told(accesses, consents):
    consents.grant("account", "retire", ("openid",), NOON)

    assert accesses.of_account("account", 3) == []


def test_a_consent_to_what_became_a_service_of_the_fund_is_not_told(accesses, consents):
    consents.grant("account", "caisse", ("openid",), NOON)

    assert accesses.of_account("account", 3) == []


def test_taking_back_ends_the_consent_the_families_and_their_grants(accesses, consents):
    offline = family(1)
    accesses.refresh_tokens.families.start(offline)
    accesses.refresh_tokens.codes.renew(offline.grant_id, offline.authorization, lifetime=DAY)
    consents.grant("account", "agenda", ("openid",), NOON)

    assert accesses.take_back("account", "agenda") == (True, 1)

    assert accesses.take_back("account", "agenda") == (False, 0)
    assert accesses.refresh_tokens.codes.grant(offline.grant_id) is None
    assert consents.granted("account", "agenda") == frozenset()


class ConsentScene(OfflineScene):
    """A member's sign-in that went on at a service which then asks for consent."""

    def __init__(self):
        super().__init__()
        self.clients.add(replace(OFFLINE, first_party=False))

    @property
    def consents(self):
        return self.consent_rule.consents

    def is_active(self, token):
        return self.introspect(token).body["active"]


@pytest.fixture
def scene():
    return ConsentScene()


def test_without_consent_no_token_opens_anything(scene):
    access_token = scene.first.body["access_token"]

    assert not scene.works(access_token)
    assert not scene.is_active(access_token)
    assert not scene.is_active(scene.token)


def test_with_consent_every_token_does_what_it_is_for(scene):
    scene.consents.grant("account", "cotisations", SCOPE, NOON)

    assert scene.works(scene.first.body["access_token"])
    assert scene.is_active(scene.first.body["access_token"])
    assert scene.is_active(scene.token)
    assert scene.refresh().status == 200


def test_a_refresh_without_consent_ends_its_family(scene):
    answer = scene.refresh()

    assert (answer.status, answer.body["error"]) == (400, "invalid_grant")
    scene.consents.grant("account", "cotisations", SCOPE, NOON)
    assert scene.refresh().body["error"] == "invalid_grant"


def test_a_code_without_consent_gives_nothing(scene):
    scene.issue("late", scope=SCOPE)

    refused = scene.ask(code="late")

    assert refused.body["error"] == "invalid_grant"
    assert (
        refused.body["error_description"] == "The member took back the consent behind this grant."
    )
