"""docs/integrate.md says what the code does, and shows of the examples what stands in them."""

import json
import re
from datetime import timedelta

import pytest

from idp.oidc.authorize import PROMPTS
from idp.oidc.authorize import UNDERSTOOD
from idp.oidc.claims import CLAIMS_OF
from idp.oidc.claims import SCOPES
from idp.oidc.metadata_reader import MEMBERS
from idp.oidc.registration import parse
from idp.settings import Settings
from tests.unit.test_docs import ROOT
from tests.unit.test_docs import rows

PAGE = (ROOT / "docs" / "integrate.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = ("python", "js", "json", "apache")
REGISTRATIONS = sorted(
    path for path in (ROOT / "examples").rglob("*.json")
    if path.name.endswith("registration.json") and "node_modules" not in path.parts
)  # fmt: skip


def excerpts():
    """Each block of code, with the file that the last link before it leads to."""
    file = None
    for link, language, code in re.findall(
        r"\]\(\.\./(examples/[^)]+)\)|^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
    ):
        if link:
            file = ROOT / link
        elif language in SHOWN:
            yield pytest.param(file, code, id=f"{file.name}: {code.splitlines()[0].strip()}")


def table(heading):
    """The rows of the table whose first column is called so."""
    cells = rows("integrate.md", ".*")
    start = next(index for index, row in enumerate(cells) if row[0] == heading)
    rules = [index for index, row in enumerate(cells) if re.fullmatch("-+", row[0])]
    end = next((rule - 1 for rule in rules if rule > start + 1), len(cells))
    yield from cells[start + 2 : end]


def named(heading):
    """What the first column of a table names, in order."""
    return [re.findall(r"`([^`]+)`", row[0]) for row in table(heading)]


@pytest.mark.parametrize(("file", "code"), list(excerpts()))
def test_what_is_shown_of_an_example_is_what_stands_there(file, code):
    assert code in file.read_text(encoding="utf-8")


def test_every_address_within_the_repository_leads_somewhere():
    for link in re.findall(r"\]\((?!http)([^)#]+)", PAGE):
        assert (ROOT / "docs" / link).exists(), link


def test_every_example_is_shown():
    for folder in (path.parent for path in REGISTRATIONS):
        assert f"(../examples/{folder.name}" in PAGE


@pytest.mark.parametrize("file", REGISTRATIONS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_each_registration_of_an_example_is_as_it_should_be(file):
    client = parse(json.loads(file.read_text(encoding="utf-8")))

    assert client.require_pkce
    if client.grant_types:
        assert client.id_token_signed_response_alg == "ES256"


def test_every_member_of_a_registration_is_told_and_no_other():
    told = [name for names in named("name") for name in names]

    assert sorted(told) == sorted(MEMBERS)


def test_every_parameter_of_a_sign_in_is_told_and_every_prompt():
    told = {row[0]: row[1] for row in table("parameter")}
    names = [name for cell in told for name in re.findall(r"`(\w+)`", cell)]

    assert sorted(names) == sorted(UNDERSTOOD)
    for prompt in PROMPTS:
        assert f"`{prompt}`" in told["`prompt`"]


def test_every_scope_is_told_with_its_claims_and_every_claim():
    told = {row[0].strip("`"): re.findall(r"`(\w+)`", row[1]) for row in table("scope")}

    assert sorted(told) == sorted(SCOPES)
    for scope, claims in CLAIMS_OF.items():
        assert told[scope] == list(claims)
    of_the_person = {claim for claims in CLAIMS_OF.values() for claim in claims}
    assert of_the_person <= {name for names in named("claim") for name in names}


def in_words(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds % size == 0 and seconds > size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"


def test_each_lifetime_is_that_of_its_setting():
    told = list(table("what"))

    assert told
    for _, span, setting in told:
        name = setting.strip("`").removeprefix("IDP_").lower()
        assert span.startswith(in_words(Settings.model_fields[name].default)), setting
    for name in ("session_idle", "session_absolute"):
        assert in_words(Settings.model_fields[name].default) in PAGE


def test_the_readme_leads_here():
    assert "(docs/integrate.md)" in README
