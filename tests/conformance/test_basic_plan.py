"""The modules of the plan Basic, each run again with answers by form post: lines B1 to B39, P1, P2.

A test is named by the lines of the checklist and by the module of the suite.
"""

import base64
import hashlib
import json
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from idp.oidc.metadata_reader import InvalidClientMetadata
from idp.oidc.registration import parse
from tests.conformance.checks import NOT_IN_THE_DIRECTORY
from tests.conformance.checks import SCOPE_CLAIMS
from tests.conformance.checks import check_token_answer
from tests.conformance.checks import check_userinfo
from tests.conformance.checks import jwt_part
from tests.conformance.conftest import shipped
from tests.conformance.suite import FORM_POST
from tests.conformance.suite import QUERY
from tests.conformance.suite import Suite
from tests.conformance.suite import drawn
from tests.entropy import passes_the_suite

Begin = Callable[[str], Suite]
SILENT_REFUSALS = {
    "login_required", "interaction_required", "account_selection_required", "consent_required",
}  # fmt: skip


@pytest.fixture(params=[QUERY, FORM_POST])
def begin(module: Callable[..., Suite], request: pytest.FixtureRequest) -> Begin:
    """Begin a module of Basic or, by the same name, of Form Post (Basic)."""
    return lambda name: module(name, request.param)


def test_b1_p1_oidcc_server(begin: Begin) -> None:
    suite = begin("oidcc-server")

    tokens = suite.flow()

    assert set(tokens.userinfo) == {"sub"}
    assert "refresh_token" not in tokens.answer


def test_b2_p1_oidcc_response_type_missing(begin: Begin) -> None:
    suite = begin("oidcc-response-type-missing")

    told = suite.answer(response_type=None).parameters

    assert told["error"] in ("unsupported_response_type", "invalid_request")


def test_b3_oidcc_idtoken_signature_rs256_is_the_default_of_a_registration(begin: Begin) -> None:
    suite = begin("oidcc-idtoken-signature")
    assert "id_token_signed_response_alg" not in shipped("clients/suite-1.json")

    header = json.loads(jwt_part(suite.flow().answer["id_token"]))

    assert header["alg"] == "RS256"
    assert header["kid"] in {key["kid"] for key in suite.jwks["keys"]}


def test_b4_oidcc_idtoken_unsigned_none_is_neither_announced_nor_registered(
    module: Callable[..., Suite],
) -> None:
    metadata = module("oidcc-idtoken-unsigned").metadata
    registration = shipped("clients/suite-1.json") | {"id_token_signed_response_alg": "none"}

    assert not [
        name
        for name, value in metadata.items()
        if name.endswith("_alg_values_supported") and "none" in value
    ]
    with pytest.raises(InvalidClientMetadata, match="id_token_signed_response_alg"):
        parse(registration)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_b5_b6_oidcc_userinfo_get_and_post_header(begin: Begin, method: str) -> None:
    suite = begin("oidcc-userinfo-get" if method == "GET" else "oidcc-userinfo-post-header")
    tokens = suite.flow()

    answer = suite.call_userinfo(tokens.answer["access_token"], method)

    check_userinfo(answer, tokens.id_token["sub"])


def test_b7_oidcc_userinfo_post_body(begin: Begin) -> None:
    suite = begin("oidcc-userinfo-post-body")
    tokens = suite.flow()

    answer = suite.call(
        "POST",
        suite.metadata["userinfo_endpoint"],
        data={"access_token": tokens.answer["access_token"]},
    )

    check_userinfo(answer, tokens.id_token["sub"])


def test_b8_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(begin: Begin) -> None:
    suite = begin("oidcc-ensure-request-without-nonce-succeeds-for-code-flow")

    assert "nonce" not in suite.flow(nonce=None).id_token


@pytest.mark.parametrize(
    ("name", "scopes"),
    [
        pytest.param("profile", ["profile"], id="b9"),
        pytest.param("email", ["email"], id="b10"),
        pytest.param("address", ["address"], id="b11"),
        pytest.param("phone", ["phone"], id="b12"),
        pytest.param("all", ["profile", "email", "address", "phone"], id="b13"),
    ],
)
def test_b9_b10_b11_b12_b13_oidcc_scope(begin: Begin, name: str, scopes: list[str]) -> None:
    suite = begin(f"oidcc-scope-{name}")
    assert set(scopes) <= set(suite.metadata["scopes_supported"])

    tokens = suite.flow(scope=" ".join(["openid", *scopes]))

    wanted = set().union(*(SCOPE_CLAIMS[scope] for scope in scopes))
    assert set(tokens.userinfo) == {"sub"} | wanted - NOT_IN_THE_DIRECTORY


def test_b14_oidcc_ensure_other_scope_order_succeeds(begin: Begin) -> None:
    suite = begin("oidcc-ensure-other-scope-order-succeeds")
    asked = suite.request(scope="email openid", state=drawn(128), nonce=drawn(43))

    landing = suite.visit(dict(reversed(asked.items())))

    assert landing is not None
    assert "email" in suite.finish(landing.parameters["code"]).userinfo


@pytest.mark.parametrize("display", ["page", "popup"])
def test_b15_b16_oidcc_display_page_and_popup(begin: Begin, display: str) -> None:
    begin(f"oidcc-display-{display}").flow(display=display)


def test_b17_oidcc_prompt_login(begin: Begin) -> None:
    suite = begin("oidcc-prompt-login")
    first = suite.flow()
    assert not suite.browser.screens
    time.sleep(1)  # as the suite does

    second = suite.flow(prompt="login")

    assert len(suite.browser.screens) == 1
    assert "Sign in" in suite.browser.tasks
    assert second.id_token["auth_time"] > first.id_token["auth_time"]
    assert second.id_token["sub"] == first.id_token["sub"]


def test_b18_oidcc_prompt_none_not_logged_in(begin: Begin) -> None:
    suite = begin("oidcc-prompt-none-not-logged-in")

    told = suite.answer(prompt="none", state=drawn(128)).parameters

    assert told["error"] in SILENT_REFUSALS


def test_b19_x7_oidcc_prompt_none_logged_in(begin: Begin) -> None:
    suite = begin("oidcc-prompt-none-logged-in")
    first = suite.flow()

    second = suite.flow(prompt="none")

    assert suite.browser.tasks == ["Back at the suite"]
    for claim in ("sub", "auth_time"):
        assert second.id_token[claim] == first.id_token[claim]


def test_b20_oidcc_max_age_1(begin: Begin) -> None:
    suite = begin("oidcc-max-age-1")
    first = suite.flow()
    time.sleep(2)

    second = suite.flow(max_age="1")

    assert len(suite.browser.screens) == 1
    assert second.id_token["auth_time"] > first.id_token["auth_time"]
    assert time.time() - second.id_token["auth_time"] < 10


def test_b21_oidcc_max_age_10000(begin: Begin) -> None:
    suite = begin("oidcc-max-age-10000")
    first = suite.flow(max_age="15000")

    second = suite.flow(max_age="10000")

    assert suite.browser.tasks == ["Back at the suite"]
    assert second.id_token["auth_time"] == first.id_token["auth_time"]


def test_b22_oidcc_ensure_request_with_unknown_parameter_succeeds(begin: Begin) -> None:
    begin("oidcc-ensure-request-with-unknown-parameter-succeeds").flow(extra="foobar")


def test_b23_oidcc_id_token_hint(begin: Begin) -> None:
    suite = begin("oidcc-id-token-hint")
    first = suite.flow()

    second = suite.flow(prompt="none", id_token_hint=first.answer["id_token"])

    assert suite.browser.tasks == ["Back at the suite"]
    for claim in ("sub", "auth_time"):
        assert second.id_token[claim] == first.id_token[claim]


def test_b24_oidcc_login_hint(begin: Begin) -> None:
    suite = begin("oidcc-login-hint")

    suite.flow(login_hint=f"buffy@{urlsplit(suite.metadata['issuer']).hostname}")


def test_b25_oidcc_ui_locales(begin: Begin) -> None:
    begin("oidcc-ui-locales").flow(ui_locales="se")


def test_b26_oidcc_claims_locales(begin: Begin) -> None:
    begin("oidcc-claims-locales").flow(claims_locales="se")


def test_b27_oidcc_ensure_request_with_acr_values_succeeds(begin: Begin) -> None:
    suite = begin("oidcc-ensure-request-with-acr-values-succeeds")
    announced = suite.metadata["acr_values_supported"]

    tokens = suite.flow(acr_values=" ".join(announced))

    assert tokens.id_token["acr"] in announced


def test_b28_oidcc_codereuse(begin: Begin) -> None:
    suite = begin("oidcc-codereuse")
    code = suite.code()
    check_token_answer(suite.redeem(code))

    suite.refused(suite.redeem(code), "invalid_grant")


def test_b29_oidcc_codereuse_30seconds_less_the_wait(begin: Begin) -> None:
    """``functional/test_token_endpoint.py`` has the thirty seconds, by a clock of its own."""
    suite = begin("oidcc-codereuse-30seconds")
    code = suite.code()
    tokens = suite.finish(code)

    suite.refused(suite.redeem(code), "invalid_grant")

    assert 400 <= suite.call_userinfo(tokens.answer["access_token"]).status_code < 500


def test_b30_oidcc_ensure_registered_redirect_uri(begin: Begin) -> None:
    suite = begin("oidcc-ensure-registered-redirect-uri")

    screen = suite.page(redirect_uri=f"{suite.base}/callback/{drawn(10)}")

    assert "redirect_uri is not registered" in screen
    assert suite.browser.url.startswith(suite.metadata["authorization_endpoint"])


def test_b31_oidcc_ensure_post_request_succeeds(begin: Begin) -> None:
    suite = begin("oidcc-ensure-post-request-succeeds")

    suite.finish(suite.answer(method="POST").parameters["code"])


def test_b32_oidcc_server_client_secret_post(begin: Begin) -> None:
    begin("oidcc-server-client-secret-post").flow("client_secret_post")


def test_b33_oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(
    begin: Begin,
) -> None:
    suite = begin("oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported")

    told = suite.answer(request_uri=f"{suite.base}/requesturi#{drawn(10)}").parameters

    assert told["error"] == "request_uri_not_supported"


def unsigned(claims: dict[str, str]) -> str:
    def part(content: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part(claims)}."


def test_b34_oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(
    begin: Begin,
) -> None:
    suite = begin("oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported")

    told = suite.answer(request=unsigned(suite.request())).parameters

    assert told["error"] == "request_not_supported"


def test_b35_oidcc_ensure_request_object_with_redirect_uri(begin: Begin) -> None:
    suite = begin("oidcc-ensure-request-object-with-redirect-uri")

    screen = suite.page(request=unsigned(suite.request()), redirect_uri=f"{suite.base}/{drawn(10)}")

    assert "redirect_uri is not registered" in screen


def test_b36_x5_no_algorithm_of_request_objects_is_announced(module: Callable[..., Suite]) -> None:
    metadata = module("oidcc-server").metadata

    assert metadata["request_parameter_supported"] is False
    assert metadata["request_uri_parameter_supported"] is False
    assert "request_object_signing_alg_values_supported" not in metadata


def test_b37_oidcc_claims_essential(begin: Begin) -> None:
    suite = begin("oidcc-claims-essential")
    assert suite.metadata["claims_parameter_supported"] is True

    tokens = suite.flow(claims=json.dumps({"userinfo": {"name": {"essential": True}}}))

    assert tokens.userinfo["name"]
    assert "name" not in tokens.id_token


def test_b38_c17_oidcc_refresh_token(begin: Begin) -> None:
    suite = begin("oidcc-refresh-token")
    assert "offline_access" in suite.metadata["scopes_supported"]
    assert "refresh_token" in suite.metadata["grant_types_supported"]
    asked = {"scope": "openid offline_access", "prompt": "consent"}
    first = suite.flow(**asked)
    time.sleep(1)  # as the suite does, for another iat

    answer = check_token_answer(suite.refresh(first.answer["refresh_token"]))
    again = suite.read(answer["id_token"])
    check_userinfo(suite.call_userinfo(answer["access_token"]), again["sub"])
    for claim in ("iss", "sub", "aud", "auth_time"):
        assert again[claim] == first.id_token[claim]
    assert again["iat"] != first.id_token["iat"]
    for token in (first.answer["refresh_token"], answer["refresh_token"], answer["access_token"]):
        assert passes_the_suite(token)

    second = suite.flow("client2", **asked)
    suite.refused(suite.refresh(second.answer["refresh_token"], "client"), "invalid_grant")
    check_token_answer(suite.refresh(second.answer["refresh_token"], "client2"))


def test_b39_oidcc_ensure_request_with_valid_pkce_succeeds(begin: Begin) -> None:
    suite = begin("oidcc-ensure-request-with-valid-pkce-succeeds")
    verifier = drawn(43)
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    challenge = digest.rstrip(b"=").decode()

    code = suite.code(code_challenge=challenge, code_challenge_method="S256")

    suite.finish(code, code_verifier=verifier)


def test_p1_p2_the_page_of_a_form_post_runs_in_a_browser_of_little_wit(
    module: Callable[..., Suite],
) -> None:
    suite = module("oidcc-server", FORM_POST)

    landing = suite.answer()

    assert (landing.method, landing.query) == ("POST", "")
    assert landing.content_type == "application/x-www-form-urlencoded"
    script = suite.call("GET", f"{suite.metadata['issuer']}/static/form-post.js")
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert "import" not in script.text
