"""The documents say what the code does: settings, audit events, specifications."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from idp.audit import Event
from idp.settings import Settings
from idp.settings.manual import manual

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SETTINGS = Settings.model_fields


def rows(document, first_cell):
    """Read the rows of a document's tables whose first cell matches, as lists of cells."""
    lines = (DOCS / document).read_text(encoding="utf-8").splitlines()
    tables = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("|")]
    cells = [[cell.strip().replace(r"\|", "|") for cell in row] for row in tables]
    return [row for row in cells if re.fullmatch(first_cell, row[0])]


def documented():
    """Each setting's row by its name in the code; the five columns tell settings from the rest."""
    five = [row for row in rows("settings.md", r"`IDP_[A-Z0-9_]+`") if len(row) == 5]
    return {row[0].strip("`").removeprefix("IDP_").lower(): row[1:] for row in five}


def test_every_setting_is_documented_and_none_that_is_not_there():
    assert set(documented()) == set(SETTINGS)


@pytest.mark.parametrize("entry", manual(), ids=lambda entry: entry.name)
def test_the_page_of_settings_says_what_the_code_declares(entry):
    shown = entry.default if entry.default in ("required", "empty") else f"`{entry.default}`"

    assert documented()[entry.field] == [entry.what, entry.unit, shown, entry.why]


@pytest.mark.parametrize("entry", manual(), ids=lambda entry: entry.name)
def test_a_setting_says_what_it_is_in_which_unit_and_if_it_is_a_choice_of_ours_why(entry):
    assert entry.what
    assert entry.unit
    assert entry.why or entry.field in {"fund_name", "network_window", "client_secret_window"}
    assert (entry.unit == "seconds") == (SETTINGS[entry.field].annotation is timedelta)


def test_the_bounds_of_a_setting_are_told():
    for name, field in SETTINGS.items():
        for bound in field.metadata:
            limit = getattr(bound, "le", None)
            if isinstance(limit, int):
                assert str(limit) in documented()[name][0], name


def test_every_audit_event_is_in_the_security_page_and_no_other():
    told = [
        event
        for row in rows("security.md", r"`[a-z_]+\.[a-z_]+`.*")
        for event in re.findall(r"`([a-z_]+\.[a-z_]+)`", row[0])
    ]

    assert sorted(told) == sorted(event.value for event in Event)


def test_each_specification_told_as_done_names_tests_that_exist():
    done = [row for row in rows("specifications.md", r".*§.*|.*RFC.*") if row[2] == "done"]

    assert done
    for row in done:
        named = re.findall(r"`([a-z_/]+\.py)`", row[-1])
        assert named, row
        for name in named:
            assert (ROOT / "tests" / name).is_file(), name


def test_each_part_of_a_specification_is_done_partly_or_not():
    states = {row[2] for row in rows("specifications.md", r".*§.*|.*RFC.*")}

    assert states <= {"done", "partly", "later", "never"}
