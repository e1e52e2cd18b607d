"""The pages of the footer: what the law asks for, filled from the settings or plainly missing."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from idp.web.kept import kept_of_a_person
from tests.instance import Instance
from tests.instance import text_of

PAGES = ("/accessibilite", "/mentions-legales", "/donnees-personnelles")
FILLED = {
    "fund_seat": "Caisse d’essai|6 place de l’Exemple|78000 VERSAILLES",
    "fund_registration": "SIREN 123 456 789",
    "support_phone": "01 23 45 67 89",
    "publication_director": "Dominique Lambert",
    "hosting_provider": "Hébergeur d’essai|59000 LILLE|03 23 45 67 89",
    "data_protection_contact": "dpo@caisse.example",
    "accessibility_contact": "acces@caisse.example",
    "accessibility_scheme_url": "https://caisse.example/schema",
}


def test_every_page_leads_to_the_three_pages_whatever_it_is(instance: Instance) -> None:
    visitor = instance.visitor()

    for path in (*PAGES, "/connexion", "/nowhere", "/mot-de-passe-oublie"):
        page = visitor.get(path).text
        assert all(f'href="{target}"' in page for target in PAGES), path
        assert "Accessibilité\u00a0: non conforme" in page


def test_what_is_not_filled_in_is_said_plainly(instance: Instance) -> None:
    visitor = instance.visitor()

    for path in PAGES:
        answer = visitor.get(path)
        assert answer.status_code == 200
        assert "à compléter" in text_of(answer)


def test_what_is_filled_in_is_shown_and_nothing_is_missing(
    make_instance: Callable[..., Instance],
) -> None:
    visitor = make_instance(**FILLED).visitor()
    told = " ".join(text_of(visitor.get(path)) for path in PAGES)

    assert "à compléter" not in told
    for value in FILLED.values():
        assert all(line in told.replace("\u00a0", " ") for line in value.split("|")), value


def test_an_audit_changes_the_footer_and_the_declaration(
    make_instance: Callable[..., Instance],
) -> None:
    visitor = make_instance(
        accessibility_audited_on="2026-03-03",
        accessibility_audited_by="un cabinet",
        accessibility_rate=83,
    ).visitor()

    told = text_of(visitor.get("/accessibilite")).replace("\u00a0", " ")

    assert "83 % des critères" in told
    assert "mardi 3 mars 2026" in told
    assert told.count("partiellement conforme") == 2


def test_what_is_kept_is_told_with_the_spans_that_hold(
    make_instance: Callable[..., Instance],
) -> None:
    visitor = make_instance(session_absolute="14400", audit_retention="23328000").visitor()

    told = text_of(visitor.get("/donnees-personnelles")).replace("\u00a0", " ")

    for thing, span in (
        ("dernière visite à chaque service", "6 mois"),
        ("navigateurs qui vous ont déjà servi", "6 mois"),
        ("mot de passe provisoire", "24 h par mail et 30 jours par courrier"),
        ("connexions ouvertes", "4 h au plus"),
        ("journal des connexions", "9 mois"),
        ("essais manqués", "24 h pour les essais, 90 jours pour les demandes"),
        ("date et lieu de naissance", "tient ce dossier"),
    ):
        assert thing in told
        assert f"Durée : {span}" in told or span in told.split(thing, 1)[1][:400], thing


def test_a_link_to_franceconnect_is_told_of_where_the_fund_offers_it() -> None:
    def told(*, franceconnect: bool) -> str:
        hour = timedelta(hours=1)
        kept = kept_of_a_person(session=hour, audit=hour, franceconnect=franceconnect)
        return " ".join(str(one.what) for one in kept)

    assert "FranceConnect" in told(franceconnect=True)
    assert "FranceConnect" not in told(franceconnect=False)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_of_the_footer_sets_no_cookie(instance: Instance, path: str) -> None:
    assert "Set-Cookie" not in instance.visitor().get(path).headers
