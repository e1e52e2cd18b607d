"""Consent: what a member lets a service of others know, asked once, refused without trace."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from lxml import html as lxml_html  # type: ignore[import-untyped]
from sqlalchemy import delete

from idp.infra.tables import DossierRow
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import answer_of
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of
from tests.third_party import BACK
from tests.third_party import OFFLINE
from tests.third_party import SCOPE
from tests.third_party import ThirdParty
from tests.third_party import asks_consent

SECOND = timedelta(seconds=1)


@pytest.fixture
def here(instance: Instance) -> ThirdParty:
    return ThirdParty(instance)


def test_a_service_of_others_gets_nothing_before_the_member_accepts(here: ThirdParty) -> None:
    page = here.sign_in()

    assert asks_consent(page)
    assert urlsplit(form_action(page)).path == "/consentement"
    assert here.granted() == frozenset()

    answer = answer_of(here.answer(page))

    assert answer["state"] == here.service.state
    assert here.granted() == set(SCOPE.split())
    tokens = here.visitor.redeem(here.service, answer["code"]).get_json()
    assert here.visitor.userinfo(tokens["access_token"]).get_json()["numero_dossier"] == "1234567"


def test_the_page_says_who_asks_for_what_in_plain_words(instance: Instance) -> None:
    here = ThirdParty(
        instance,
        policy_uri="https://agenda.example/confidentialite",
        tos_uri="https://agenda.example/conditions",
        logo_uri="https://agenda.example/logo.png",
    )

    page = here.sign_in(scope="openid profile email dossier offline_access")
    text = text_of(page)

    assert "« Mon agenda » (agenda.example) n’est pas un service de la CARPIMKO" in text
    assert "Anne LEFÈVRE, Affilié" in text
    assert "Aujourd’hui : Anne LEFÈVRE, 14/03/1978" in text
    assert "Aujourd’hui : a***ne@e*****.fr" in text
    assert "numéro terminé par 67, cotisant" in text
    assert "pendant 180 jours au plus" in text
    assert "même après votre déconnexion" in text
    assert "1234567" not in text
    assert "logo.png" not in page.text  # the pages load nothing from elsewhere
    links = lxml_html.fromstring(page.text).xpath("//a[@target='_blank']")
    assert {link.get("href") for link in links} == {
        "https://agenda.example/confidentialite",
        "https://agenda.example/conditions",
    }
    assert all(link.get("rel") == "noopener noreferrer" for link in links)


def test_what_the_directory_does_not_know_is_told_as_such(instance: Instance) -> None:
    here = ThirdParty(instance, scope=frozenset({"openid", "address", "phone", "api:lire"}))
    somebody = here.instance.add_person(
        "ayant_droit", "7654321", phone="06 12 34 56 78", address_2="3 RUE HAUTE",
        address_3="75012 PARIS",
    )  # fmt: skip

    unknown = text_of(here.sign_in(scope="openid address phone api:lire"))
    here.person = somebody
    here.visitor = here.instance.visitor()
    known = text_of(here.sign_in(scope="openid address phone api:lire"))

    assert unknown.count("Aujourd’hui : nous ne l’avons pas, rien n’est transmis") == 2
    assert "Aujourd’hui : 75012 PARIS" in known
    assert "le numéro qui se termine par 78" in known
    assert "Un accès à un autre service : api:lire" in known


def test_b19_what_is_granted_is_not_asked_for_again_and_prompt_none_is_silent(
    here: ThirdParty,
) -> None:
    here.consent()

    assert "code" in answer_of(here.ask())
    assert "code" in answer_of(here.ask(prompt="none"))
    assert "code" in answer_of(here.ask(prompt="none", scope="openid"))
    here.visitor.restart()
    assert "code" in answer_of(here.sign_in())


def test_b18_x7_prompt_none_without_consent_is_consent_required(here: ThirdParty) -> None:
    here.sign_in()

    refused = answer_of(here.ask(prompt="none"))

    assert refused["error"] == "consent_required"
    assert refused["state"] == here.service.state
    assert refused["iss"] == here.instance.settings.issuer


def test_only_what_is_not_yet_granted_is_asked_for(here: ThirdParty) -> None:
    here.consent(scope="openid profile")

    page = here.ask(scope="openid profile email")

    assert asks_consent(page)
    titles = lxml_html.fromstring(page.text).xpath("//ul[@class='gifts']//strong")
    assert [title.text for title in titles] == ["Votre adresse mail"]
    assert "Vous lui aviez déjà permis : vous reconnaître, votre identité." in text_of(page)
    assert "code" in answer_of(here.answer(page))
    assert here.granted() == {"openid", "profile", "email"}


def test_prompt_none_for_more_than_was_granted_is_consent_required(here: ThirdParty) -> None:
    here.consent(scope="openid profile")

    refused = answer_of(here.ask(scope="openid profile email", prompt="none"))

    assert refused["error"] == "consent_required"


def test_b38_x7_prompt_consent_asks_again_for_what_is_granted(here: ThirdParty) -> None:
    here.consent(scope=OFFLINE, prompt="consent")

    page = here.ask(scope=OFFLINE, prompt="consent")

    assert asks_consent(page)
    assert "Garder cet accès en votre absence" in text_of(page)
    assert "déjà permis" not in text_of(page)
    assert "code" in answer_of(here.answer(page))


def test_b38_x7_a_service_of_the_fund_passes_with_prompt_consent(
    instance: Instance, here: ThirdParty
) -> None:
    own = instance.add_service("cotisations")

    assert "code" in answer_of(here.visitor.sign_in(here.person, own, prompt="consent"))


def test_b38_a_service_of_others_refreshes_with_consent_to_offline_access(
    here: ThirdParty,
) -> None:
    tokens = here.tokens(scope=OFFLINE, prompt="consent")
    here.visitor.restart()
    here.instance.clock.advance(timedelta(days=2))

    assert here.refresh(tokens["refresh_token"]).status_code == 200


def test_a_refusal_returns_access_denied_and_grants_nothing(here: ThirdParty) -> None:
    refused = answer_of(here.answer(here.sign_in(), "refuser"))

    assert refused["error"] == "access_denied"
    assert refused["state"] == here.service.state
    assert refused["iss"] == here.instance.settings.issuer
    assert "code" not in refused
    assert here.granted() == frozenset()
    assert asks_consent(here.ask())


def test_a_refusal_of_more_leaves_what_was_granted(here: ThirdParty) -> None:
    here.consent(scope="openid profile")

    here.answer(here.ask(scope="openid profile email"), "refuser")

    assert here.granted() == {"openid", "profile"}


def test_both_answers_are_in_the_audit_log_with_what_was_asked(here: ThirdParty) -> None:
    here.answer(here.sign_in(), "refuser")
    here.answer(here.ask())

    told = [(event, detail) for event, _, detail in here.instance.audit() if "consent" in event]
    assert told == [
        ("consent.refused", {"scope": SCOPE}),
        ("consent.given", {"scope": SCOPE}),
    ]


def test_an_answer_may_leave_by_a_form(here: ThirdParty) -> None:
    page = here.sign_in(response_mode="form_post")

    accepted = here.answer(page)

    assert accepted.status_code == 200
    assert form_action(accepted) == BACK


def test_a_first_request_without_a_sign_in_leads_through_sign_in_to_the_page(
    here: ThirdParty, clock: Clock
) -> None:
    form = here.visitor.open_sign_in(here.service, prompt="login consent", max_age="60")
    clock.advance(SECOND)
    person = here.person
    led = here.visitor.submit_sign_in(form, person.qualite, person.numero, person.password)

    page = here.visitor.get(led.headers["Location"])

    assert asks_consent(page)
    assert "code" in answer_of(here.answer(page))


def test_a_sign_in_too_old_by_the_time_of_the_answer_is_asked_for_again(
    here: ThirdParty, clock: Clock
) -> None:
    here.sign_in()
    clock.advance(30 * SECOND)
    page = here.ask(max_age="60")
    clock.advance(31 * SECOND)

    answer = here.answer(page)

    assert urlsplit(answer.headers["Location"]).path == "/connexion"


class TestAttacks:
    def test_a_post_of_another_site_grants_nothing(self, here: ThirdParty) -> None:
        page = here.sign_in()

        answer = here.answer(page, headers={"Sec-Fetch-Site": "cross-site"})

        assert answer.status_code == 403
        assert here.granted() == frozenset()

    def test_a_post_without_a_token_or_with_that_of_another_form_grants_nothing(
        self, here: ThirdParty
    ) -> None:
        page = here.sign_in()
        sign_out = csrf_of(here.visitor.get("/compte"))

        for csrf in ("", "x", "é", sign_out):
            form = {"csrf": csrf, "choix": "accepter"}
            answer = here.visitor.post(form_action(page), form)
            assert answer.status_code == 403
            assert "<title>Erreur" in answer.text
        assert here.granted() == frozenset()

    def test_another_tabs_request_is_not_answered_by_this_one(self, here: ThirdParty) -> None:
        little = here.sign_in(scope="openid")
        much = here.ask(scope="openid profile email")

        form = {"csrf": csrf_of(little), "choix": "accepter"}
        here.visitor.post(form_action(much), form)

        assert here.granted() == frozenset()

    def test_a_page_shown_to_one_member_is_not_answered_for_another(
        self, here: ThirdParty, clock: Clock
    ) -> None:
        page = here.sign_in()
        other = here.instance.add_person("ayant_droit", "7654321")
        clock.advance(SECOND)
        own = here.instance.add_service("cotisations")
        here.visitor.sign_in(other, own, prompt="login")

        answer = here.answer(page)

        assert answer.status_code == 403
        assert here.granted() == frozenset()
        assert "Ayant droit" in text_of(answer)

    def test_a_page_handed_over_is_of_no_use_in_another_browser(self, here: ThirdParty) -> None:
        page = here.sign_in()
        other = here.instance.visitor()
        other.sign_in(here.instance.add_person(numero="7654321"))

        answer = other.post(form_action(page), {"csrf": csrf_of(page), "choix": "accepter"})

        assert answer.headers["Location"].startswith("/consentement")
        seen = other.get(answer.headers["Location"])
        assert "/authorize" in seen.headers["Location"]

    def test_a_scope_that_grew_meanwhile_is_not_granted_unseen(self, here: ThirdParty) -> None:
        page = here.sign_in(scope="openid address")
        registry = here.instance.parts.clients
        with here.instance.app.app_context(), here.instance.parts.database.transaction():
            client = here.service.client
            registry.replace(replace(client, scope=client.scope | {"address"}))

        answer = here.answer(page)

        assert here.granted() == frozenset()
        assert "Votre adresse postale" in text_of(answer)

    def test_the_page_can_be_framed_by_nobody_and_its_form_leads_nowhere_else(
        self, here: ThirdParty
    ) -> None:
        page = here.sign_in()

        policy = page.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self' https://agenda.example" in policy
        assert page.headers["X-Frame-Options"] == "DENY"

    def test_the_back_button_brings_no_second_answer(self, here: ThirdParty) -> None:
        page = here.sign_in()
        here.answer(page)

        again = here.answer(page)
        back = here.visitor.get(form_action(page))

        assert "code=" not in again.headers["Location"]
        assert "code=" not in back.headers["Location"]

    @pytest.mark.parametrize("choice", ["", "oui", "ACCEPTER"])
    def test_an_answer_that_is_neither_button_is_none(self, here: ThirdParty, choice: str) -> None:
        answer = here.answer(here.sign_in(), choice)

        assert answer.status_code == 403
        assert here.granted() == frozenset()

    def test_a_code_kept_back_until_the_consent_has_ended_gives_nothing(
        self, here: ThirdParty
    ) -> None:
        code = here.consent()["code"]
        with here.instance.app.app_context(), here.instance.parts.database.transaction():
            here.instance.parts.consents.end(here.person.account_id, "agenda")

        answer = here.visitor.redeem(here.service, code)

        assert answer.get_json()["error"] == "invalid_grant"

    def test_who_sends_the_page_forward_past_the_sign_in_signs_in_first(
        self, here: ThirdParty
    ) -> None:
        page = here.visitor.open_sign_in(here.service)

        answer = here.visitor.get(form_action(page).replace("/connexion", "/consentement"))

        assert urlsplit(answer.headers["Location"]).path == "/connexion"


def test_a_browser_that_lost_its_name_and_kept_its_session_is_asked_under_a_new_one(
    here: ThirdParty,
) -> None:
    page = here.sign_in()
    here.visitor.http.delete_cookie("__Host-browser")

    again = here.visitor.get(form_action(page))
    led = here.visitor.get(again.headers["Location"])

    assert urlsplit(again.headers["Location"]).path == "/authorize"
    assert "code" in answer_of(here.answer(here.visitor.get(led.headers["Location"])))


def test_the_page_alone_leads_to_the_account(here: ThirdParty) -> None:
    assert here.visitor.get("/consentement").headers["Location"] == "/compte"


def test_a_session_whose_dossier_was_closed_consents_to_nothing(here: ThirdParty) -> None:
    page = here.sign_in()
    here.instance.change_dossier(here.person, status="closed")

    answer = here.answer(page)
    shown = here.visitor.get(form_action(page))

    assert here.granted() == frozenset()
    assert answer.status_code == 303
    assert urlsplit(shown.headers["Location"]).path == "/connexion"


def test_the_consent_of_a_closed_dossier_opens_nothing(here: ThirdParty) -> None:
    tokens = here.tokens(scope=OFFLINE)
    here.instance.change_dossier(here.person, status="closed")

    assert here.visitor.userinfo(tokens["access_token"]).status_code == 401
    assert here.refresh(tokens["refresh_token"]).status_code == 400


def test_a_consent_goes_with_its_account_and_with_its_service(here: ThirdParty) -> None:
    here.consent()
    other = ThirdPartyElsewhere(here)
    here.instance.remove_service(here.service)

    assert here.granted() == frozenset()
    other.consent()
    with here.instance.app.app_context(), here.instance.parts.database.transaction():
        here.instance.parts.database.execute(delete(DossierRow))
    assert other.granted() == frozenset()


class ThirdPartyElsewhere(ThirdParty):
    """The same member at one more service of others."""

    def __init__(self, here: ThirdParty) -> None:
        self.instance, self.person = here.instance, here.person
        self.service = here.instance.add_service("banque", first_party=False)
        self.visitor = here.instance.visitor()


def test_a_service_removed_and_registered_anew_is_asked_about_again(here: ThirdParty) -> None:
    here.consent()
    here.instance.remove_service(here.service)
    here.instance.add_service("agenda", redirect_uris=(BACK,), first_party=False)

    assert asks_consent(here.ask())


def test_a_service_of_the_fund_that_becomes_one_of_others_asks_from_then_on(
    here: ThirdParty,
) -> None:
    own = here.instance.add_service("caisse")
    tokens = here.visitor.tokens(here.person, own)
    with here.instance.app.app_context(), here.instance.parts.database.transaction():
        here.instance.parts.clients.replace(replace(own.client, first_party=False))

    assert asks_consent(here.ask(own))
    assert here.visitor.userinfo(tokens["access_token"]).status_code == 401


def test_a_new_password_keeps_what_was_granted(here: ThirdParty, clock: Clock) -> None:
    here.consent()
    here.instance.change_account(here.person, credential_version=2)
    clock.advance(SECOND)
    here.visitor.restart()

    assert "code" in answer_of(here.sign_in())
