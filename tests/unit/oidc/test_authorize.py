import re
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp import StoreUnavailable
from idp.oidc.authorize import CHECKS
from idp.oidc.authorize import UNDERSTOOD
from idp.oidc.authorize import AuthorizationRequest
from idp.oidc.authorize import check
from idp.oidc.params import Params
from idp.oidc.response import refusal
from idp.oidc.return_address import RefusedByRedirect
from idp.oidc.return_address import RefusedOnPage
from idp.oidc.return_address import ReturnAddress
from tests.fakes import MemoryClients
from tests.fakes import client

CALLBACK = "https://cotisations.example/callback"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
GOOD = {
    "client_id": "cotisations",
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "openid dossier",
    "state": "af0ifjsldkj",
    "nonce": "n-0S6_WzA2Mj",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
WRITABLE = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 §4.1.2.1
RELAXED = {"require_pkce": False}


def run(registered=None, also=(), **changes):
    """Check the good request with parameters changed, left out (None) or added."""
    asked = {name: value for name, value in (GOOD | changes).items() if value is not None}
    pairs = [*asked.items(), *also]
    return check(Params.of(pairs), MemoryClients(client(**(registered or {}))))


def refused(registered=None, also=(), **changes):
    with pytest.raises(RefusedByRedirect) as refusal:
        run(registered, also, **changes)
    return refusal.value


def refused_on_page(also=(), **changes):
    with pytest.raises(RefusedOnPage) as refusal:
        run(None, also, **changes)
    return refusal.value


def test_a_good_request_is_read_whole():
    request = run(prompt="login consent", max_age="60", login_hint="affilie:1234567")

    assert request == AuthorizationRequest(
        back=ReturnAddress(client(), CALLBACK, GOOD["state"], "query"),
        scope=("openid", "dossier"),
        nonce="n-0S6_WzA2Mj",
        code_challenge=CHALLENGE,
        prompt=frozenset({"login", "consent"}),
        max_age=60,
        login_hint="affilie:1234567",
    )


def test_a_request_may_be_silent_on_what_is_optional():
    request = run(state=None, nonce=None)

    assert (request.back.state, request.nonce, request.prompt) == ("", "", frozenset())
    assert (request.max_age, request.login_hint) == (None, "")


class TestWhatMayNotBeRedirected:
    @pytest.mark.parametrize(
        ("changes", "also", "error"),
        [
            ({"client_id": None}, (), "invalid_request"),
            ({"client_id": ""}, (), "invalid_request"),
            ({"client_id": "somebody else"}, (), "invalid_client"),
            ({"client_id": "COTISATIONS"}, (), "invalid_client"),
            ({"client_id": "cotisations "}, (), "invalid_client"),
            ({"client_id": 'é"\x00\ud800'}, (), "invalid_client"),
            ({}, [("client_id", "cotisations")], "invalid_request"),
            ({}, [("client_id", "")], "invalid_request"),
            ({"redirect_uri": None}, (), "invalid_request"),
            ({"redirect_uri": ""}, (), "invalid_request"),
            ({}, [("redirect_uri", CALLBACK)], "invalid_request"),
            ({}, [("redirect_uri", "https://evil.example/")], "invalid_request"),
        ],
    )
    def test_neither_client_nor_redirect_uri_is_proved(self, changes, also, error):
        assert refused_on_page(also, **changes).error == error

    @pytest.mark.parametrize(
        "redirect_uri",
        [
            "https://cotisations.example/callback/",
            "https://cotisations.example/callback?a=1",
            "https://cotisations.example/callback#",
            "https://cotisations.example/callback%2f",
            "https://cotisations.example:443/callback",
            "https://COTISATIONS.example/callback",
            "http://cotisations.example/callback",
            "https://cotisations.example/callback ",
            "https://cotisations.example/callback\n",
            "https://cotisations.example@evil.example/callback",
            "https://cotisations.example.evil.example/callback",
            "https://cotisations.example/../callback",
            "//cotisations.example/callback",
            "javascript:alert(1)",
            'https://cotisations.example/"é',
        ],
    )
    def test_a_redirect_uri_is_compared_character_by_character(self, redirect_uri):
        # Whatever else is wrong, nobody is redirected.
        refusal = refused_on_page(redirect_uri=redirect_uri, response_type="token", scope=None)

        assert refusal.error == "invalid_request"

    def test_authlib_trap_19_a_missing_redirect_uri_is_refused_though_only_one_is_registered(self):
        assert "redirect_uri is missing" in str(refused_on_page(redirect_uri=None))

    def test_a_hundred_parameters_are_read_and_one_more_is_refused_unread(self):
        padding = [(f"x{n}", "1") for n in range(100 - len(GOOD))]

        assert run(also=padding).back.state == GOOD["state"]
        assert refused_on_page([*padding, ("y", "1")]).error == "invalid_request"

    def test_a_registry_that_is_away_is_not_an_unknown_client(self):
        clients = MemoryClients(client())
        clients.away = True

        with pytest.raises(StoreUnavailable):
            check(Params.of(GOOD.items()), clients)


class TestChecks:
    @pytest.mark.parametrize(
        ("changes", "error", "described"),
        [
            ({"state": "a\nb"}, "invalid_request", "Control characters in state."),
            ({"nonce": "a\x00b"}, "invalid_request", "Control characters in nonce."),
            ({"nonce": "n" * 1025}, "invalid_request", "nonce is longer than 1024 characters."),
            ({"state": "s" * 1025}, "invalid_request", "state is longer than 1024 characters."),
            ({"login_hint": "a\x7fb"}, "invalid_request", "Control characters in login_hint."),
            ({"state": "\ud800"}, "invalid_request", "Control characters in state."),
            ({"request": "e30."}, "request_not_supported", "Send the parameters themselves."),
            (
                {"request_uri": "https://x.example/"},
                "request_uri_not_supported",
                "Send the parameters themselves.",
            ),
            (
                {"registration": "{}"},
                "registration_not_supported",
                "Services are registered beforehand.",
            ),
            ({"response_type": None}, "invalid_request", "response_type is required."),
            (
                {"response_type": "token"},
                "unsupported_response_type",
                "The response_type must be code.",
            ),
            (
                {"response_type": "code id_token"},
                "unsupported_response_type",
                "The response_type must be code.",
            ),
            (
                {"response_mode": "fragment"},
                "invalid_request",
                "The response_mode must be query or form_post.",
            ),
            ({"scope": None}, "invalid_scope", "The scope must hold openid."),
            ({"scope": "dossier"}, "invalid_scope", "The scope must hold openid."),
            ({"scope": "OpenID"}, "invalid_scope", "The scope must hold openid."),
            ({"scope": "openid é"}, "invalid_scope", "Characters that no scope may hold."),
            ({"scope": 'openid "'}, "invalid_scope", "Characters that no scope may hold."),
            ({"scope": "openid\\"}, "invalid_scope", "Characters that no scope may hold."),
            ({"scope": "openid\tdossier"}, "invalid_scope", "Characters that no scope may hold."),
            (
                {"code_challenge": None},
                "invalid_request",
                "code_challenge is required (PKCE, S256).",
            ),
            (
                {"code_challenge_method": None},
                "invalid_request",
                "code_challenge_method must be S256.",
            ),
            (
                {"code_challenge_method": "plain"},
                "invalid_request",
                "code_challenge_method must be S256.",
            ),
            (
                {"code_challenge_method": "s256"},
                "invalid_request",
                "code_challenge_method must be S256.",
            ),
            (
                {"code_challenge": CHALLENGE[:-1]},
                "invalid_request",
                "code_challenge must be 43 base64url characters.",
            ),
            (
                {"code_challenge": CHALLENGE + "A"},
                "invalid_request",
                "code_challenge must be 43 base64url characters.",
            ),
            (
                {"code_challenge": CHALLENGE[:-1] + "="},
                "invalid_request",
                "code_challenge must be 43 base64url characters.",
            ),
            (
                {"prompt": "login sign_up"},
                "invalid_request",
                "prompt takes consent, create, login, none, select_account.",
            ),
            ({"prompt": "none login"}, "invalid_request", "prompt none stands alone."),
            ({"prompt": "create login"}, "invalid_request", "prompt create stands alone."),
            ({"prompt": "create none"}, "invalid_request", "prompt none stands alone."),
            ({"max_age": "-1"}, "invalid_request", "max_age must be a number of seconds."),
            ({"max_age": "1.5"}, "invalid_request", "max_age must be a number of seconds."),
            ({"max_age": "٣"}, "invalid_request", "max_age must be a number of seconds."),
            ({"max_age": "1000000000"}, "invalid_request", "max_age must be a number of seconds."),
        ],
    )
    def test_each_check_says_what_is_wrong(self, changes, error, described):
        refusal = refused(**changes)

        assert (refusal.error, refusal.description) == (error, described)
        assert refusal.back.redirect_uri == CALLBACK

    @pytest.mark.parametrize(
        "name", [n for n in UNDERSTOOD if n not in ("client_id", "redirect_uri", "resource")]
    )
    def test_authlib_trap_19_no_parameter_of_the_protocol_may_come_twice(self, name):
        refusal = refused(also=[(name, "x"), (name, "x")])

        assert refusal.error == "invalid_request"
        assert refusal.description == f"Sent more than once: {name}."

    def test_an_unknown_parameter_may_come_twice_for_it_is_ignored(self):
        assert run(also=[("utm", "1"), ("utm", "2")]).back.state == GOOD["state"]

    def test_resource_alone_may_come_twice_and_is_compared_as_a_whole(self):
        registered = {"allowed_resources": ("https://api.example/a", "urn:example:b")}

        asked = run(registered, [("resource", name) for name in ("urn:example:b",) * 2])
        both = run(registered, [("resource", name) for name in registered["allowed_resources"]])

        assert asked.resources == ("urn:example:b",)
        assert both.resources == registered["allowed_resources"]
        assert run(registered).resources == ()

    @pytest.mark.parametrize(
        "resource",
        ["https://api.example/", "https://API.example/a", "urn:example:b#x", "/a", '"é', "x y"],
    )
    def test_a_resource_that_is_not_registered_for_the_service_is_an_invalid_target(self, resource):
        allowed = {"allowed_resources": ("https://api.example/a", "urn:example:b")}

        refusal = refused(allowed, [("resource", "urn:example:b"), ("resource", resource)])

        assert refusal.error == "invalid_target"
        assert WRITABLE.fullmatch(refusal.description)

    def test_more_resources_than_a_header_holds_are_refused(self):
        many = tuple(f"urn:example:{number}" for number in range(9))
        registered = {"allowed_resources": many}

        assert len(run(registered, [("resource", name) for name in many[:8]]).resources) == 8
        refusal = refused(registered, [("resource", name) for name in many])
        assert refusal.error == "invalid_target"

    def test_a_client_not_registered_for_code_is_told_so(self):
        assert refused({"response_types": ()}).error == "unauthorized_client"

    def test_the_first_check_that_refuses_decides(self):
        refusal = refused(response_type="token", scope="é", prompt="none login", max_age="x")

        assert refusal.error == "unsupported_response_type"
        assert [check.__name__ for check, _ in CHECKS][:3] == [
            "check_parameters_come_once",
            "check_values_are_writable",
            "check_no_request_object",
        ]

    def test_a_refusal_brings_back_the_state(self):
        assert refused(scope=None).back.state == GOOD["state"]

    @pytest.mark.parametrize(
        ("changes", "also"), [({"state": "a\rb"}, ()), ({}, [("state", "other")])]
    )
    def test_a_state_that_cannot_be_told_is_left_out_of_the_refusal(self, changes, also):
        assert refused(None, also, **changes).back.state == ""

    def test_a_scope_may_hold_several_spaces_and_unknown_words_are_left_out(self):
        assert run(scope="openid   offline_access dossier openid").scope == ("openid", "dossier")

    def test_a_scope_the_client_is_not_registered_for_is_left_out(self):
        registered = {"scope": frozenset({"openid"})}

        assert run(registered, scope="openid dossier email").scope == ("openid",)

    def test_p1_an_answer_by_form_is_asked_for_and_so_is_a_refusal(self):
        assert run(response_mode="form_post").back.response_mode == "form_post"
        assert refused(response_mode="form_post", scope=None).back.response_mode == "form_post"

    def test_an_application_of_its_own_scheme_is_answered_by_query(self):
        uri = "com.example.app:/callback"
        native = {"redirect_uris": (uri,), "token_endpoint_auth_method": "none"}

        refusal = refused(native, response_mode="form_post", redirect_uri=uri)

        assert refusal.description == "The response_mode form_post needs an http redirect_uri."
        assert refusal.back.response_mode == "query"

    def test_a_response_mode_that_came_twice_is_refused_by_query(self):
        refusal = refused(also=[("response_mode", "query")], response_mode="form_post")

        assert refusal.description == "Sent more than once: response_mode."
        assert refusal.back.response_mode == "query"

    @pytest.mark.parametrize(
        ("response_type", "response_mode", "answered_by"),
        [
            ("token", None, "fragment"),
            ("id_token", None, "fragment"),
            ("code id_token", "fragment", "fragment"),
            ("token", "query", "query"),
            ("token", "form_post", "form_post"),
            ("tokens", None, "query"),
            ("none", "fragment", "query"),
        ],
    )
    def test_c14_who_asks_for_a_token_is_refused_where_a_token_would_have_come(
        self, response_type, response_mode, answered_by
    ):
        refusal = refused(response_type=response_type, response_mode=response_mode)

        assert refusal.error == "unsupported_response_type"
        assert refusal.back.response_mode == answered_by

    def test_c14_no_code_goes_to_the_fragment(self):
        assert refused(response_mode="fragment").error == "invalid_request"

    def test_response_mode_query_may_be_said(self):
        assert run(response_mode="query").back == run().back


class TestProofKeys:
    def test_authlib_trap_06_a_confidential_client_without_a_challenge_is_refused(self):
        assert refused(code_challenge=None, code_challenge_method=None).error == "invalid_request"

    def test_authlib_trap_06_plain_is_refused_also_where_pkce_is_not_required(self):
        for method in ("plain", None):
            refusal = refused(RELAXED, code_challenge_method=method)
            assert refusal.description == "code_challenge_method must be S256."

    def test_a_client_registered_without_pkce_may_leave_it_out(self):
        assert run(RELAXED, code_challenge=None, code_challenge_method=None).code_challenge == ""

    def test_a_client_registered_without_pkce_may_use_it(self):
        assert run(RELAXED).code_challenge == CHALLENGE

    def test_a_method_without_a_challenge_is_refused_for_somebody_took_it_away(self):
        refusal = refused(RELAXED, code_challenge=None)

        assert refusal.description == "code_challenge_method without code_challenge."


class TestLengths:
    def test_a_flooding_state_is_not_echoed_where_it_came_from(self):
        assert refused(state="s" * 1025).back.state == ""
        assert refused(nonce="n" * 1025).back.state == "af0ifjsldkj"

    def test_a_thousand_and_twenty_four_characters_are_taken_whole(self):
        request = run(state="s" * 1024, nonce="n" * 1024)

        assert (len(request.back.state), len(request.nonce)) == (1024, 1024)


class TestMaxAge:
    def test_zero_is_a_bound(self):
        assert run(max_age="0").max_age == 0

    def test_the_registration_bounds_where_the_request_is_silent(self):
        assert run({"default_max_age": 300}).max_age == 300
        assert run({"default_max_age": 0}).max_age == 0
        assert run({"default_max_age": 300}, max_age="900").max_age == 900


NAMES = st.sampled_from([*UNDERSTOOD, "utm"]) | st.text(max_size=5)
VALUES = (
    st.sampled_from([*GOOD.values(), "", "none", "login", "0", '"', "é", "plain", "\x00", "\ud800"])
    | st.text(max_size=30)
    | st.text(st.characters(), max_size=10)
)


def outcome_of(pairs, registered):
    try:
        return check(Params.of(pairs), MemoryClients(registered))
    except (RefusedOnPage, RefusedByRedirect) as refusal:
        return refusal


class TestWhateverIsSent:
    @given(
        good=st.sets(st.sampled_from(sorted(GOOD))),
        sent=st.lists(st.tuples(NAMES, VALUES), max_size=12),
        registered=st.sampled_from([{}, RELAXED, {"response_types": ()}]),
    )
    def test_authlib_trap_05_a_request_is_taken_or_refused_in_words_that_can_be_sent(
        self, good, sent, registered
    ):
        pairs = [(name, GOOD[name]) for name in sorted(good)] + sent
        outcome = outcome_of(pairs, client(**registered))

        if isinstance(outcome, AuthorizationRequest):
            assert "openid" in outcome.scope
            assert outcome.code_challenge or not outcome.client.require_pkce
            return
        assert WRITABLE.fullmatch(outcome.error)
        assert WRITABLE.fullmatch(outcome.description)
        if isinstance(outcome, RefusedByRedirect):
            location = urlsplit(refusal(outcome, issuer="https://idp.example").location)
            assert location._replace(query="").geturl() == outcome.back.redirect_uri == CALLBACK
            answer = parse_qs(location.query, strict_parsing=True)
            assert answer["iss"] == ["https://idp.example"]
            assert answer.get("state", [""]) == [outcome.back.state]

    @given(st.lists(st.tuples(NAMES, VALUES), max_size=130))
    def test_without_a_proved_client_and_redirect_uri_nobody_is_ever_redirected(self, sent):
        unproved = [(n, v) for n, v in sent if (n, v) != ("redirect_uri", CALLBACK)]

        with pytest.raises(RefusedOnPage):
            check(Params.of(unproved), MemoryClients(client()))
