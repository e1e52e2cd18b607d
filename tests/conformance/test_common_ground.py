"""Lines C1 to C25 that no module is named after; ``Suite`` checks most of them in every module."""

from collections.abc import Callable

import pytest

from tests.conformance.browser import Landing
from tests.conformance.checks import SCOPE_CLAIMS
from tests.conformance.checks import check_claims
from tests.conformance.checks import check_id_token
from tests.conformance.checks import check_landing
from tests.conformance.suite import FORM_POST
from tests.conformance.suite import QUERY
from tests.conformance.suite import Suite
from tests.conformance.suite import drawn
from tests.entropy import passes_the_suite

Begin = Callable[..., Suite]
ISSUER = "https://op.example"
SCOPES = " ".join(["openid", *SCOPE_CLAIMS])


@pytest.mark.parametrize(("state", "nonce"), [(10, 10), (128, 43), (128, 384)])
def test_c13_c15_states_and_nonces_of_every_length_come_back_whole(
    module: Begin, state: int, nonce: int
) -> None:
    suite = module("oidcc-server")

    tokens = suite.flow(state=drawn(state), nonce=drawn(nonce))

    assert tokens.id_token["nonce"] == suite.asked["nonce"]


def test_c8_c14_c17_c18_c21_c24_c25_each_of_twenty_sign_ins_is_checked_whole(module: Begin) -> None:
    suite = module("oidcc-server")
    codes, kids = set(), set()

    for _ in range(20):
        codes.add(suite.code())
        tokens = suite.finish(suite.code())
        kids.add(tokens.answer["access_token"])
        assert tokens.userinfo["sub"] == tokens.id_token["sub"]
        assert not {"c_hash", "s_hash"} & set(tokens.id_token)

    assert len(codes) == len(kids) == 20
    assert all(map(passes_the_suite, codes))


@pytest.mark.parametrize(
    "changes",
    [
        {"response_type": "token"},
        {"response_type": "code id_token"},
        {"scope": "profile"},
        {"prompt": "none"},
        {"prompt": "é\r\n\t"},
        {"max_age": '"\\'},
        {"request": "x"},
        {"claims": "{"},
    ],
    ids=lambda changes: next(iter(changes.items()))[0],
)
@pytest.mark.parametrize("mode", [QUERY, FORM_POST])
def test_c14_c15_c16_an_error_says_what_it_may_and_no_more(
    module: Begin, changes: dict[str, str], mode: str
) -> None:
    suite = module("oidcc-server", mode)

    told = suite.answer(**changes).parameters  # ``check_landing`` looks at its members

    assert "error" in told


def test_c19_an_error_of_the_token_endpoint_is_json_with_the_status_of_its_kind(
    module: Begin,
) -> None:
    suite = module("oidcc-server")

    suite.refused(suite.redeem("A" * 43), "invalid_grant")
    suite.refused(suite.token({"grant_type": "password"}), "unsupported_grant_type")
    suite.refused(suite.token({}), "invalid_request")
    suite.refused(
        suite.call("POST", suite.metadata["token_endpoint"], auth=("suite-1", "wrong")),
        "invalid_client",
        "invalid_request",
    )


def test_c20_what_the_token_endpoint_says_is_stored_by_nobody(module: Begin) -> None:
    suite = module("oidcc-server")

    answers = [suite.redeem(suite.code()), suite.redeem("A" * 43)]

    assert [answer.status_code for answer in answers] == [200, 400]
    assert all("no-store" in answer.headers["Cache-Control"] for answer in answers)


def test_c22_c23_with_every_scope_the_claims_are_at_userinfo_in_their_types(module: Begin) -> None:
    suite = module("oidcc-scope-all")

    tokens = suite.flow(scope=SCOPES)  # ``check_id_token`` takes the protocol's claims alone

    assert {"name", "email", "address", "phone_number"} <= set(tokens.userinfo)
    assert not set().union(*SCOPE_CLAIMS.values()) & set(tokens.id_token)


def test_c11_c12_there_is_no_registration_to_call_and_none_to_delete(module: Begin) -> None:
    suite = module("oidcc-server")
    assert "registration_endpoint" not in suite.metadata

    answers = [
        suite.call(method, f"{suite.metadata['issuer']}{path}", json={})
        for path in ("/register", "/register/suite-1", "/connect/register")
        for method in ("POST", "GET", "PUT", "DELETE")
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert suite.flow()


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "https://suite.example/callback?code=short&state=s&iss=https://op.example"},
        {"url": "https://suite.example/callback?error=x&error_description=%22&state=s&iss=x"},
        {"url": f"https://suite.example/callback?code={'abcdefgh' * 6}&iss=https://op.example"},
        {"url": "https://suite.example/callback", "method": "POST", "body": "error=x"},
    ],
    ids=["entropy", "characters", "no state", "method"],
)
def test_c14_c15_c16_c17_the_checks_themselves_refuse_a_wrong_answer(wrong: dict[str, str]) -> None:
    landing = Landing(**{"method": "GET", **wrong})

    with pytest.raises(AssertionError):
        check_landing(landing, mode=QUERY, state="s", issuer=ISSUER)


@pytest.mark.parametrize(
    "claims",
    [
        {"name": ""},
        {"name": "null"},
        {"email_verified": "true"},
        {"updated_at": "1"},
        {"birthdate": "1958-00-00-"},
        {"birthdate": "1849"},
        {"address": {}},
        {"address": {"formatted": ""}},
        {"phone_number": None},
    ],
    ids=str,
)
def test_c22_the_checks_themselves_refuse_a_wrong_claim(claims: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        check_claims(claims)


def test_c21_c23_the_checks_themselves_refuse_a_claim_that_was_not_asked_for(
    module: Begin,
) -> None:
    suite = module("oidcc-server")
    good = suite.flow().id_token
    asked = {
        "issuer": suite.metadata["issuer"],
        "client_id": "suite-1",
        "nonce": suite.asked["nonce"],
    }
    check_id_token(good, **asked)

    for wrong in (
        {"name": "Anne"}, {"aud": "x"}, {"iss": "x"}, {"nonce": "x"}, {"exp": 1}, {"acr": ""},
        {"iat": good["iat"] - 600}, {"auth_time": good["auth_time"] + 60}, {"sub": ""},
    ):  # fmt: skip
        with pytest.raises(AssertionError):
            check_id_token(good | wrong, **asked)
