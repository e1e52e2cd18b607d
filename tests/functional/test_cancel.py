"""The way back without a sign-in: the service hears ``access_denied``."""

from lxml import html as lxml_html

from tests.functional.test_form_post import posted
from tests.instance import Instance
from tests.instance import Service
from tests.instance import Visitor
from tests.instance import answer_of
from tests.instance import csrf_of
from tests.instance import form_action


def cancelled(visitor: Visitor, service: Service, **asked: str):
    page = visitor.open_sign_in(service, **asked)
    return page, visitor.post(form_action(page), {"csrf": csrf_of(page), "cancel": "1"})


def test_f5_whoever_goes_back_is_refused_to_the_service_and_not_signed_in(
    instance: Instance,
) -> None:
    service, visitor = instance.add_service(), instance.visitor()

    page, answer = cancelled(visitor, service)

    (button,) = lxml_html.fromstring(page.text).xpath("//button[@id='login-cancel']")
    assert (
        button.text_content() == f"Annuler et revenir à «\u00a0{service.client.client_name}\u00a0»"
    )
    received = answer_of(answer)
    assert received["error"] == "access_denied"
    assert received["state"] == service.request()["state"]
    assert received["iss"] == instance.settings.issuer
    assert "code" not in received
    assert visitor.get("/compte").headers["Location"] == "/connexion"


def test_going_back_by_form_post_is_posted(instance: Instance) -> None:
    _, answer = cancelled(instance.visitor(), instance.add_service(), response_mode="form_post")

    assert posted(answer)["error"] == "access_denied"


def test_a_service_hears_one_no_and_the_way_back_leads_to_it_anew(instance: Instance) -> None:
    service = instance.add_service(client_uri="http://127.0.0.1:9001/")
    visitor = instance.visitor()
    page, _ = cancelled(visitor, service)

    again = visitor.post(form_action(page), {"csrf": csrf_of(page), "cancel": "1"})
    shown = visitor.get(form_action(page))

    assert again.headers["Location"] == shown.headers["Location"] == "http://127.0.0.1:9001/"


def test_a_page_that_no_service_waits_behind_offers_no_way_back(instance: Instance) -> None:
    page = instance.visitor().open_sign_in()

    assert "login-cancel" not in page.text


def test_another_site_cannot_say_no_for_a_member(instance: Instance) -> None:
    """The attack: a form of another site, posted to the address of a waiting request."""
    service, visitor = instance.add_service(), instance.visitor()
    page = visitor.open_sign_in(service)

    for headers in ({"Sec-Fetch-Site": "cross-site"}, {}):
        answer = visitor.post(form_action(page), {"cancel": "1"}, headers=headers)
        assert answer.status_code == 403

    person = instance.add_person()
    signed_in = visitor.submit_sign_in(page, person.qualite, person.numero, person.password)
    assert "code" in answer_of(signed_in)
