"""Every line of the conformance checklist has a test of its number; what operators get is whole."""

import json
import re
from pathlib import Path

import pytest

from idp.identity.directory import COLUMNS
from idp.oidc.metadata_reader import decode
from idp.oidc.registration import parse
from tests.conformance.checks import NOT_IN_THE_DIRECTORY
from tests.conformance.checks import SCOPE_CLAIMS
from tests.page_states import STATES
from tests.page_states import document
from tests.page_states import words

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
SHIPPED = ROOT / "deploy" / "conformance"
COUNTED = {"c": 25, "b": 39, "g": 9, "p": 2, "l": 11, "k": 5, "n": 3}
LINES = [f"{letter}{n}" for letter, last in COUNTED.items() for n in range(1, last + 1)]
CONFIGURATIONS = ["basic.json", "backchannel.json", "frontchannel.json"]
CLIENTS = sorted((SHIPPED / "clients").glob("*.json"))


def numbers_of_tests() -> set[str]:
    """Every word of the name of every test."""
    return {
        word
        for file in TESTS.rglob("test_*.py")
        for name in re.findall(r"^ *def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
        for word in name.split("_")
    }


def told(name: str) -> dict:
    return json.loads((SHIPPED / name).read_text(encoding="utf-8"))


def commands(entries):
    return [c for entry in entries for task in entry["tasks"] for c in task.get("commands", [])]


def browser_of(configuration):
    entries = list(configuration["browser"])
    for override in configuration.get("override", {}).values():
        entries += override["browser"]
    return entries


def test_each_line_of_the_checklist_has_a_test_that_carries_its_number():
    carried = numbers_of_tests()

    assert [line for line in LINES if line not in carried] == []


def test_each_line_of_the_checklist_is_told_with_its_state_and_its_tests():
    text = (ROOT / "docs" / "specifications.md").read_text(encoding="utf-8")
    table = text.partition("## The conformance checklist")[2].partition("\n## ")[0]
    rows = [row.split("|") for row in table.splitlines() if re.match(r"\| [A-Z]\d", row)]
    lines = set()
    for _, numbers, *_rest, tests, _ in rows:
        for first, last in re.findall(r"([A-Z]\d+)(?: to ([A-Z]\d+))?", numbers):
            letter, until = first[0].lower(), int((last or first)[1:])
            lines |= {f"{letter}{n}" for n in range(int(first[1:]), until + 1)}
        for file in re.findall(r"`([a-z_/]+\.py)`", tests):
            assert (TESTS / file).is_file(), file

    assert [line for line in LINES if line not in lines] == []


@pytest.mark.parametrize("file", CLIENTS, ids=lambda file: file.stem)
def test_c9_each_client_of_the_suite_is_registered_as_it_stands_at_the_address_of_its_alias(file):
    client = parse(decode(file.read_bytes()))

    alias = told("basic.json")["alias"]
    assert client.redirect_uris[0].endswith(f"/test/a/{alias}/callback")
    assert client.post_logout_redirect_uris[0].endswith(f"/test/a/{alias}/post_logout_redirect")
    assert client.client_id == file.stem
    assert not client.require_pkce
    assert client.check_grant_type("refresh_token")


def test_c10_the_plan_basic_has_two_clients_of_basic_and_one_that_posts_its_secret():
    methods = [
        parse(
            told(f"clients/{told('basic.json')[key]['client_id']}.json")
        ).token_endpoint_auth_method
        for key in ("client", "client2", "client_secret_post")
    ]

    assert methods == ["client_secret_basic", "client_secret_basic", "client_secret_post"]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_configuration_names_clients_that_are_shipped_and_one_provider(name):
    configuration = told(name)
    clients = [
        part["client_id"]
        for part in configuration.values()
        if isinstance(part, dict) and "client_id" in part
    ]

    assert set(clients) <= {file.stem for file in CLIENTS}
    assert configuration["server"]["discoveryUrl"].endswith("/.well-known/openid-configuration")
    assert configuration["alias"] == told("basic.json")["alias"]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_what_the_suites_browser_presses_and_reads_is_on_our_pages(name):
    ids = {one for state in STATES for one in document(state).xpath("//@id")}
    ids.add("submission_complete")  # the suite's own
    read = " ".join(words(document(state)) for state in STATES)
    for command in commands(browser_of(told(name))):
        what, kind, target, *rest = command
        assert what in ("click", "text", "wait")
        if kind == "id":
            assert target in ids, target
        elif kind == "xpath" and " " in rest[1] and rest[1][0].isupper():
            assert rest[1] in read, rest[1]


def test_the_warnings_to_expect_are_those_of_the_claims_that_nobody_has():
    expected = told("expected-failures.json")

    assert SCOPE_CLAIMS["profile"] > NOT_IN_THE_DIRECTORY
    assert [one["test-name"] for one in expected] == ["oidcc-scope-profile", "oidcc-scope-all"]
    assert {one["expected-result"] for one in expected} == {"warning"}
    guide = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    for claim in NOT_IN_THE_DIRECTORY:
        assert f"`{claim}`" in guide


def test_the_skips_to_expect_are_told_in_the_guide():
    guide = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")

    for one in told("expected-skips.json"):
        assert one["test-name"] in guide


def test_the_member_of_the_suite_has_a_column_for_everything_that_is_imported():
    header, row = (SHIPPED / "member.csv").read_text(encoding="utf-8").splitlines()

    assert tuple(header.split(";")) == COLUMNS
    assert len(row.split(";")) == len(COLUMNS)
