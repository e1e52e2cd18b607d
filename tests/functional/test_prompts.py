"""``prompt``: a choice of account, a first connection, and what they may be combined with."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from werkzeug.test import TestResponse

from tests.instance import Clock
from tests.instance import Instance
from tests.instance import Service
from tests.instance import answer_of
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of
from tests.mailbox import Mailbox
from tests.mailbox import deliver
from tests.reset_steps import begin
from tests.reset_steps import choose
from tests.reset_steps import submit_new
from tests.third_party import ThirdParty
from tests.third_party import asks_consent

MakeInstance = Callable[..., Instance]
SECOND = timedelta(seconds=1)


@pytest.fixture
def here(instance: Instance, clock: Clock) -> ThirdParty:
    """A member signed in a moment ago, at a service of the fund."""
    signed_in = ThirdParty(instance, first_party=True)
    signed_in.sign_in()
    clock.advance(SECOND)
    return signed_in


def path_of(answer: TestResponse) -> str:
    return urlsplit(answer.headers["Location"]).path


def at(answer: TestResponse, path: str) -> str:
    """Another page with the request that waits."""
    return f"{path}?{urlsplit(answer.headers['Location']).query}"


def go_on(here: ThirdParty, page: TestResponse, **more: dict[str, str]) -> TestResponse:
    """Press « Continuer en tant que »."""
    return here.visitor.post(form_action(page), {"csrf": csrf_of(page)}, **more)


def of_others(here: ThirdParty) -> Service:
    return here.instance.add_service(
        "banque", redirect_uris=("https://banque.example/retour",), first_party=False
    )


class TestChoosingAnAccount:
    def test_who_is_signed_in_goes_on_by_one_button(self, here: ThirdParty) -> None:
        page = here.ask(prompt="select_account")

        assert urlsplit(form_action(page)).path == "/choix-du-dossier"
        assert "Continuer en tant que Anne LEFÈVRE, Affilié" in text_of(page)
        assert here.person.numero not in page.text
        answer = answer_of(go_on(here, page))
        assert (answer["state"], "code" in answer) == (here.service.state, True)

    def test_who_wants_another_dossier_signs_in_with_it(
        self, here: ThirdParty, clock: Clock
    ) -> None:
        other = here.instance.add_person("ayant_droit", "7654321")
        page = here.ask(prompt="select_account")

        form = here.visitor.get(form_action(page).replace("/choix-du-dossier", "/connexion"))

        assert 'id="account-other" href="/connexion?demande=' in page.text
        assert 'name="password"' in form.text
        clock.advance(SECOND)
        answer = here.visitor.submit_sign_in(form, other.qualite, other.numero, other.password)
        tokens = here.visitor.redeem(here.service, answer_of(answer)["code"]).get_json()
        _, claims = here.visitor.read_token(tokens["id_token"])
        assert claims["qualite"] == "ayant_droit"

    def test_without_a_session_there_is_nothing_to_choose_from(self, instance: Instance) -> None:
        service = instance.add_service()

        answer = instance.visitor().get("/authorize", service.request(prompt="select_account"))

        assert path_of(answer) == "/connexion"

    def test_a_member_without_a_name_in_the_directory_chooses_all_the_same(
        self, here: ThirdParty
    ) -> None:
        here.instance.change_dossier(here.person, family_name="", usage_name="", given_names="")

        assert "Continuer avec ce dossier" in text_of(here.ask(prompt="select_account"))

    def test_the_choice_comes_before_the_consent_and_is_asked_for_once(
        self, here: ThirdParty
    ) -> None:
        banque = of_others(here)
        page = here.ask(banque, prompt="select_account consent")

        led = go_on(here, page)
        asked = here.visitor.get(led.headers["Location"])

        assert path_of(led) == "/consentement"
        assert asks_consent(asked)
        assert "code" in answer_of(here.answer(asked))

    def test_attack_a_consent_page_reached_without_the_choice_goes_back_to_it(
        self, here: ThirdParty
    ) -> None:
        page = here.ask(of_others(here), prompt="select_account")
        consent = form_action(page).replace("/choix-du-dossier", "/consentement")

        for proof in ("", "&choisi=x", f"&choisi={csrf_of(page)}"):
            assert path_of(here.visitor.get(consent + proof)) == "/choix-du-dossier"

    def test_attack_the_choice_made_for_one_request_is_none_for_another(
        self, here: ThirdParty
    ) -> None:
        banque = of_others(here)
        first = here.ask(banque, prompt="select_account")
        second = here.ask(banque, prompt="select_account", state="autre")

        answer = here.visitor.post(form_action(second), {"csrf": csrf_of(first)})

        assert answer.status_code == 403
        assert "<title>Erreur" in answer.text

    def test_attack_the_choice_of_one_session_is_none_of_the_next(
        self, here: ThirdParty, clock: Clock
    ) -> None:
        page = here.ask(of_others(here), prompt="select_account")
        consent = go_on(here, page).headers["Location"]
        other = here.instance.add_person("ayant_droit", "7654321")
        clock.advance(-3 * SECOND)
        here.visitor.restart()
        here.visitor.sign_in(other, here.service)
        clock.advance(3 * SECOND)

        assert path_of(here.visitor.get(consent)) == "/choix-du-dossier"

    def test_attack_a_post_of_another_site_chooses_nothing(self, here: ThirdParty) -> None:
        page = here.ask(prompt="select_account")

        answer = go_on(here, page, headers={"Sec-Fetch-Site": "cross-site"})

        assert answer.status_code == 403
        assert "code=" not in answer.headers.get("Location", "")

    def test_the_page_is_gone_once_it_was_answered(self, here: ThirdParty) -> None:
        page = here.ask(prompt="select_account")
        go_on(here, page)

        again = here.visitor.get(form_action(page))

        assert "code=" not in again.headers["Location"]

    def test_the_page_alone_leads_to_the_account(self, here: ThirdParty) -> None:
        assert path_of(here.visitor.get("/choix-du-dossier")) == "/compte"

    def test_a_page_that_is_none_of_ours_is_expired(self, here: ThirdParty) -> None:
        assert here.visitor.get("/choix-du-dossier?demande=x").status_code == 400

    def test_a_browser_that_lost_its_name_and_kept_its_session_is_asked_under_a_new_one(
        self, here: ThirdParty
    ) -> None:
        page = here.ask(prompt="select_account")
        here.visitor.http.delete_cookie("__Host-browser")

        assert path_of(here.visitor.get(form_action(page))) == "/authorize"
        assert path_of(go_on(here, page)) == "/authorize"

    def test_whose_session_ended_meanwhile_signs_in(self, here: ThirdParty) -> None:
        page = here.ask(prompt="select_account")
        here.visitor.restart()

        assert path_of(go_on(here, page)) == "/connexion"

    def test_a_sign_in_too_old_by_the_time_of_the_choice_is_asked_for_again(
        self, here: ThirdParty, clock: Clock
    ) -> None:
        page = here.ask(prompt="select_account", max_age="60")
        clock.advance(61 * SECOND)

        assert path_of(go_on(here, page)) == "/connexion"

    def test_another_tab_that_made_the_choice_needless_answers_at_once(
        self, here: ThirdParty, clock: Clock
    ) -> None:
        page = here.ask(prompt="select_account")
        clock.advance(SECOND)
        here.visitor.sign_in(here.person, here.service, prompt="login")

        assert "code" in answer_of(here.visitor.get(form_action(page)))


class TestFirstConnection:
    def test_prompt_create_leads_to_the_first_connection_and_the_request_goes_with_it(
        self, instance: Instance
    ) -> None:
        person = instance.add_person(password=None)
        service = instance.add_service()
        visitor = instance.visitor()

        asked = visitor.get("/authorize", service.request(prompt="create"))
        page = visitor.get(asked.headers["Location"])
        led = begin(visitor, page, person.numero)

        assert path_of(asked) == "/mot-de-passe-oublie"
        assert "Mes cotisations" in text_of(page)
        assert path_of(led) == "/mot-de-passe-oublie/envoi"
        assert "demande=" in led.headers["Location"]

    def test_a_session_is_not_asked_for_its_own_account(self, here: ThirdParty) -> None:
        asked = here.visitor.get("/authorize", here.service.request(prompt="create"))

        assert path_of(asked) == "/mot-de-passe-oublie"

    def test_a_first_connection_that_a_service_of_others_asked_for_ends_at_its_consent(
        self, make_instance: MakeInstance, mailbox: Mailbox, clock: Clock
    ) -> None:
        instance = make_instance(signing_algs=("ES256",), **mailbox.settings)
        here = ThirdParty(instance)
        visitor, new = (
            here.visitor,
            instance.add_person(numero="7654321", password=None, email="anne@exemple.example"),
        )
        asked = visitor.get("/authorize", here.service.request(prompt="create"))
        channel = begin(visitor, visitor.get(asked.headers["Location"]), new.numero)
        choose(visitor, visitor.get(channel.headers["Location"]), "mail")
        deliver(instance)
        clock.advance(SECOND)
        form = visitor.get(at(asked, "/connexion"))
        led = visitor.submit_sign_in(form, "affilie", new.numero, mailbox.newest_secret())

        chosen = submit_new(visitor, visitor.get(led.headers["Location"]))
        later = visitor.get(at(chosen, "/connexion"))

        assert path_of(chosen) == "/adresse-electronique"
        assert path_of(later) == "/consentement"
        consent = visitor.get(later.headers["Location"])
        assert "code" in answer_of(here.answer(consent))

    def test_who_has_a_password_after_all_signs_in_and_the_service_is_answered(
        self, here: ThirdParty, clock: Clock
    ) -> None:
        asked = here.visitor.get("/authorize", here.service.request(prompt="create"))
        form = here.visitor.get(at(asked, "/connexion"))
        clock.advance(SECOND)

        answer = here.visitor.submit_sign_in(
            form, here.person.qualite, here.person.numero, here.person.password
        )

        assert "code" in answer_of(answer)


@pytest.mark.parametrize(
    "prompt",
    ["create login", "create consent", "create none", "none login", "none consent",
     "none select_account", "signup", "login LOGIN"],
)  # fmt: skip
def test_words_that_exclude_each_other_or_that_nobody_knows_are_an_invalid_request(
    here: ThirdParty, prompt: str
) -> None:
    answer = answer_of(here.visitor.get("/authorize", here.service.request(prompt=prompt)))

    assert answer["error"] == "invalid_request"
    assert answer["state"] == here.service.state


@pytest.mark.parametrize(
    ("prompt", "page"),
    [
        ("login", "/connexion"),
        ("login select_account", "/connexion"),
        ("login consent select_account", "/connexion"),
        ("select_account", "/choix-du-dossier"),
        ("consent select_account", "/choix-du-dossier"),
        ("consent", "/consentement"),
        ("create", "/mot-de-passe-oublie"),
    ],
)
def test_each_combination_begins_with_what_the_others_need(
    here: ThirdParty, prompt: str, page: str
) -> None:
    answer = here.visitor.get("/authorize", of_others(here).request(prompt=prompt))

    assert path_of(answer) == page


def test_a_session_too_old_signs_in_before_it_is_asked_anything(
    here: ThirdParty, clock: Clock
) -> None:
    clock.advance(60 * SECOND)
    asked = of_others(here).request(prompt="select_account consent", max_age="60")

    assert path_of(here.visitor.get("/authorize", asked)) == "/connexion"
