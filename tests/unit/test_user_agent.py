"""What a browser says of itself becomes a name that its owner knows, or none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.web.user_agent import told_by

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15"
ANDROID = f"Mozilla/5.0 (Linux; Android 14; SM-A156B) {WEBKIT}"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15"


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (f"{WINDOWS}; rv:128.0) Gecko/20100101 Firefox/128.0", ("Firefox", "Windows")),
        (f"{WINDOWS}) {WEBKIT} Chrome/126.0 Safari/537.36", ("Chrome", "Windows")),
        (f"{WINDOWS}) {WEBKIT} Chrome/126.0 Safari/537.36 Edg/126.0", ("Edge", "Windows")),
        (f"{WINDOWS}) {WEBKIT} Chrome/126.0 Safari/537.36 OPR/111.0", ("Opera", "Windows")),
        (f"{ANDROID} SamsungBrowser/25.0 Chrome/121.0 Mobile", ("Samsung Internet", "Android")),
        (f"{ANDROID} Chrome/126.0 Mobile Safari/537.36", ("Chrome", "Android")),
        (f"{IPHONE} Version/17.5 Mobile/15E148 Safari/604.1", ("Safari", "iPhone")),
        (f"{IPHONE} CriOS/126.0 Mobile/15E148 Safari/604.1", ("Chrome", "iPhone")),
        (f"{IPHONE} FxiOS/127.0 Mobile/15E148 Safari/605.1", ("Firefox", "iPhone")),
        (f"{MAC} Version/17.5 Safari/605.1.15", ("Safari", "Mac")),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko Firefox/128.0", ("Firefox", "Linux")),
        (f"Mozilla/5.0 (X11; CrOS x86_64) {WEBKIT} Chrome/126.0", ("Chrome", "ChromeOS")),
        ("Mozilla/5.0 (compatible; Version/1.0)", ("", "")),
        ("curl/8.8.0", ("", "")),
        ("", ("", "")),
        ("Mozilla/5.0 " + "x" * 600 + " Firefox/128.0", ("", "")),
    ],
)
def test_a_browser_is_called_by_the_name_that_people_know(header, told):
    assert told_by(header) == told


@given(st.text(max_size=700))
def test_nothing_of_what_a_browser_says_is_kept_but_known_names(header):
    browser, system = told_by("Mozilla/5.0 " + header)

    assert len(browser) <= 16
    assert len(system) <= 16
    assert (browser + system).replace(" ", "").isalpha() or not browser + system
