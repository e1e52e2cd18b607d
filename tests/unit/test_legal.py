"""What the pages of the footer may claim."""

from datetime import date

import pytest

from idp.legal import Audit
from idp.legal import Legal
from idp.legal import lines_of
from idp.web import browser
from idp.web.legal import cookies
from tests.instance import Instance

AUDITED = date(2026, 3, 31)


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (49, "non conforme"),
        (50, "partiellement conforme"),
        (99, "partiellement conforme"),
        (100, "totalement conforme"),
    ],
)
def test_the_state_is_the_one_that_the_rate_of_the_audit_gives(rate, said):
    state = Legal(audit=Audit(AUDITED, "un cabinet", rate)).accessibility_on(AUDITED)

    assert str(state) == said


def test_without_an_audit_no_conformity_is_claimed():
    assert str(Legal().accessibility_on(AUDITED)) == "non conforme"


def test_an_audit_counts_for_three_years_to_the_day():
    legal = Legal(audit=Audit(AUDITED, "un cabinet", 100))

    assert str(legal.accessibility_on(date(2029, 3, 30))) == "totalement conforme"
    assert str(legal.accessibility_on(date(2029, 3, 31))) == "non conforme"


def test_lines_of_a_setting_are_cut_at_bars_and_empty_ones_dropped():
    assert lines_of(" Caisse | 6 place de l’Exemple ||") == ("Caisse", "6 place de l’Exemple")


def test_every_cookie_that_a_browser_may_be_given_is_told_and_no_other(instance: Instance):
    set_here = {value for name, value in vars(browser).items() if name.endswith("_COOKIE")}

    assert {cookie.name for cookie in cookies(instance.settings.session_absolute)} == set_here
