"""The audit log: what happened, to which account, from where; never what was typed."""

from typing import Any

from sqlalchemy import select

from idp.infra.tables import AuditRow
from tests.instance import Instance
from tests.instance import Service
from tests.instance import answer_of
from tests.instance import csrf_of


def rows_of(instance: Instance) -> list[dict[str, Any]]:
    """The table, column by column."""
    with instance.parts.database.engine.connect() as connection:
        rows = connection.execute(select(AuditRow.__table__).order_by(AuditRow.id))
        return [dict(row) for row in rows.mappings()]


def test_a_journey_is_told_by_its_events_in_order(instance: Instance) -> None:
    person, service = instance.add_person(), instance.add_service()
    visitor = instance.visitor()
    page = visitor.open_sign_in(service)
    refused = visitor.submit_sign_in(page, person.qualite, person.numero, "pas le bon")
    answer = visitor.submit_sign_in(refused, person.qualite, person.numero, person.password)
    code = answer_of(answer)["code"]
    tokens = visitor.redeem(service, code).get_json()
    visitor.redeem(service, code)
    wrong = Service(service.client, "wrong")
    visitor.redeem(wrong, code)
    visitor.get("/logout", {"id_token_hint": tokens["id_token"]})

    told = [(event, account) for event, account, _ in instance.audit()]

    assert told == [
        ("sign_in.refused", person.account_id),
        ("sign_in.succeeded", person.account_id),
        ("code.replayed", None),
        ("client.refused", None),
        ("session.ended", person.account_id),
    ]


def test_a_refusal_keeps_its_cause_which_the_page_does_not_tell(instance: Instance) -> None:
    instance.add_person(numero="1000001")
    instance.add_person(numero="1000002", status="closed")
    instance.add_person(numero="1000003", password=None)
    for numero in ("1000001", "1000002", "1000003", "9999999"):
        visitor = instance.visitor()
        visitor.submit_sign_in(visitor.open_sign_in(), "affilie", numero, "pas le bon")

    causes = [detail["cause"] for event, _, detail in instance.audit()]

    assert causes == ["wrong_password", "dossier_not_active", "no_password", "unknown_dossier"]


def test_a_try_that_is_held_back_is_told_with_whose_limit_it_met(instance: Instance) -> None:
    person = instance.add_person()
    visitor = instance.visitor()
    for _ in range(6):
        visitor.submit_sign_in(visitor.open_sign_in(), "affilie", person.numero, "pas le bon")

    event, _, detail = instance.audit()[-1]

    assert event == "sign_in.delayed"
    assert detail["held_by"] == "account"


def test_an_unknown_number_is_told_by_a_name_that_is_the_same_each_time(
    instance: Instance,
) -> None:
    for numero in ("9999999", "9999999", "8888888"):
        visitor = instance.visitor()
        visitor.submit_sign_in(visitor.open_sign_in(), "affilie", numero, "pas le bon")

    subjects = [detail["subject"] for _, _, detail in instance.audit()]

    assert subjects[0] == subjects[1] != subjects[2]


def test_an_event_holds_the_prefix_of_a_network_and_the_request_it_belongs_to(
    instance: Instance,
) -> None:
    person = instance.add_person()
    answers = [
        instance.visitor(network).sign_in(person) for network in ("192.0.2.77", "2001:db8:a:b::1")
    ]

    rows = rows_of(instance)

    assert [row["network"] for row in rows] == ["192.0.2.0/24", "2001:db8:a::/48"]
    assert [row["request_id"] for row in rows] == [a.headers["X-Request-Id"] for a in answers]


def test_no_event_holds_a_number_a_name_an_address_or_a_secret(instance: Instance) -> None:
    person = instance.add_person(numero="7351924", email="anne@example.org")
    service = instance.add_service()
    visitor = instance.visitor()
    page = visitor.open_sign_in(service)
    visitor.submit_sign_in(page, person.qualite, person.numero, "pas le bon")
    answer = visitor.submit_sign_in(page, person.qualite, person.numero, person.password)
    code = answer_of(answer)["code"]
    visitor.redeem(service, code)
    visitor.redeem(service, code)
    account = visitor.get("/compte")
    visitor.post("/logout", {"csrf": csrf_of(account)})

    written = "\n".join(str(row) for row in rows_of(instance))

    assert written.count("\n") >= 3
    for secret in (
        person.numero, person.password, "pas le bon", "LEF", "anne@example.org", code,
        str(service.secret), "192.0.2.10",
    ):  # fmt: skip
        assert secret not in written
