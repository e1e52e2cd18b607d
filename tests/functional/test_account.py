"""``/compte``: the overview, and the way to each of its pages and back."""

from lxml import html as lxml_html  # type: ignore[import-untyped]

from tests.instance import Instance
from tests.instance import text_of


def test_every_topic_leads_to_a_page_of_its_own_title_that_leads_back(instance: Instance) -> None:
    visitor = instance.visitor()
    visitor.sign_in(instance.add_person(email="anne@example.fr"))
    overview = lxml_html.fromstring(visitor.get("/compte").text)

    paths = overview.xpath("//main//li//a/@href")
    pages = [lxml_html.fromstring(visitor.get(path).text) for path in paths]

    assert {"/compte/mot-de-passe", "/compte/appareils", "/compte/services"} < set(paths)
    assert paths[-1] == "/compte/ce-n-etait-pas-moi"
    titles = [page.findtext(".//title") for page in [overview, *pages]]
    assert len(set(titles)) == len(titles)
    assert all("/compte" in page.xpath("//main//a/@href") for page in pages)


def test_what_the_overview_says_is_what_holds_now(instance: Instance) -> None:
    person = instance.add_person()
    visitor = instance.visitor()
    visitor.sign_in(person)
    assert "Seul cet appareil est connecté." in visitor.get("/compte").text

    instance.visitor().sign_in(person)

    assert "2 appareils sont connectés en ce moment" in text_of(visitor.get("/compte"))
