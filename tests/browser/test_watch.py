"""The watch that ends every browser test sees what it is there to see."""

import pytest

from tests.browser import pages

pytestmark = pytest.mark.browser


@pytest.fixture
def policed(chromium_visit):
    with pages.states() as address:
        chromium_visit.page.goto(f"{address}/login-first")
        yield chromium_visit


def test_a_page_without_fault_is_no_fault(policed):
    assert policed.faults == []


@pytest.mark.parametrize(
    "planted",
    [
        "document.body.setAttribute('style', 'color: red')",
        "document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">')",
        "document.body.append(Object.assign(document.createElement('script'), {text: '1'}))",
        "new Image().src = 'http://elsewhere.invalid/pixel.png'",
        "fetch('/static/pages.css').catch(() => 0)",
    ],
)
def test_what_the_policy_refuses_is_a_fault(policed, planted):
    policed.page.evaluate(planted)
    policed.page.wait_for_timeout(200)

    assert policed.violations


def test_what_comes_from_elsewhere_is_a_fault(chromium_visit):
    chromium_visit.page.set_content("<img src='http://elsewhere.invalid/pixel.png'>")

    assert chromium_visit.faults == ["loaded from elsewhere.invalid"]


def test_a_script_that_fails_is_a_fault(policed):
    policed.page.evaluate("setTimeout(() => { throw new Error('planted') })")
    policed.page.wait_for_timeout(200)

    assert policed.faults == ["planted"]
