"""What each member of the metadata promises, done over HTTP: a function for each, in ``USES``.

It is given what the member announces. ``test_metadata_is_true.py`` runs them all.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit

from lxml import html as lxml_html  # type: ignore[import-untyped]

from idp.notifier import Notifier
from idp.oidc.authorize import PROMPTS
from idp.wiring.protocol import build_backchannel_logout
from tests.functional.metadata_world import DOCUMENTATION
from tests.functional.metadata_world import World
from tests.functional.metadata_world import authenticated
from tests.functional.metadata_world import proved_at
from tests.instance import CALLBACK
from tests.instance import ISSUER
from tests.instance import answer_of

OF_THE_TOKEN_ITSELF = {"jti", "client_id", "scope", "azp", "at_hash", "c_hash", "nbf"}
"""Claims of JWTs that are nobody's: not listed in ``claims_supported``."""


def use_issuer(world: World, announced: str) -> None:
    assert announced == ISSUER
    assert world.id_token(world.sign_in())[1]["iss"] == announced


def use_authorization_endpoint(world: World, _announced: str) -> None:
    assert world.ask().status_code == 303
    path = world.path("authorization_endpoint")
    assert world.visitor.post(path, world.service.request()).status_code == 303


def use_token_endpoint(world: World, _announced: str) -> None:
    code = world.visitor.code(world.person, world.service)
    form = world.service.redemption(code)
    answer = world.visitor.post(world.path("token_endpoint"), form, headers=world.service.basic)
    assert answer.status_code == 200, answer.text


def use_userinfo_endpoint(world: World, _announced: str) -> None:
    bearer = {"Authorization": f"Bearer {world.sign_in()['access_token']}"}
    answer = world.visitor.get(world.path("userinfo_endpoint"), headers=bearer)
    assert answer.get_json()["sub"]


def use_revocation_endpoint(world: World, _announced: str) -> None:
    form = {"token": world.sign_in()["access_token"]}
    path = world.path("revocation_endpoint")
    assert world.visitor.post(path, form, headers=world.service.basic).status_code == 200
    assert world.visitor.userinfo(form["token"]).status_code == 401


def use_introspection_endpoint(world: World, _announced: str) -> None:
    form = {"token": world.sign_in()["access_token"]}
    path = world.path("introspection_endpoint")
    answer = world.visitor.post(path, form, headers=world.service.basic)
    assert answer.get_json()["active"] is True


def use_jwks_uri(world: World, _announced: str) -> None:
    keys = world.visitor.get(world.path("jwks_uri")).get_json()["keys"]
    assert world.id_token(world.sign_in())[0]["kid"] in {key["kid"] for key in keys}


def use_end_session_endpoint(world: World, _announced: str) -> None:
    tokens = world.visitor.tokens(world.person, world.service)
    assert world.ask(prompt="none").status_code == 303
    world.visitor.get(world.path("end_session_endpoint"), {"id_token_hint": tokens["id_token"]})
    assert answer_of(world.ask(prompt="none"))["error"] == "login_required"


def use_scopes(world: World, announced: list[str]) -> None:
    tokens = world.sign_in(scope=" ".join(announced), prompt="consent")
    assert set(tokens["scope"].split()) == set(announced)


def use_response_types(world: World, announced: list[str]) -> None:
    world.has_session()
    for response_type in announced:
        answer = answer_of(world.ask(response_type=response_type))
        assert set(response_type.split()) <= answer.keys()


def use_response_modes(world: World, announced: list[str]) -> None:
    def by_query() -> bool:
        return "code" in answer_of(world.ask(response_mode="query"))

    def by_form_post() -> bool:
        page = world.ask(response_mode="form_post")
        document = lxml_html.fromstring(page.text)
        to_service = document.xpath(f"//form[@action='{world.service.client.redirect_uris[0]}']")
        return bool(to_service and to_service[0].xpath(".//input[@name='code']"))

    world.has_session()
    works = {"query": by_query, "form_post": by_form_post}
    assert [mode for mode in announced if not works[mode]()] == []
    for mode in works.keys() - set(announced):
        assert answer_of(world.ask(response_mode=mode))["error"] == "invalid_request"


def use_grant_types(world: World, announced: list[str]) -> None:
    tokens = world.sign_in(scope="openid offline_access", prompt="consent")
    forms = {
        "authorization_code": world.service.redemption(
            world.instance.visitor().code(world.person, world.service)
        ),
        "refresh_token": {"refresh_token": tokens["refresh_token"]},
        "client_credentials": {},
    }
    for grant_type in announced:
        form = forms[grant_type] | {"grant_type": grant_type}
        answer = world.visitor.post("/token", form, headers=world.service.basic)
        assert answer.status_code == 200, (grant_type, answer.text)
    assert set(announced) == set(forms)


def use_subject_types(world: World, announced: list[str]) -> None:
    subs: dict[str, set[str]] = {}
    for subject_type in announced:
        for host in ("a.example", "b.example"):
            service = world.instance.add_service(
                f"{subject_type}-{host}",
                subject_type=subject_type,
                redirect_uris=(f"https://{host}/cb",),
            )
            sub = world.id_token(world.sign_in(service))[1]["sub"]
            subs.setdefault(subject_type, set()).add(sub)
    assert {name: len(seen) for name, seen in subs.items()} == {"pairwise": 2, "public": 1}


def use_id_token_signing_algs(world: World, announced: list[str]) -> None:
    for alg in announced:
        service = world.instance.add_service(f"by-{alg}", id_token_signed_response_alg=alg)
        assert world.id_token(world.sign_in(service))[0]["alg"] == alg


def use_methods(endpoint: str) -> Callable[[World, list[str]], None]:
    """Prove a service by each method at an endpoint."""

    def use(world: World, announced: list[str]) -> None:
        for method in announced:
            proved_at(world, endpoint, *authenticated(world, method))

    return use


def use_assertion_algs(endpoint: str) -> Callable[[World, list[str]], None]:
    """Prove a service by assertions of each algorithm at an endpoint."""

    def use(world: World, announced: list[str]) -> None:
        for alg in announced:
            proved_at(world, endpoint, *authenticated(world, "private_key_jwt", alg))

    return use


def use_code_challenge_methods(world: World, announced: list[str]) -> None:
    digest = hashlib.sha256(world.service.verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert announced == ["S256"]
    world.sign_in(code_challenge=challenge, code_challenge_method=announced[0])


def use_prompts(world: World, announced: list[str]) -> None:
    world.has_session()
    assert set(announced) == set(PROMPTS)
    of_others = world.instance.add_service("agenda", first_party=False)
    for prompt in announced:
        # Services of the fund ask no consent.
        asks = of_others if prompt == "consent" else world.service
        answer = world.visitor.get("/authorize", asks.request(prompt=prompt))
        if prompt == "none":
            assert "code" in answer_of(answer)
        else:
            # Each of the others asks something on a page of ours, in spite of the session.
            assert urlsplit(answer.headers["Location"]).netloc == urlsplit(ISSUER).netloc
            assert "code=" not in answer.headers["Location"]
            assert world.visitor.get(answer.headers["Location"]).status_code == 200
    assert answer_of(world.ask(prompt="dance"))["error"] == "invalid_request"


def use_acr_values(world: World, announced: list[str]) -> None:
    assert world.id_token(world.sign_in(acr_values=" ".join(announced)))[1]["acr"] in announced
    for acr in announced:
        assert world.id_token(world.sign_in(acr_values=acr))[1]["acr"] == acr


def use_claims(world: World, announced: list[str]) -> None:
    tokens = world.sign_in(scope=" ".join(world.metadata["scopes_supported"]), prompt="consent")
    told = {**world.id_token(tokens)[1], **world.visitor.userinfo(tokens["access_token"]).json}
    assert sorted(announced) == sorted(set(told) - OF_THE_TOKEN_ITSELF)


def use_claim_types(world: World, announced: list[str]) -> None:
    userinfo = world.visitor.userinfo(world.sign_in()["access_token"]).get_json()
    assert announced == ["normal"]
    assert {"_claim_names", "_claim_sources"}.isdisjoint(userinfo)


def use_ui_locales(world: World, announced: list[str]) -> None:
    for locale in announced:
        page = world.page_of(ui_locales=locale)
        assert lxml_html.fromstring(page.text).get("lang") == locale


def use_display_values(world: World, announced: list[str]) -> None:
    for display in announced:
        assert 'name="password"' in world.page_of(display=display).text


def use_claims_parameter(world: World, announced: bool) -> None:
    tokens = world.sign_in(scope="openid", claims=json.dumps({"userinfo": {"name": None}}))
    userinfo = world.visitor.userinfo(tokens["access_token"]).get_json()
    assert ("name" in userinfo) is announced


def use_request_parameter(world: World, announced: bool) -> None:
    assert announced is False
    assert answer_of(world.ask(request="e30.e30."))["error"] == "request_not_supported"


def use_request_uri_parameter(world: World, announced: bool) -> None:
    refusal = answer_of(world.ask(request_uri="https://cotisations.example/request"))
    assert announced is False
    assert refusal["error"] == "request_uri_not_supported"


def use_iss_in_answers(world: World, announced: bool) -> None:
    refusal = answer_of(world.ask(prompt="none"))
    world.has_session()
    success = answer_of(world.ask())
    assert "error" in refusal
    assert "code" in success
    assert announced is True
    assert refusal["iss"] == success["iss"] == ISSUER


def use_backchannel_logout(world: World, announced: bool) -> None:
    service = world.instance.add_service("told", backchannel_logout_uri=world.back.uri)
    tokens = world.visitor.tokens(world.person, service)
    world.visitor.get("/logout", {"id_token_hint": tokens["id_token"]})
    parts = world.instance.parts
    Notifier(parts, build_backchannel_logout(parts)).deliver_all()
    (token,) = world.back.tokens
    assert announced is True
    assert world.visitor.read_token(token)[1]["sid"] == world.id_token(tokens)[1]["sid"]


def use_frontchannel_logout(world: World, announced: bool) -> None:
    frame = f"{CALLBACK}/front"
    service = world.instance.add_service("framed", frontchannel_logout_uri=frame)
    tokens = world.visitor.tokens(world.person, service)
    page = world.visitor.get("/logout", {"id_token_hint": tokens["id_token"]})
    (source,) = lxml_html.fromstring(page.text).xpath("//iframe/@src")
    assert announced is True
    assert parse_qs(urlsplit(source).query) == {
        "iss": [ISSUER],
        "sid": [world.id_token(tokens)[1]["sid"]],
    }


def use_service_documentation(_world: World, announced: str) -> None:
    assert announced == DOCUMENTATION


USES: dict[str, Callable[[World, Any], None]] = {
    "issuer": use_issuer,
    "authorization_endpoint": use_authorization_endpoint,
    "token_endpoint": use_token_endpoint,
    "userinfo_endpoint": use_userinfo_endpoint,
    "revocation_endpoint": use_revocation_endpoint,
    "introspection_endpoint": use_introspection_endpoint,
    "jwks_uri": use_jwks_uri,
    "end_session_endpoint": use_end_session_endpoint,
    "scopes_supported": use_scopes,
    "response_types_supported": use_response_types,
    "response_modes_supported": use_response_modes,
    "grant_types_supported": use_grant_types,
    "subject_types_supported": use_subject_types,
    "id_token_signing_alg_values_supported": use_id_token_signing_algs,
    "token_endpoint_auth_methods_supported": use_methods("token"),
    "token_endpoint_auth_signing_alg_values_supported": use_assertion_algs("token"),
    "revocation_endpoint_auth_methods_supported": use_methods("revoke"),
    "revocation_endpoint_auth_signing_alg_values_supported": use_assertion_algs("revoke"),
    "introspection_endpoint_auth_methods_supported": use_methods("introspect"),
    "introspection_endpoint_auth_signing_alg_values_supported": use_assertion_algs("introspect"),
    "code_challenge_methods_supported": use_code_challenge_methods,
    "prompt_values_supported": use_prompts,
    "acr_values_supported": use_acr_values,
    "claims_supported": use_claims,
    "claim_types_supported": use_claim_types,
    "ui_locales_supported": use_ui_locales,
    "display_values_supported": use_display_values,
    "claims_parameter_supported": use_claims_parameter,
    "request_parameter_supported": use_request_parameter,
    "request_uri_parameter_supported": use_request_uri_parameter,
    "authorization_response_iss_parameter_supported": use_iss_in_answers,
    "backchannel_logout_supported": use_backchannel_logout,
    "backchannel_logout_session_supported": use_backchannel_logout,
    "frontchannel_logout_supported": use_frontchannel_logout,
    "frontchannel_logout_session_supported": use_frontchannel_logout,
    "service_documentation": use_service_documentation,
}
