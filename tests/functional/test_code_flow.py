"""The authorization code flow: what a service asks, what it gets, what its tokens say.

C, B and D numbers are the lines of the conformance checklist; traps are those of Authlib's notes.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from idp.infra.private_files import write_private_file
from idp.oidc.signer import generate
from tests.entropy import passes_the_suite
from tests.instance import CALLBACK
from tests.instance import NOON
from tests.instance import Clock
from tests.instance import Instance
from tests.instance import Person
from tests.instance import Service
from tests.instance import answer_of

PROTOCOL_CLAIMS = {"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid"}
MakeInstance = Callable[..., Instance]


def id_token_of(
    instance: Instance, person: Person, service: Service, **changes: str | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sign in in a new browser and read the ID token."""
    visitor = instance.visitor()
    return visitor.read_token(visitor.tokens(person, service, **changes)["id_token"])


def test_c14_c15_the_code_comes_in_the_query_with_state_and_issuer_and_nothing_else(
    instance: Instance,
) -> None:
    service = instance.add_service()
    state = "aZ09-._~" * 16

    answer = instance.visitor().sign_in(instance.add_person(), service, state=state)
    received = answer_of(answer)

    assert answer.headers["Location"].startswith(f"{CALLBACK}?")
    assert "#" not in answer.headers["Location"]
    assert set(received) == {"code", "state", "iss"}
    assert received["state"] == state
    assert received["iss"] == instance.settings.issuer


@pytest.mark.parametrize("state", ["é ø&=?#+%", "a" * 1000, '"><script>', "1+1 = 2"])
def test_c15_a_state_comes_back_as_it_was_sent(instance: Instance, state: str) -> None:
    service = instance.add_service()

    answer = instance.visitor().sign_in(instance.add_person(), service, state=state)

    assert answer_of(answer)["state"] == state


def test_without_a_state_none_comes_back(instance: Instance) -> None:
    service = instance.add_service()

    answer = instance.visitor().sign_in(instance.add_person(), service, state=None)

    assert set(answer_of(answer)) == {"code", "iss"}


def test_c17_codes_hold_more_than_96_bits_as_the_conformance_suite_counts_them(
    instance: Instance,
) -> None:
    person, service = instance.add_person(), instance.add_service()
    visitor = instance.visitor()
    visitor.sign_in(person)

    codes = [answer_of(visitor.get("/authorize", service.request()))["code"] for _ in range(20)]

    assert len(set(codes)) == 20
    assert all(len(code) == 43 for code in codes)
    assert all(map(passes_the_suite, codes))


def test_c18_c20_b1_the_token_answer_is_whole_and_never_stored(instance: Instance) -> None:
    service = instance.add_service()
    visitor = instance.visitor()
    code = visitor.code(instance.add_person(), service)

    answer = visitor.redeem(service, code)
    body = answer.get_json()

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(body) == {"access_token", "token_type", "expires_in", "scope", "id_token"}
    assert body["token_type"] == "Bearer"
    assert body["scope"] == "openid profile dossier"


def test_c21_c23_the_id_token_holds_what_was_asked_and_no_claim_of_the_person_but_the_qualite(
    instance: Instance, clock: Clock
) -> None:
    person = instance.add_person(email="anne@example.org", phone="0123456789")
    service = instance.add_service()

    header, claims = id_token_of(
        instance, person, service, scope="openid profile email address phone dossier"
    )

    now = int(clock.at.timestamp())
    assert header == {"typ": "JWT", "alg": "ES256", "kid": header["kid"]}
    assert set(claims) == PROTOCOL_CLAIMS | {"qualite"}
    assert claims["iss"] == instance.settings.issuer
    assert claims["aud"] == service.client.client_id
    assert claims["nonce"] == service.nonce
    assert claims["qualite"] == "affilie"
    assert (claims["iat"], claims["auth_time"], claims["exp"]) == (now, now, now + 600)
    assert claims["amr"] == ["pwd"]


def test_b8_without_a_nonce_the_id_token_has_none(instance: Instance) -> None:
    _, claims = id_token_of(instance, instance.add_person(), instance.add_service(), nonce=None)

    assert "nonce" not in claims


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": "dossier openid   profile openid"},
        {"display": "page"},
        {"display": "popup"},
        {"extra": "foobar"},
        {"login_hint": "buffy@localhost"},
        {"ui_locales": "se"},
        {"claims_locales": "se"},
        {"acr_values": "1 2"},
        {"id_token_hint": "not.a.token"},
        {"response_mode": "query"},
        {"prompt": "consent"},
        {"scope": "openid unheard-of offline_access"},
    ],
    ids=lambda changes: next(iter(changes)) + " " + next(iter(changes.values()))[:20],
)
def test_b14_b15_b16_b22_b23_b24_b25_b26_b27_what_need_not_be_served_does_no_harm(
    instance: Instance, changes: dict[str, str]
) -> None:
    _, claims = id_token_of(instance, instance.add_person(), instance.add_service(), **changes)

    assert "name" not in claims


def test_scopes_nobody_knows_are_left_out_of_what_is_granted(
    instance: Instance,
) -> None:
    service = instance.add_service()

    tokens = instance.visitor().tokens(
        instance.add_person(), service, scope="openid unheard-of offline_access profile"
    )

    assert tokens["scope"] == "openid profile"


def test_b27_the_level_that_is_announced_is_the_one_that_is_told(instance: Instance) -> None:
    metadata = instance.visitor().get("/.well-known/openid-configuration").get_json()
    announced = metadata["acr_values_supported"]

    _, claims = id_token_of(
        instance, instance.add_person(), instance.add_service(), acr_values=" ".join(announced)
    )

    assert claims["acr"] in announced


def test_b31_an_authorization_request_by_form_leads_to_the_same_page(instance: Instance) -> None:
    person, service = instance.add_person(), instance.add_service()
    visitor = instance.visitor()

    sent = visitor.post("/authorize", service.request())
    asked = visitor.get(sent.headers["Location"])
    page = visitor.get(asked.headers["Location"])
    answer = visitor.submit_sign_in(page, person.qualite, person.numero, person.password)

    assert sent.status_code == 303
    assert answer_of(answer)["state"] == service.state
    assert visitor.redeem(service, answer_of(answer)["code"]).status_code == 200


def test_b31_a_cross_site_form_finds_the_session_though_its_post_brings_no_lax_cookie(
    instance: Instance,
) -> None:
    person, service = instance.add_person(), instance.add_service()
    visitor = instance.visitor()
    visitor.sign_in(person)

    sent = instance.visitor().post("/authorize", service.request())  # as a browser without cookies
    answer = visitor.get(sent.headers["Location"])

    assert "code" in answer_of(answer)


def test_b39_a_confidential_service_may_use_pkce_and_one_registered_so_may_do_without(
    instance: Instance,
) -> None:
    person = instance.add_person()
    old = instance.add_service("old", require_pkce=False)
    without = {"code_challenge": None, "code_challenge_method": None}

    with_pkce = instance.visitor().tokens(person, old)
    visitor = instance.visitor()
    code = visitor.code(person, old, **without)
    plain = visitor.redeem(old, code, code_verifier=None)

    assert with_pkce["id_token"]
    assert plain.status_code == 200


def test_a_public_service_needs_no_secret_and_cannot_do_without_pkce(instance: Instance) -> None:
    person = instance.add_person()
    public = instance.add_service("application", token_endpoint_auth_method="none")
    visitor = instance.visitor()

    assert visitor.tokens(person, public)["id_token"]
    refused = answer_of(
        visitor.get("/authorize", public.request(code_challenge=None, code_challenge_method=None))
    )
    assert refused["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("metadata", "alg"),
    [
        ({"id_token_signed_response_alg": "ES256"}, "ES256"),
        ({"id_token_signed_response_alg": "RS256"}, "RS256"),
    ],
)
def test_b3_every_token_is_signed_with_the_registered_algorithm_by_a_published_key(
    make_instance: MakeInstance, metadata: dict[str, str], alg: str
) -> None:
    instance = make_instance()
    service = instance.add_service(**metadata)
    visitor = instance.visitor()
    tokens = visitor.tokens(instance.add_person(), service)
    published = {key["kid"]: key for key in visitor.get("/jwks").get_json()["keys"]}

    for token in (tokens["id_token"], tokens["access_token"]):
        header, _ = visitor.read_token(token)
        assert header["alg"] == alg
        assert published[header["kid"]]["alg"] == alg


def test_authlib_trap_01_a_retired_or_a_future_key_never_signs(
    instance: Instance, clock: Clock
) -> None:
    keys = instance.settings.keys_path
    for signs_from in (clock.at - timedelta(days=30), clock.at + timedelta(days=1)):
        for alg in ("ES256", "RS256"):
            name = f"{signs_from:%Y-%m-%dT%H-%MZ}.{alg}.pem"
            write_private_file(keys / name, generate(alg))
    time.sleep(1.1)  # a process looks once a second
    person, service = instance.add_person(), instance.add_service()
    visitor = instance.visitor()
    visitor.sign_in(person)
    published = visitor.get("/jwks").get_json()["keys"]

    kids = set()
    for _ in range(12):
        code = answer_of(visitor.get("/authorize", service.request()))["code"]
        header, _ = visitor.read_token(visitor.redeem(service, code).get_json()["id_token"])
        kids.add(header["kid"])

    assert len(kids) == 1
    assert len([key for key in published if key["alg"] == "ES256"]) == 2  # in force, and the next


def test_authlib_trap_02_a_session_hours_old_gets_good_codes_and_keeps_its_auth_time(
    instance: Instance, clock: Clock
) -> None:
    person, service = instance.add_person(), instance.add_service()
    visitor = instance.visitor()
    visitor.sign_in(person)

    clock.advance(timedelta(hours=3))
    code = answer_of(visitor.get("/authorize", service.request()))["code"]
    answer = visitor.redeem(service, code)
    _, claims = visitor.read_token(answer.get_json()["id_token"])

    assert answer.status_code == 200
    assert claims["auth_time"] == int(NOON.timestamp())
    assert claims["iat"] == int(clock.at.timestamp())


def test_authlib_trap_04_nothing_of_the_person_can_take_the_place_of_a_registered_claim(
    instance: Instance,
) -> None:
    person = instance.add_person(
        family_name='","iss":"https://evil.example","x":"', given_names="sub aud exp"
    )
    service = instance.add_service()

    _, claims = id_token_of(instance, person, service)

    assert set(claims) == PROTOCOL_CLAIMS | {"qualite"}
    assert claims["iss"] == instance.settings.issuer


def test_authlib_trap_06_plain_pkce_is_refused_and_so_is_an_absent_method(
    instance: Instance,
) -> None:
    service = instance.add_service(require_pkce=False)
    visitor = instance.visitor()

    for changes in (
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge": "short"},
        {"code_challenge": None},
    ):
        refused = answer_of(visitor.get("/authorize", service.request(**changes)))
        assert refused["error"] == "invalid_request"
        assert "code_challenge" in refused["error_description"]


def test_authlib_trap_11_access_tokens_live_five_minutes_and_there_is_no_refresh_token(
    instance: Instance, clock: Clock
) -> None:
    visitor = instance.visitor()
    tokens = visitor.tokens(instance.add_person(), instance.add_service())

    assert tokens["expires_in"] == 300
    assert "refresh_token" not in tokens
    clock.advance(timedelta(seconds=299))
    assert visitor.userinfo(tokens["access_token"]).status_code == 200
    clock.advance(timedelta(seconds=1))
    assert visitor.userinfo(tokens["access_token"]).status_code == 401


def test_no_access_token_outlives_the_session_it_came_from(
    instance: Instance, clock: Clock
) -> None:
    service = instance.add_service()
    visitor = instance.visitor()
    visitor.sign_in(instance.add_person())

    clock.advance(timedelta(hours=8) - timedelta(seconds=40))
    code = answer_of(visitor.get("/authorize", service.request()))["code"]
    tokens = visitor.redeem(service, code).get_json()

    assert tokens["expires_in"] == 40


def test_the_access_token_is_that_of_rfc_9068(instance: Instance, clock: Clock) -> None:
    service = instance.add_service()
    visitor = instance.visitor()
    tokens = visitor.tokens(instance.add_person(), service)

    header, claims = visitor.read_token(tokens["access_token"])
    _, id_claims = visitor.read_token(tokens["id_token"])

    assert header["typ"] == "at+jwt"
    assert claims["iss"] == claims["aud"] == instance.settings.issuer
    assert claims["client_id"] == service.client.client_id
    assert claims["scope"] == "openid profile dossier"
    assert claims["sub"] == id_claims["sub"]
    assert claims["exp"] - claims["iat"] == 300
    assert claims["qualite"] == "affilie"
    assert claims["jti"]
    assert set(claims) == {
        "iss", "aud", "sub", "client_id", "scope", "iat", "exp", "jti", "auth_time", "acr", "amr",
        "sid", "qualite",
    }  # fmt: skip


def test_without_the_scope_dossier_no_token_and_no_userinfo_tells_the_qualite(
    instance: Instance,
) -> None:
    person = instance.add_person()
    asked_less = instance.add_service("asked-less")
    may_less = instance.add_service("may-less", scope=frozenset({"openid", "profile"}))

    for service, scope in (
        (asked_less, "openid profile"),
        (may_less, "openid profile dossier"),
    ):
        visitor = instance.visitor()
        tokens = visitor.tokens(person, service, scope=scope)
        told = visitor.userinfo(tokens["access_token"]).get_json()
        for claims in (
            told,
            visitor.read_token(tokens["id_token"])[1],
            visitor.read_token(tokens["access_token"])[1],
        ):
            assert not {"qualite", "numero_dossier", "situations"} & set(claims)
        assert "dossier" not in tokens["scope"].split()


def test_sub_is_pairwise_by_default_stable_opaque_and_public_where_registered_so(
    instance: Instance,
) -> None:
    person = instance.add_person()

    def sub(client_id: str, host: str, **metadata: Any) -> str:
        service = instance.add_service(
            client_id, redirect_uris=(f"https://{host}/back",), **metadata
        )
        seen = {id_token_of(instance, person, service)[1]["sub"] for _ in range(2)}
        assert len(seen) == 1
        return str(seen.pop())

    one = sub("one", "one.example")
    same_sector = sub("one-bis", "one.example")
    two = sub("two", "two.example")
    public = sub("three", "three.example", subject_type="public")
    public_too = sub("four", "four.example", subject_type="public")

    assert one == same_sector
    assert len({one, two, public}) == 3
    assert public == public_too
    assert all(person.numero not in value for value in (one, two, public))


def test_sid_differs_by_service_and_stays_the_same_within_a_session(instance: Instance) -> None:
    person = instance.add_person()
    first, second = instance.add_service("first"), instance.add_service("second")
    visitor = instance.visitor()
    visitor.sign_in(person)

    def sid(service: Service) -> str:
        code = answer_of(visitor.get("/authorize", service.request()))["code"]
        tokens = visitor.redeem(service, code).get_json()
        return str(visitor.read_token(tokens["id_token"])[1]["sid"])

    assert sid(first) == sid(first)
    assert sid(first) != sid(second)


def test_a_redirect_uri_that_was_registered_with_a_query_keeps_it(instance: Instance) -> None:
    registered = "https://app.example/back?a=1&b=%20x"
    service = instance.add_service(redirect_uris=(registered,))

    answer = instance.visitor().sign_in(instance.add_person(), service)

    assert answer.headers["Location"].startswith(f"{registered}&code=")


def test_an_application_on_a_device_may_be_answered_at_its_own_scheme(instance: Instance) -> None:
    service = instance.add_service(
        redirect_uris=("fr.example.app:/retour",), token_endpoint_auth_method="none"
    )
    visitor = instance.visitor()
    page = visitor.open_sign_in(service)
    person = instance.add_person()

    answer = visitor.submit_sign_in(page, person.qualite, person.numero, person.password)

    assert answer.headers["Location"].startswith("fr.example.app:/retour?code=")
    assert "form-action 'self' fr.example.app:" in page.headers["Content-Security-Policy"]
