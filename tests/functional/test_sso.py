"""Sessions: one sign-in for every service, until its time, its password or its dossier ends."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.instance import NOON
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import Person
from tests.instance import Service
from tests.instance import Visitor
from tests.instance import answer_of
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of

MakeInstance = Callable[..., Instance]


class SignedInHere:
    """A person with a running session, and the service it began with."""

    def __init__(self, instance: Instance) -> None:
        self.person: Person = instance.add_person()
        self.first: Service = instance.add_service("first")
        self.second: Service = instance.add_service(
            "second", redirect_uris=("https://second.example/back",)
        )
        self.visitor: Visitor = instance.visitor()
        self.visitor.sign_in(self.person, self.first)

    def ask(self, service: Service | None = None, **changes: str | None) -> dict[str, str]:
        """What a service is answered without any page; fails when a page is shown."""
        asked = self.visitor.get("/authorize", (service or self.second).request(**changes))
        assert "/connexion" not in asked.headers["Location"], "a page is shown"
        return answer_of(asked)

    def is_asked_to_sign_in(self, **changes: str | None) -> bool:
        asked = self.visitor.get("/authorize", self.second.request(**changes))
        if "/connexion" not in asked.headers["Location"]:
            return False
        page = self.visitor.get(asked.headers["Location"])
        assert page.status_code == 200
        return 'name="password"' in page.text

    def id_token(self, code: str) -> dict[str, Any]:
        tokens = self.visitor.redeem(self.second, code).get_json()
        return self.visitor.read_token(tokens["id_token"])[1]

    def auth_time(self, code: str) -> int:
        return int(self.id_token(code)["auth_time"])


@pytest.fixture
def here(instance: Instance) -> SignedInHere:
    return SignedInHere(instance)


def test_a_second_service_asks_nothing_and_takes_three_requests(here: SignedInHere) -> None:
    asked = here.visitor.get("/authorize", here.second.request())
    tokens = here.visitor.redeem(here.second, answer_of(asked)["code"])
    claims = here.visitor.userinfo(tokens.get_json()["access_token"])

    assert [r.status_code for r in (asked, tokens, claims)] == [303, 200, 200]
    assert answer_of(asked)["state"] == here.second.state
    assert "Set-Cookie" not in asked.headers


def test_b19_prompt_none_is_silent_and_auth_time_and_sub_stay(
    here: SignedInHere, clock: Clock
) -> None:
    first = here.id_token(here.ask()["code"])
    clock.advance(timedelta(minutes=10))

    again = here.id_token(here.ask(prompt="none")["code"])

    assert again["iat"] == first["iat"] + 600
    for claim in ("sub", "auth_time", "acr", "amr", "sid"):
        assert again[claim] == first[claim]


def test_b18_prompt_none_without_a_session_is_login_required(instance: Instance) -> None:
    service = instance.add_service()
    state = "s" * 128

    refused = answer_of(
        instance.visitor().get("/authorize", service.request(prompt="none", state=state))
    )

    assert refused["error"] == "login_required"
    assert refused["state"] == state
    assert refused["iss"] == instance.settings.issuer


@pytest.mark.parametrize("prompt", ["login", "login select_account", "login consent"])
def test_b17_prompt_login_asks_again_and_auth_time_is_later(
    here: SignedInHere, clock: Clock, prompt: str
) -> None:
    before = here.auth_time(here.ask()["code"])
    clock.advance(timedelta(seconds=2))

    assert here.is_asked_to_sign_in(prompt=prompt)
    again = here.visitor.sign_in(here.person, here.second, prompt=prompt)

    assert here.auth_time(answer_of(again)["code"]) == before + 2


def test_a_service_that_asks_for_the_password_again_disturbs_no_other(
    here: SignedInHere,
) -> None:
    tokens = here.visitor.redeem(here.first, here.ask(here.first)["code"]).get_json()
    waiting = here.ask(here.first)["code"]

    again = here.visitor.sign_in(here.person, here.second, prompt="login")

    assert here.visitor.userinfo(tokens["access_token"]).status_code == 200
    assert here.visitor.redeem(here.first, waiting).status_code == 200
    hint = here.visitor.redeem(here.second, answer_of(again)["code"]).get_json()["id_token"]
    here.visitor.get("/logout", {"id_token_hint": hint})
    assert here.visitor.userinfo(tokens["access_token"]).status_code == 401


def test_the_stolen_cookie_of_a_session_that_another_followed_opens_nothing(
    instance: Instance, here: SignedInHere
) -> None:
    stolen = here.visitor.http.get_cookie("__Host-session", domain="localhost")
    assert stolen is not None
    thief = instance.visitor()
    thief.http.set_cookie("__Host-session", stolen.value, domain="localhost", secure=True)
    silent = here.second.request(prompt="none")
    assert "code" in answer_of(thief.get("/authorize", silent))

    here.visitor.sign_in(here.person, here.second, prompt="login")

    assert answer_of(thief.get("/authorize", silent))["error"] == "login_required"


def test_b17_a_page_that_asks_again_is_not_answered_by_the_session_there_was(
    here: SignedInHere, clock: Clock
) -> None:
    clock.advance(timedelta(seconds=2))
    page = here.visitor.open_sign_in(here.second, prompt="login")

    reloaded = here.visitor.get(form_action(page))

    assert reloaded.status_code == 200
    assert 'name="password"' in reloaded.text


def test_b20_max_age_1_after_two_seconds_asks_again(here: SignedInHere, clock: Clock) -> None:
    clock.advance(timedelta(seconds=2))

    assert here.is_asked_to_sign_in(max_age="1")
    again = here.visitor.sign_in(here.person, here.second, max_age="1")
    assert here.auth_time(answer_of(again)["code"]) == int(NOON.timestamp()) + 2


@pytest.mark.parametrize(("age", "asked"), [(60, False), (61, True)])
def test_max_age_holds_to_the_second(
    here: SignedInHere, clock: Clock, age: int, asked: bool
) -> None:
    clock.advance(timedelta(seconds=age))

    assert here.is_asked_to_sign_in(max_age="60") is asked


def test_b21_max_age_10000_asks_nothing(here: SignedInHere, clock: Clock) -> None:
    first = here.auth_time(here.ask(max_age="15000")["code"])
    clock.advance(timedelta(seconds=30))

    assert here.auth_time(here.ask(max_age="10000")["code"]) == first


def test_max_age_and_prompt_none_together_are_login_required_when_too_old(
    here: SignedInHere, clock: Clock
) -> None:
    clock.advance(timedelta(seconds=2))

    assert here.ask(max_age="1", prompt="none")["error"] == "login_required"


def test_a_service_may_have_registered_how_old_a_sign_in_may_be(
    instance: Instance, here: SignedInHere, clock: Clock
) -> None:
    strict = instance.add_service("strict", default_max_age=60)
    clock.advance(timedelta(seconds=61))

    asked = here.visitor.get("/authorize", strict.request())

    assert "/connexion?demande=" in asked.headers["Location"]
    assert "code" in here.ask(strict, max_age="3600")  # what the request says outranks it


def test_b23_an_expired_hint_of_the_same_person_does_no_harm(
    here: SignedInHere, clock: Clock
) -> None:
    tokens = here.visitor.redeem(here.second, here.ask()["code"]).get_json()
    clock.advance(timedelta(hours=1))

    assert "code" in here.ask(prompt="none", id_token_hint=tokens["id_token"])


def test_a_hint_of_another_person_is_never_answered_with_the_session_that_is_here(
    instance: Instance, here: SignedInHere
) -> None:
    other = instance.visitor()
    code = other.code(instance.add_person(numero="7654321"), here.second)
    hint = other.redeem(here.second, code).get_json()["id_token"]

    assert here.ask(prompt="none", id_token_hint=hint)["error"] == "login_required"
    assert here.is_asked_to_sign_in(id_token_hint=hint)
    signed_in = here.visitor.sign_in(here.person, here.second, id_token_hint=hint)
    assert answer_of(signed_in)["error"] == "login_required"


def test_a_hint_that_is_not_ours_or_of_another_service_says_nothing(
    instance: Instance, here: SignedInHere
) -> None:
    other = instance.visitor()
    code = other.code(instance.add_person(numero="7654321"), here.first)
    hint = other.redeem(here.first, code).get_json()["id_token"]

    for said in (hint, hint[:-4] + "AAAA", "no token"):
        assert "code" in here.ask(prompt="none", id_token_hint=said)


def test_authlib_trap_02_prompt_is_enforced_and_not_only_read(
    here: SignedInHere, clock: Clock
) -> None:
    clock.advance(timedelta(seconds=1))

    assert here.is_asked_to_sign_in(prompt="login")


def test_a_session_ends_after_eight_hours_however_busy(here: SignedInHere, clock: Clock) -> None:
    for _ in range(31):
        clock.advance(timedelta(minutes=15))
        assert "code" in here.ask()
    clock.advance(timedelta(minutes=15) - timedelta(seconds=1))
    assert "code" in here.ask()

    clock.advance(timedelta(seconds=1))

    assert here.is_asked_to_sign_in()
    assert here.visitor.get("/compte").headers["Location"] == "/connexion"


def test_a_session_ends_when_it_rests_and_each_use_renews_it(make_instance: MakeInstance) -> None:
    here = SignedInHere(make_instance(session_idle=timedelta(seconds=1)))

    for _ in range(3):
        time.sleep(0.45)
        assert "code" in here.ask()
    time.sleep(1.1)

    assert here.is_asked_to_sign_in()


def test_the_account_page_tells_who_is_signed_in_and_never_the_whole_number(
    instance: Instance, here: SignedInHere
) -> None:
    page = here.visitor.get("/compte")

    assert page.status_code == 200
    assert "Affilié" in text_of(page)
    assert "Anne LEFÈVRE" in text_of(page)
    assert here.person.numero not in page.text
    assert "13 h 00" in text_of(page)  # noon in Greenwich, as a clock in Paris says it


def test_two_browsers_have_two_sessions(instance: Instance, here: SignedInHere) -> None:
    other = instance.visitor()
    other.sign_in(here.person)

    other.post("/logout", {"csrf": csrf_of(other.get("/compte"))})

    assert other.get("/compte").status_code == 303
    assert here.visitor.get("/compte").status_code == 200


def test_another_persons_sign_in_in_the_same_browser_ends_the_first_ones_session(
    instance: Instance, here: SignedInHere, clock: Clock
) -> None:
    tokens = here.visitor.redeem(here.second, here.ask()["code"]).get_json()
    other = instance.add_person("ayant_droit", "100001701")
    clock.advance(timedelta(seconds=1))
    page = here.visitor.open_sign_in(here.second, prompt="login")

    here.visitor.submit_sign_in(page, other.qualite, other.numero, other.password)

    assert here.visitor.userinfo(tokens["access_token"]).status_code == 401
    assert "Ayant droit" in text_of(here.visitor.get("/compte"))


def test_a_session_cookie_that_is_none_of_ours_is_no_session(instance: Instance) -> None:
    for value in ("x", "A" * 43, "A" * 5000, "é", '"', ";"):
        visitor = instance.visitor()
        answer = visitor.get("/compte", headers={"Cookie": f"__Host-session={value}"})
        assert answer.headers["Location"] == "/connexion"
