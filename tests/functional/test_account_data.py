"""``/compte/mes-donnees``: the member's own copy of what is known of them, and of nobody else."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from idp.audit import Actor
from idp.audit import Event
from idp.identity.franceconnect_links import Ending
from idp.identity.franceconnect_links import Link
from idp.identity.franceconnect_links import Rule
from idp.infra.tables import AccountRow
from tests.instance import NOON
from tests.instance import Instance
from tests.instance import Visitor
from tests.instance import csrf_of
from tests.instance import text_of
from tests.third_party import OFFLINE
from tests.third_party import ThirdParty

PAGE = "/compte/mes-donnees"


@pytest.fixture
def here(instance: Instance) -> ThirdParty:
    return ThirdParty(instance)


def download(visitor: Visitor, **more: Any) -> TestResponse:
    return visitor.post(PAGE, {"csrf": csrf_of(visitor.get(PAGE))}, **more)


def test_the_file_holds_what_is_known_under_names_that_people_read(here: ThirdParty) -> None:
    here.instance.change_dossier(
        here.person, birthplace="75056", profession="infirmier", phone="0612345678",
        address_1="MME ANNE LEFEVRE", address_6="75001 PARIS",
    )  # fmt: skip
    here.tokens(scope=OFFLINE)
    with here.instance.app.app_context(), here.instance.parts.database.transaction():
        here.instance.parts.audit.record(
            Event.ACCOUNT_UNLOCKED,
            account_id=here.person.account_id,
            actor=Actor(operator="jean.dupont"),
            detail={"reason": "ticket 4711"},
        )

        links = here.instance.parts.franceconnect_links
        for sub in ("former", "newer"):
            links.end(here.person.account_id, at=NOON, why=Ending.MEMBER)
            links.put(Link(here.person.account_id, sub, Rule.PIVOT, "digest", 1, NOON, NOON))

    answer = download(here.visitor)
    told = json.loads(answer.get_data(as_text=True))

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="mes-donnees-2026-11-24.json"'
    )
    assert answer.headers["Cache-Control"] == "no-store"
    assert told["identite"]["nom_de_naissance"] == "LEFÈVRE"
    assert told["identite"]["date_de_naissance"] == "1978-03-14"
    assert told["identite"]["commune_de_naissance_code_insee"] == "75056"
    assert told["dossier"]["numero_dossier"] == here.person.numero
    assert told["dossier"]["profession"] == "infirmier"
    assert told["adresses"]["mail_du_dossier"] == "anne@example.fr"
    assert told["adresses"]["postale"] == ["MME ANNE LEFEVRE", "75001 PARIS"]
    assert told["compte"]["mot_de_passe"] == "choisi"
    assert [one["reseau_abrege"] for one in told["appareils_connectes"]] == ["192.0.2.0/24"]
    (access,) = told["services_ayant_un_acces"]
    assert access["service"] == "Mon agenda"
    assert access["garde_un_acces_depuis"]
    assert told["services_ouverts"] == [
        {"service": "Mon agenda", "derniere_fois": "2026-11-24T12:00:00+00:00"}
    ]
    assert [one["fini_le"] for one in told["rattachements_a_franceconnect"]] == [
        "",
        "2026-11-24T12:00:00+00:00",
    ]
    assert "newer" not in answer.text
    said = [event["quoi"] for event in told["activite"]]
    assert "Connexion depuis un appareil ou un navigateur nouveau" in said
    assert "Attente levée par nos services" in said
    assert "jean.dupont" not in answer.text
    assert "4711" not in answer.text


def test_the_file_holds_no_secret_and_nothing_of_anybody_else(here: ThirdParty) -> None:
    tokens = here.tokens(scope=OFFLINE)
    other = here.instance.add_person(
        "ayant_droit", "7654321", "quatre chevaux sous la pluie", family_name="MERCIER"
    )
    here.instance.visitor().sign_in(other)

    text = download(here.visitor).get_data(as_text=True)

    with here.instance.app.app_context(), here.instance.parts.database.transaction():
        hashes = here.instance.parts.database.execute(
            select(AccountRow.password_hash, AccountRow.password_scheme)
        ).all()
    cookie = here.visitor.http.get_cookie("__Host-session")
    assert cookie is not None
    for secret in (
        *(value for row in hashes for value in row),
        here.person.password, here.person.account_id, cookie.value,
        tokens["refresh_token"], tokens["access_token"],
        "MERCIER", other.numero, other.account_id,
    ):  # fmt: skip
        assert secret not in text


def test_a_download_is_audited_told_and_in_the_next_file(here: ThirdParty) -> None:
    here.visitor.sign_in(here.person)
    download(here.visitor)

    # The minute is the store's own.
    here.instance.services.downloads.give_back(f"data-download:{here.person.account_id}")
    told = json.loads(download(here.visitor).get_data(as_text=True))

    rows = [row for row in here.instance.audit() if row[0] == "data.downloaded"]
    assert [row[1] for row in rows] == [here.person.account_id] * 2
    assert any("téléchargées" in one["message"] for one in told["messages_envoyes"])
    assert any("Vos informations téléchargées" in one["quoi"] for one in told["activite"])


def test_a_second_download_waits_a_minute_but_only_of_the_same_member(here: ThirdParty) -> None:
    here.visitor.sign_in(here.person)
    other = here.instance.add_person("ayant_droit", "7654321")
    neighbour = here.instance.visitor()
    neighbour.sign_in(other)

    assert download(here.visitor).status_code == 200
    held = download(here.visitor)
    assert held.status_code == 429
    assert held.headers["Retry-After"] == "60"
    assert "Votre fichier vient d’être préparé" in text_of(held)
    assert download(neighbour).status_code == 200


def test_attack_a_form_of_another_site_or_page_downloads_nothing(here: ThirdParty) -> None:
    here.visitor.sign_in(here.person)

    crossed = download(here.visitor, headers={"Sec-Fetch-Site": "cross-site"})
    forged = here.visitor.post(PAGE, {"csrf": csrf_of(here.visitor.get("/compte"))})

    assert (crossed.status_code, forged.status_code) == (403, 403)
    assert not [row for row in here.instance.audit() if row[0] == "data.downloaded"]


def test_attack_a_browser_left_open_downloads_nothing_without_the_password(
    here: ThirdParty,
) -> None:
    here.visitor.sign_in(here.person)
    csrf = csrf_of(here.visitor.get(PAGE))

    here.instance.clock.advance(timedelta(minutes=15, seconds=1))
    answer = here.visitor.post(PAGE, {"csrf": csrf})

    assert answer.status_code == 403
    assert "Confirmez que c’est vous" in text_of(answer)
    assert not [row for row in here.instance.audit() if row[0] == "data.downloaded"]
