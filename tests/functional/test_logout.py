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
from idp.oidc.keys import generate
from tests.instance import SIGNED_OUT
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import Visitor
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of


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


def test_signing_out_ends_the_access_tokens_too(here: SignedInHere) -> None:
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


def test_a_service_may_post_and_its_person_confirms_since_lax_cookies_stay_behind(
    instance: Instance, here: SignedInHere
) -> None:
    asked = {"id_token_hint": here.hint, "post_logout_redirect_uri": SIGNED_OUT, "state": "s"}

    question = instance.visitor().post("/logout", asked, headers={"Sec-Fetch-Site": "cross-site"})
    # The browser sends its cookies again with the form of our own page.
    own = here.visitor.get("/compte")
    answer = here.visitor.post("/logout", {**fields_of(question), "csrf": csrf_of(own)})

    assert is_question(question)
    assert answer.headers["Location"] == f"{SIGNED_OUT}?state=s"
    assert not here.is_signed_in


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
    own = instance.parts.key_files.ring().verification_key(header["kid"], "ES256")
    assert own is not None

    for hint in (
        here.tokens["access_token"],
        jwt.encode(header, claims, stranger, algorithms=["ES256"]),
        jwt.encode(header, other_issuer, own.private, algorithms=["ES256"]),
        jwt.encode({**header, "typ": "logout+jwt"}, claims, own.private, algorithms=["ES256"]),
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
