"""Sign-out, asked by a service or by the person."""

import base64
import json
import time
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from lxml import html as lxml_html  # type: ignore[import-untyped]
from werkzeug.test import TestResponse

from idp.infra.private_files import write_private_file
from idp.oidc.signer import generate
from tests.instance import SIGNED_OUT
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import Visitor
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of

CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


class SignedInHere:
    """A person signed in at a service, with the tokens that it got."""

    def __init__(self, instance: Instance) -> None:
        self.person = instance.add_person()
        self.service = instance.add_service()
        self.visitor: Visitor = instance.visitor()
        self.tokens: dict[str, Any] = self.visitor.tokens(self.person, self.service)
        self.hint: str = self.tokens["id_token"]

    @property
    def is_signed_in(self) -> bool:
        return self.visitor.get("/compte").status_code == 200


@pytest.fixture
def here(instance: Instance) -> SignedInHere:
    return SignedInHere(instance)


def fields_of(page: TestResponse) -> dict[str, str]:
    """The hidden fields of a question."""
    document = lxml_html.fromstring(page.text)
    return {field.get("name"): field.get("value", "") for field in document.xpath("//form//input")}


def is_question(answer: TestResponse) -> bool:
    return answer.status_code == 200 and 'id="logout-confirm"' in answer.text


def test_a_service_with_a_hint_of_the_session_signs_out_at_once_and_gets_its_state_back(
    here: SignedInHere,
) -> None:
    answer = here.visitor.get(
        "/logout",
        {"id_token_hint": here.hint, "post_logout_redirect_uri": SIGNED_OUT, "state": "é&="},
    )

    assert answer.status_code == 303
    location = urlsplit(answer.headers["Location"])
    assert answer.headers["Location"].startswith(f"{SIGNED_OUT}?")
    assert parse_qs(location.query) == {"state": ["é&="]}
    assert "__Host-session=;" in "".join(answer.headers.getlist("Set-Cookie"))
    assert not here.is_signed_in


def test_authlib_trap_15_signing_out_ends_the_access_tokens_too(here: SignedInHere) -> None:
    here.visitor.get("/logout", {"id_token_hint": here.hint})

    assert here.visitor.userinfo(here.tokens["access_token"]).status_code == 401


def test_without_an_address_to_return_to_a_page_says_that_it_is_done(here: SignedInHere) -> None:
    page = here.visitor.get("/logout", {"id_token_hint": here.hint})

    assert page.status_code == 200
    assert "Votre session est terminée" in text_of(page)
    assert here.service.client.client_name in text_of(page)


def test_an_expired_hint_is_good(here: SignedInHere, clock: Clock) -> None:
    clock.advance(timedelta(hours=7))

    here.visitor.get("/logout", {"id_token_hint": here.hint})

    assert not here.is_signed_in


def test_authlib_trap_07_a_hint_whose_key_has_left_the_jwks_is_good(
    instance: Instance, here: SignedInHere, clock: Clock
) -> None:
    clock.advance(timedelta(hours=1))
    name = f"{clock.at:%Y-%m-%dT%H-%MZ}.ES256.pem"
    write_private_file(instance.settings.keys_path / name, generate("ES256"))
    time.sleep(1.1)  # a process looks once a second
    clock.advance(timedelta(hours=6))
    kid = json.loads(base64.urlsafe_b64decode(here.hint.partition(".")[0] + "=="))["kid"]
    kids = {key["kid"] for key in here.visitor.get("/jwks").get_json()["keys"]}

    here.visitor.get("/logout", {"id_token_hint": here.hint})

    assert kid not in kids
    assert not here.is_signed_in


def test_the_person_at_the_account_page_signs_out_with_one_click(here: SignedInHere) -> None:
    page = here.visitor.get("/compte")

    answer = here.visitor.post(form_action(page), {"csrf": csrf_of(page)})

    assert "Votre session est terminée" in text_of(answer)
    assert not here.is_signed_in


@pytest.mark.parametrize("asked", [{}, {"client_id": "cotisations"}])
def test_logout_csrf_without_a_hint_a_question_is_asked_first(
    here: SignedInHere, asked: dict[str, str]
) -> None:
    question = here.visitor.get("/logout", asked)
    still = here.is_signed_in
    answer = here.visitor.post(form_action(question), fields_of(question))

    assert is_question(question)
    assert still
    assert form_action(question) == "/deconnexion"  # a script tells the two pages apart
    assert answer.status_code == 200
    assert not here.is_signed_in


def test_the_question_keeps_what_the_service_asked(here: SignedInHere) -> None:
    asked = {
        "client_id": "cotisations",
        "post_logout_redirect_uri": SIGNED_OUT,
        "state": '"><b>',
    }

    question = here.visitor.get("/logout", asked)
    answer = here.visitor.post(form_action(question), fields_of(question))

    assert "<b>" not in question.text
    assert "form-action 'self' http://127.0.0.1:9001" in question.headers["Content-Security-Policy"]
    assert answer.headers["Location"].startswith(SIGNED_OUT)
    assert not here.is_signed_in


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_logout_csrf_a_form_of_another_site_is_answered_by_the_question(
    here: SignedInHere, site: str
) -> None:
    form = {"csrf": csrf_of(here.visitor.get("/compte"))}

    answer = here.visitor.post("/logout", form, headers={"Sec-Fetch-Site": site})

    assert is_question(answer)
    assert here.is_signed_in


def test_logout_csrf_a_form_without_its_token_is_answered_by_the_question(
    here: SignedInHere,
) -> None:
    for form in ({}, {"csrf": "x"}):
        assert is_question(here.visitor.post("/logout", form))
    assert here.is_signed_in


def test_a_service_may_post_and_its_person_confirms_once_since_lax_cookies_stay_behind(
    instance: Instance, here: SignedInHere
) -> None:
    asked = {"id_token_hint": here.hint, "post_logout_redirect_uri": SIGNED_OUT, "state": "s"}

    question = instance.visitor().post("/logout", asked, headers=CROSS_SITE)
    # The browser sends its cookies again with the form of our own page.
    answer = here.visitor.post(form_action(question), fields_of(question), headers=SAME_ORIGIN)

    assert is_question(question)
    assert answer.headers["Location"] == f"{SIGNED_OUT}?state=s"
    assert not here.is_signed_in


def test_the_question_to_a_browser_whose_cookies_stayed_behind_leaves_its_other_tabs_good(
    instance: Instance, here: SignedInHere
) -> None:
    question = instance.visitor().post("/logout", headers=CROSS_SITE)

    assert is_question(question)
    assert "Set-Cookie" not in question.headers
    assert "csrf" not in fields_of(question)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "x"])
@pytest.mark.parametrize("with_cookies", [True, False])
def test_logout_csrf_a_stranger_who_says_that_the_question_was_asked_ends_nothing(
    instance: Instance, here: SignedInHere, site: str, with_cookies: bool
) -> None:
    visitor = here.visitor if with_cookies else instance.visitor()

    answer = visitor.post("/logout", {"again": "1"}, headers={"Sec-Fetch-Site": site})

    assert is_question(answer)
    assert "__Host-session" not in "".join(answer.headers.getlist("Set-Cookie"))
    assert here.is_signed_in


def test_logout_csrf_in_an_old_browser_a_stranger_cannot_take_the_cookie_that_stayed_behind(
    instance: Instance, here: SignedInHere
) -> None:
    for form in ({"again": "1"}, {"again": "1", "id_token_hint": here.hint}):
        answer = instance.visitor().post("/logout", form)
        assert "Set-Cookie" not in answer.headers
    assert here.is_signed_in


def test_an_old_browser_that_does_not_say_where_a_form_comes_from_is_judged_by_its_session(
    instance: Instance, here: SignedInHere
) -> None:
    blind = instance.visitor().post("/logout", {"client_id": "cotisations"})
    question = here.visitor.post(form_action(blind), fields_of(blind))
    still = here.is_signed_in
    here.visitor.post(form_action(question), fields_of(question))

    assert is_question(blind)
    assert is_question(question)
    assert still
    assert not here.is_signed_in


@pytest.mark.parametrize("headers", [SAME_ORIGIN, {}])
def test_where_cookies_are_refused_the_question_is_asked_once(
    instance: Instance, headers: dict[str, str]
) -> None:
    instance.add_service()
    asked = {"client_id": "cotisations", "post_logout_redirect_uri": SIGNED_OUT}

    question = instance.visitor().post("/logout", asked, headers=CROSS_SITE)
    answer = instance.visitor().post(form_action(question), fields_of(question), headers=headers)

    assert answer.headers["Location"] == SIGNED_OUT


def test_a_form_that_brings_cookies_but_no_session_is_not_asked(instance: Instance) -> None:
    visitor = instance.visitor()
    visitor.open_sign_in()

    answer = visitor.post("/logout", headers={"Sec-Fetch-Site": "same-site"})

    assert "Votre session est terminée" in text_of(answer)


@pytest.mark.parametrize(
    "attempt",
    [f"{SIGNED_OUT}/", f"{SIGNED_OUT}?x=1", "https://evil.example/", "//evil.example",
     "javascript:alert(1)", "http://127.0.0.1:9001/callback", "é"],
)  # fmt: skip
@pytest.mark.parametrize("with_hint", [True, False])
def test_open_redirect_only_a_registered_address_and_nothing_ends_on_a_wrong_one(
    here: SignedInHere, attempt: str, with_hint: bool
) -> None:
    asked = {"post_logout_redirect_uri": attempt, "client_id": "cotisations"}
    if with_hint:
        asked["id_token_hint"] = here.hint

    answer = here.visitor.get("/logout", asked)

    assert answer.status_code == 400
    assert "post_logout_redirect_uri" in text_of(answer)
    assert "evil.example" not in answer.text
    assert here.is_signed_in


def test_open_redirect_an_address_without_a_client_is_refused(here: SignedInHere) -> None:
    answer = here.visitor.get("/logout", {"post_logout_redirect_uri": SIGNED_OUT})

    assert answer.status_code == 400
    assert here.is_signed_in


def test_authlib_trap_07_a_hint_must_be_an_id_token_of_ours(
    instance: Instance, here: SignedInHere
) -> None:
    header, claims = here.visitor.read_token(here.hint)
    stranger = ECKey.generate_key("P-256")
    other_issuer = {**claims, "iss": "https://other.example"}
    own = instance.private_key(header["kid"])

    for hint in (
        here.tokens["access_token"],
        jwt.encode(header, claims, stranger, algorithms=["ES256"]),
        jwt.encode(header, other_issuer, own, algorithms=["ES256"]),
        jwt.encode({**header, "typ": "logout+jwt"}, claims, own, algorithms=["ES256"]),
        f"{here.hint[:-6]}AAAAAA",
        "x",
        "é.é.é",
        "A" * 20_000,
    ):
        answer = here.visitor.post("/logout", {"id_token_hint": hint})
        assert answer.status_code == 400
        assert "id_token_hint" in text_of(answer)
    assert here.is_signed_in


def test_a_hint_of_another_session_asks_first(instance: Instance, here: SignedInHere) -> None:
    others = instance.visitor().tokens(
        instance.add_person(numero="7654321"), instance.add_service("other")
    )

    answer = here.visitor.get("/logout", {"id_token_hint": others["id_token"]})

    assert is_question(answer)
    assert here.is_signed_in


def test_a_hint_and_another_client_id_are_refused(instance: Instance, here: SignedInHere) -> None:
    instance.add_service("other")

    answer = here.visitor.get("/logout", {"id_token_hint": here.hint, "client_id": "other"})

    assert answer.status_code == 400
    assert here.is_signed_in


def test_who_is_signed_out_already_is_not_asked(instance: Instance) -> None:
    instance.add_service()
    visitor = instance.visitor()

    assert "Votre session est terminée" in text_of(visitor.get("/logout"))
    back = visitor.get(
        "/logout", {"client_id": "cotisations", "post_logout_redirect_uri": SIGNED_OUT}
    )
    assert back.headers["Location"] == SIGNED_OUT


def test_parameters_sent_twice_are_refused(here: SignedInHere) -> None:
    answer = here.visitor.get(
        f"/logout?client_id=cotisations&client_id=x&id_token_hint={here.hint}"
    )

    assert answer.status_code == 400
    assert here.is_signed_in


def test_signing_out_is_audited_once(instance: Instance, here: SignedInHere) -> None:
    here.visitor.get("/logout", {"id_token_hint": here.hint})
    here.visitor.get("/logout", {"id_token_hint": here.hint})

    ended = [account for event, account, _ in instance.audit() if event == "session.ended"]
    assert ended == [here.person.account_id]


def test_the_back_button_after_signing_out_shows_nothing_of_the_person(
    here: SignedInHere,
) -> None:
    page = here.visitor.get("/compte")
    here.visitor.get("/logout", {"id_token_hint": here.hint})

    assert page.headers["Cache-Control"] == "no-store"
    assert here.visitor.get("/compte").headers["Location"] == "/connexion"
