"""The plans of the sign-out: lines L2 to L11 (L1 is with the metadata), N1 to N3, K1, K2, K5.

What services are told behind the browser's back, K3 and K4, is in
``functional/test_backchannel_logout.py``.
"""

import base64
import json
from collections.abc import Callable
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.conformance.checks import jwt_part
from tests.conformance.conftest import shipped
from tests.conformance.suite import Suite
from tests.conformance.suite import Tokens
from tests.conformance.suite import drawn
from tests.conformance.test_basic_plan import SILENT_REFUSALS
from tests.service_signer import drawn as drawn_key

Begin = Callable[..., Suite]


class Leaving:
    """A module of this plan: somebody is signed in, and leaves."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.tokens: Tokens = suite.flow()
        self.hint: str = self.tokens.answer["id_token"]

    @property
    def is_signed_out(self) -> bool:
        """What prompt=none says at the end of most modules."""
        told = self.suite.answer(prompt="none").parameters
        return told.get("error") in SILENT_REFUSALS

    def sent_back(self, **asked: str) -> dict[str, str]:
        """Leave, and be sent to the client's address."""
        uri = self.suite.post_logout_redirect_uri
        landing = self.suite.leave(post_logout_redirect_uri=uri, **asked)
        assert landing is not None
        assert landing.url.partition("?")[0] == uri
        return landing.parameters if landing.query else {}

    def shown(self, **asked: str) -> str:
        """Leave, and be shown a page: its text, which is the module's screenshot."""
        assert self.suite.leave(**asked) is None
        (screen,) = self.suite.browser.screens
        return screen


@pytest.fixture
def leaving(module: Begin) -> Callable[[str], Leaving]:
    return lambda name: Leaving(module(f"oidcc-rp-initiated-logout{name}"))


Begun = Callable[[str], Leaving]


def test_l2_oidcc_rp_initiated_logout(leaving: Begun) -> None:
    here = leaving("")
    state = drawn(10)

    assert here.sent_back(id_token_hint=here.hint, state=state) == {"state": state}
    assert here.is_signed_out


def test_l3_oidcc_rp_initiated_logout_no_state(leaving: Begun) -> None:
    here = leaving("-no-state")

    assert here.sent_back(id_token_hint=here.hint) == {}
    assert here.is_signed_out


def test_l4_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(leaving: Begun) -> None:
    here = leaving("-bad-post-logout-redirect-uri")

    screen = here.shown(
        id_token_hint=here.hint,
        post_logout_redirect_uri=f"{here.suite.post_logout_redirect_uri}/{drawn(10)}",
        state=drawn(10),
    )

    assert "post_logout_redirect_uri" in screen


def test_l5_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(
    leaving: Begun,
) -> None:
    here = leaving("-query-added-to-post-logout-redirect-uri")

    screen = here.shown(
        id_token_hint=here.hint,
        post_logout_redirect_uri=f"{here.suite.post_logout_redirect_uri}?foo=bar",
        state=drawn(10),
    )

    assert "post_logout_redirect_uri" in screen


def test_l6_oidcc_rp_initiated_logout_modified_id_token_hint(leaving: Begun) -> None:
    here = leaving("-modified-id-token-hint")
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    hint = f"{header}.{here.hint.split('.')[1]}."

    screen = here.shown(
        id_token_hint=hint,
        post_logout_redirect_uri=here.suite.post_logout_redirect_uri,
        state=drawn(10),
    )

    assert "id_token_hint" in screen


def test_l7_oidcc_rp_initiated_logout_bad_id_token_hint(leaving: Begun) -> None:
    here = leaving("-bad-id-token-hint")
    key = drawn_key("RSA")
    assert isinstance(key, RSAKey)
    header = {**json.loads(jwt_part(here.hint)), "alg": "RS256"}
    hint = jwt.encode(header, here.tokens.id_token, key, algorithms=["RS256"])

    screen = here.shown(
        id_token_hint=hint,
        post_logout_redirect_uri=here.suite.post_logout_redirect_uri,
        state=drawn(10),
    )

    assert "id_token_hint" in screen


def test_l8_oidcc_rp_initiated_logout_no_id_token_hint(leaving: Begun) -> None:
    here = leaving("-no-id-token-hint")

    screen = here.shown(
        post_logout_redirect_uri=here.suite.post_logout_redirect_uri, state=drawn(10)
    )

    assert "post_logout_redirect_uri" in screen


def test_l9_oidcc_rp_initiated_logout_no_params(leaving: Begun) -> None:
    here = leaving("-no-params")

    assert "Votre session est terminée" in here.shown()
    assert here.is_signed_out


def test_l10_oidcc_rp_initiated_logout_only_state(leaving: Begun) -> None:
    here = leaving("-only-state")

    assert "Votre session est terminée" in here.shown(state=drawn(10))
    assert here.is_signed_out


def test_l11_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(leaving: Begun) -> None:
    here = leaving("-no-post-logout-redirect-uri")

    assert "Votre session est terminée" in here.shown(id_token_hint=here.hint, state=drawn(10))
    assert here.is_signed_out


def test_k1_n1_oidcc_logout_discovery_endpoint_verification(module: Begin) -> None:
    metadata = module("oidcc-frontchannel-logout-discovery-endpoint-verification").metadata

    for channel in ("backchannel", "frontchannel"):
        assert metadata[f"{channel}_logout_supported"] is True
        assert metadata[f"{channel}_logout_session_supported"] is True


@pytest.mark.parametrize("channel", ["backchannel", "frontchannel"])
def test_k2_n2_each_channel_is_registered_for_a_client_of_its_own(channel: str) -> None:
    registered = shipped(f"clients/suite-{channel}.json")

    base = registered["redirect_uris"][0].removesuffix("/callback")
    assert registered[f"{channel}_logout_uri"] == f"{base}/{channel}_logout"
    assert registered[f"{channel}_logout_session_required"] is True
    assert {name for name in registered if name.endswith("channel_logout_uri")} == {
        f"{channel}_logout_uri"
    }


def test_k5_oidcc_backchannel_rp_initiated_logout_as_the_browser_sees_it(module: Begin) -> None:
    suite = module("oidcc-backchannel-rp-initiated-logout", configured_by="backchannel.json")
    here, state = Leaving(suite), drawn(10)

    assert here.sent_back(id_token_hint=here.hint, state=state) == {"state": state}
    assert here.is_signed_out


def test_n3_oidcc_frontchannel_rp_initiated_logout(module: Begin) -> None:
    suite = module("oidcc-frontchannel-rp-initiated-logout", configured_by="frontchannel.json")
    here, state = Leaving(suite), drawn(10)

    assert here.sent_back(id_token_hint=here.hint, state=state) == {"state": state}

    (frame,) = suite.browser.frames
    assert frame.url.partition("?")[0] == f"{suite.base}/frontchannel_logout"
    assert parse_qs(frame.query) == {
        "iss": [suite.metadata["issuer"]],
        "sid": [here.tokens.id_token["sid"]],
    }
    assert here.is_signed_out
