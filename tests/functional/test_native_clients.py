"""Applications on a device: any port of loopback, a scheme of their own, and a page before a code.

Spec: RFC 8252 §7, §8.
"""

from datetime import timedelta
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest
from werkzeug.test import TestResponse

from tests.instance import Clock
from tests.instance import Instance
from tests.instance import Person
from tests.instance import Service
from tests.instance import Visitor
from tests.instance import csrf_of
from tests.instance import form_action
from tests.instance import text_of

LOOPBACK = "http://127.0.0.1/retour"
AT_A_PORT = "http://127.0.0.1:51004/retour"
LOOPBACK_6 = "http://[::1]/retour"
AT_A_PORT_6 = "http://[::1]:51004/retour"
OWN_SCHEME = "fr.example.bureau:/retour"
REDIRECT_URIS = (LOOPBACK, LOOPBACK_6, OWN_SCHEME, "http://127.0.0.1:8765/fixe")


@pytest.fixture
def bureau(instance: Instance) -> Service:
    return instance.add_service(
        "bureau",
        client_name="Bureau du praticien",
        redirect_uris=REDIRECT_URIS,
        token_endpoint_auth_method="none",
    )


@pytest.fixture
def person(instance: Instance) -> Person:
    return instance.add_person()


@pytest.fixture
def member(instance: Instance, person: Person, clock: Clock) -> Visitor:
    """Somebody who signed in a moment ago."""
    visitor = instance.visitor()
    visitor.sign_in(person)
    clock.advance(timedelta(seconds=1))
    return visitor


def sent_to(answer: TestResponse) -> tuple[str, dict[str, list[str]]]:
    """Where an answer leads, without its query, and its parameters."""
    assert answer.status_code == 303, answer.text
    location, _, query = answer.headers["Location"].partition("?")
    return location, parse_qs(query)


def policy_of(page: TestResponse) -> str:
    return page.headers["Content-Security-Policy"].partition("form-action ")[2]


@pytest.mark.parametrize(
    ("redirect_uri", "allowed"),
    [
        (AT_A_PORT, "http://127.0.0.1:51004"),
        (LOOPBACK, "http://127.0.0.1"),
        (AT_A_PORT_6, "http://*:51004"),  # no policy may name an IPv6 address
        (OWN_SCHEME, "fr.example.bureau:"),
        ("http://127.0.0.1:8765/fixe", "http://127.0.0.1:8765"),
    ],
)
def test_an_application_signs_its_member_in_at_the_port_that_it_was_given(
    instance: Instance, person: Person, bureau: Service, redirect_uri: str, allowed: str
) -> None:
    visitor = instance.visitor()
    page = visitor.open_sign_in(bureau, redirect_uri=redirect_uri)
    answer = visitor.submit_sign_in(page, person.qualite, person.numero, person.password)

    location, parameters = sent_to(answer)
    tokens = visitor.redeem(bureau, parameters["code"][0], redirect_uri=redirect_uri)

    assert policy_of(page) == f"'self' {allowed}"
    assert location == redirect_uri
    assert parameters["state"] == [bureau.state]
    assert tokens.status_code == 200, tokens.text


def test_attack_a_code_for_one_port_is_redeemed_with_no_other(
    instance: Instance, person: Person, bureau: Service
) -> None:
    for other in (LOOPBACK, "http://127.0.0.1:51005/retour", AT_A_PORT_6, OWN_SCHEME):
        visitor = instance.visitor()
        answer = visitor.sign_in(person, bureau, redirect_uri=AT_A_PORT)
        code = sent_to(answer)[1]["code"][0]

        refused = visitor.redeem(bureau, code, redirect_uri=other)

        assert refused.status_code == 400
        assert refused.get_json()["error"] == "invalid_grant"


def test_a_refusal_comes_back_at_the_port_too(instance: Instance, bureau: Service) -> None:
    answer = instance.visitor().get(
        "/authorize", bureau.request(redirect_uri=AT_A_PORT, scope="profile")
    )

    location, parameters = sent_to(answer)
    assert location == AT_A_PORT
    assert parameters["error"] == ["invalid_scope"]


def test_an_answer_by_form_post_goes_to_the_port(
    instance: Instance, person: Person, bureau: Service, clock: Clock
) -> None:
    visitor = instance.visitor()
    form = visitor.open_sign_in(bureau, redirect_uri=AT_A_PORT, response_mode="form_post")
    clock.advance(timedelta(seconds=1))
    answer = visitor.submit_sign_in(form, person.qualite, person.numero, person.password)

    page = visitor.get(answer.headers["Location"])

    assert form_action(page) == AT_A_PORT
    assert policy_of(page) == "'self' http://127.0.0.1:51004"


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "http://127.0.0.1:51004@evil.example/retour",
        "http://127.0.0.1.evil.example:51004/retour",
        "http://127.0.0.1:0/retour",
        "http://127.0.0.1:70000/retour",
        "http://localhost:51004/retour",
        "http://LOCALHOST/retour",
        "http://127.0.0.1:51004/RETOUR",
        "http://127.0.0.1:51004/retour?x=1",
        "http://127.0.0.1:51004/%72etour",
        "http://127.0.0.1.:51004/retour",
        "http://[0:0:0:0:0:0:0:1]:51004/retour",
        "http://127.0.0.1:8766/fixe",
        "FR.EXAMPLE.BUREAU:/retour",
        "fr.example.bureau:///retour",
        "fr.example.bureau.evil:/retour",
    ],
)
def test_attack_nothing_that_only_looks_registered_is_ever_redirected_to(
    instance: Instance, bureau: Service, redirect_uri: str
) -> None:
    answer = instance.visitor().get("/authorize", bureau.request(redirect_uri=redirect_uri))

    assert answer.status_code == 400
    assert "redirect_uri is not registered" in text_of(answer)
    assert "Location" not in answer.headers


def test_attack_a_service_with_a_secret_has_the_ports_that_it_registered_alone(
    instance: Instance,
) -> None:
    service = instance.add_service(redirect_uris=(LOOPBACK,))

    answer = instance.visitor().get("/authorize", service.request(redirect_uri=AT_A_PORT))

    assert answer.status_code == 400


@pytest.mark.parametrize("redirect_uri", [AT_A_PORT, OWN_SCHEME])
def test_attack_another_application_of_the_device_gets_no_code_behind_the_member_s_back(
    member: Visitor, bureau: Service, redirect_uri: str
) -> None:
    silent = member.get("/authorize", bureau.request(redirect_uri=redirect_uri, prompt="none"))
    asked = member.get("/authorize", bureau.request(redirect_uri=redirect_uri))
    page = member.get(asked.headers["Location"])
    led = member.post(form_action(page), {"csrf": csrf_of(page)})

    assert sent_to(silent)[1]["error"] == ["interaction_required"]
    assert urlsplit(asked.headers["Location"]).path == "/choix-du-dossier"
    assert "Une application de votre appareil, « Bureau du praticien »" in text_of(page)
    assert sent_to(led)[0] == redirect_uri
    assert "code" in sent_to(led)[1]


def test_a_site_and_a_developer_s_fixed_port_are_answered_at_once(
    member: Visitor, instance: Instance, bureau: Service
) -> None:
    site = instance.add_service("site", redirect_uris=("https://site.example/retour",))

    at_site = member.get("/authorize", site.request())
    at_fixed = member.get("/authorize", bureau.request(redirect_uri="http://127.0.0.1:8765/fixe"))

    assert "code" in sent_to(at_site)[1]
    assert "code" in sent_to(at_fixed)[1]


def test_two_applications_of_a_device_know_the_same_member_by_two_names(
    instance: Instance, person: Person, bureau: Service
) -> None:
    other = instance.add_service(
        "autre", redirect_uris=(LOOPBACK,), token_endpoint_auth_method="none"
    )
    subs = set()
    for application in (bureau, other):
        visitor = instance.visitor()
        answer = visitor.sign_in(person, application, redirect_uri=AT_A_PORT)
        code = sent_to(answer)[1]["code"][0]
        tokens = visitor.redeem(application, code, redirect_uri=AT_A_PORT).get_json()
        subs.add(visitor.read_token(tokens["id_token"])[1]["sub"])

    assert len(subs) == 2
