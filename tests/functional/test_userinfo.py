"""Userinfo: what an access token may read, as the directory says it now."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from joserfc.jwk import OctKey
from werkzeug.test import TestResponse

from tests.functional.metadata_world import FULL_RECORD
from tests.instance import Clock
from tests.instance import Instance

ALL_SCOPES = "openid profile email address phone dossier"


def refused(answer: TestResponse, status: int = 401, error: str = "invalid_token") -> None:
    """RFC 6750 §3: the challenge and a body that say the same."""
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert f'error="{error}"' in answer.headers["WWW-Authenticate"]
    assert answer.get_json()["error"] == error


def claims_of(instance: Instance, scope: str = ALL_SCOPES, **dossier: Any) -> dict[str, Any]:
    visitor = instance.visitor()
    tokens = visitor.tokens(instance.add_person(**dossier), instance.add_service(), scope=scope)
    answer = visitor.userinfo(tokens["access_token"])
    assert answer.status_code == 200
    claims: dict[str, Any] = answer.get_json()
    return claims


def test_c24_c25_b5_b6_b7_header_by_get_header_by_post_and_form_body_give_the_same(
    instance: Instance,
) -> None:
    visitor = instance.visitor()
    tokens = visitor.tokens(instance.add_person(), instance.add_service())
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}

    answers = [
        visitor.get("/userinfo", headers=bearer),
        visitor.post("/userinfo", headers=bearer),
        visitor.post("/userinfo", {"access_token": tokens["access_token"]}),
        visitor.get("/userinfo", headers={"Authorization": f"bEaReR   {tokens['access_token']}"}),
    ]

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["Content-Type"] for answer in answers} == {"application/json"}
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
    assert len({json.dumps(answer.get_json(), sort_keys=True) for answer in answers}) == 1
    assert answers[0].get_json()["sub"] == visitor.read_token(tokens["id_token"])[1]["sub"]


def test_c22_a_full_record_gives_every_claim_in_the_type_of_the_specification(
    instance: Instance, clock: Clock
) -> None:
    claims = claims_of(
        instance,
        family_name="LEFÈVRE",
        usage_name="DE LA TOUR",
        given_names="Anne Marie Louise",
        gender="female",
        birthdate="1958-02-28",
        email="anne@example.org",
        phone="01 23 45 67 89",
        address_1="MADAME ANNE DE LA TOUR",
        address_2="BATIMENT B",
        address_4="6 PLACE CHARLES DE GAULLE",
        address_6="78881 ST QUENTIN EN YVELINES CEDEX",
        situations="cotisant|rente_invalidite",
    )

    assert claims.pop("sub")
    assert claims == {
        "name": "Anne DE LA TOUR",
        "family_name": "DE LA TOUR",
        "given_name": "Anne",
        "middle_name": "Marie Louise",
        "gender": "female",
        "birthdate": "1958-02-28",
        "updated_at": int(clock.at.timestamp()),
        "email": "anne@example.org",
        "email_verified": False,
        "address": {
            "formatted": "BATIMENT B\n6 PLACE CHARLES DE GAULLE\n"
            "78881 ST QUENTIN EN YVELINES CEDEX",
            "street_address": "BATIMENT B\n6 PLACE CHARLES DE GAULLE",
            "postal_code": "78881",
            "locality": "ST QUENTIN EN YVELINES CEDEX",
        },
        "phone_number": "+33123456789",
        "phone_number_verified": False,
        "qualite": "affilie",
        "numero_dossier": "1234567",
        "situations": ["cotisant", "rente_invalidite"],
    }


def test_c22_what_the_directory_does_not_know_is_absent_never_null_nor_empty(
    instance: Instance,
) -> None:
    claims = claims_of(instance, given_names="Anne", birthdate="1958-00-00", phone="ne sait pas")

    assert not [name for name, value in claims.items() if value in (None, "")]
    assert claims["birthdate"] == "1958"
    assert not {
        "email",
        "email_verified",
        "phone_number",
        "phone_number_verified",
        "address",
        "gender",
        "middle_name",
    } & set(claims)


def test_an_address_that_was_confirmed_here_outranks_the_import_and_is_verified(
    instance: Instance,
) -> None:
    person = instance.add_person(email="imported@example.org")
    instance.change_account(person, email="confirmed@example.org")
    visitor = instance.visitor()
    tokens = visitor.tokens(person, instance.add_service(), scope="openid email")

    claims = visitor.userinfo(tokens["access_token"]).get_json()

    assert (claims["email"], claims["email_verified"]) == ("confirmed@example.org", True)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        pytest.param("openid", set(), id="c25"),
        pytest.param(
            "openid profile",
            {
                "name",
                "family_name",
                "given_name",
                "middle_name",
                "gender",
                "birthdate",
                "updated_at",
            },
            id="b9",
        ),
        pytest.param("openid email", {"email", "email_verified"}, id="b10"),
        pytest.param("openid address", {"address"}, id="b11"),
        pytest.param("openid phone", {"phone_number", "phone_number_verified"}, id="b12"),
        pytest.param("openid dossier", {"qualite", "numero_dossier", "situations"}, id="dossier"),
    ],
)
def test_b9_b10_b11_b12_each_scope_gives_its_claims_of_a_full_record_and_no_other(
    instance: Instance, scope: str, expected: set[str]
) -> None:
    claims = claims_of(instance, scope, **FULL_RECORD)

    assert set(claims) == expected | {"sub"}


def test_b13_all_scopes_together_give_what_each_gives_alone(instance: Instance) -> None:
    person, service = instance.add_person(**FULL_RECORD), instance.add_service()
    visitor = instance.visitor()

    def of(scope: str) -> dict[str, Any]:
        tokens = visitor.tokens(person, service, scope=scope)
        claims: dict[str, Any] = visitor.userinfo(tokens["access_token"]).get_json()
        return claims

    together: dict[str, Any] = {}
    for scope in ALL_SCOPES.split():
        together |= of(f"openid {scope}")
        visitor.restart()

    assert of(ALL_SCOPES) == together


def test_a_service_gets_no_scope_that_it_is_not_registered_for(instance: Instance) -> None:
    service = instance.add_service(scope=frozenset({"openid", "email"}))
    visitor = instance.visitor()
    tokens = visitor.tokens(instance.add_person(email="a@example.org"), service, scope=ALL_SCOPES)

    claims = visitor.userinfo(tokens["access_token"]).get_json()

    assert tokens["scope"] == "openid email"
    assert set(claims) == {"sub", "email", "email_verified"}


def test_userinfo_tells_what_the_directory_says_now(instance: Instance) -> None:
    person = instance.add_person(usage_name="")
    visitor = instance.visitor()
    tokens = visitor.tokens(person, instance.add_service())

    instance.change_dossier(person, usage_name="NOUVEAU")

    assert visitor.userinfo(tokens["access_token"]).get_json()["family_name"] == "NOUVEAU"


def test_without_any_token_the_challenge_names_no_error(instance: Instance) -> None:
    for answer in (
        instance.visitor().get("/userinfo"),
        instance.visitor().post("/userinfo"),
        instance.visitor().get("/userinfo", {"access_token": "in.the.query"}),
        instance.visitor().get("/userinfo", headers={"Authorization": "Basic eDp5"}),
    ):
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="userinfo"'
        assert answer.headers["Content-Type"] == "application/json"


def test_a_token_in_two_places_is_an_invalid_request(instance: Instance) -> None:
    visitor = instance.visitor()
    token = visitor.tokens(instance.add_person(), instance.add_service())["access_token"]

    answer = visitor.post(
        "/userinfo", {"access_token": token}, headers={"Authorization": f"Bearer {token}"}
    )

    refused(answer, 400, "invalid_request")


def test_a_token_in_the_address_is_not_read(instance: Instance) -> None:
    visitor = instance.visitor()
    token = visitor.tokens(instance.add_person(), instance.add_service())["access_token"]

    assert visitor.get("/userinfo", {"access_token": token}).status_code == 401


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "a.b.c",
        "..",
        "é.é.é",
        "e30.e30.e30",
        "bnVsbA.e30.e30",
        "W10.e30.e30",
        "A" * 9000,
        ("A" * 3000) + "." + ("A" * 3000) + "." + "A",
        base64.urlsafe_b64encode(b"[" * 2000).decode().rstrip("=") + ".e30.e30",
        base64.urlsafe_b64encode(b'{"alg":["ES256"],"kid":{},"typ":"at+jwt"}').decode().rstrip("=")
        + ".e30.e30",
        "\x00",
    ],
    ids=range(12),
)
def test_what_is_no_token_is_refused_whatever_it_is(instance: Instance, token: str) -> None:
    written = token.encode().decode("latin-1")

    refused(instance.visitor().get("/userinfo", headers={"Authorization": f"Bearer {written}"}))
    refused(instance.visitor().post("/userinfo", {"access_token": token}))


def _good_token(instance: Instance) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of an access token that is accepted as it is."""
    visitor = instance.visitor()
    token = visitor.tokens(instance.add_person(), instance.add_service())["access_token"]
    return visitor.read_token(token)


def _part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def test_cve_2026_28802_a_token_without_signature_is_refused(instance: Instance) -> None:
    header, claims = _good_token(instance)

    for alg in ("none", "None", "NONE", ""):
        refused(instance.visitor().userinfo(f"{_part({**header, 'alg': alg})}.{_part(claims)}."))


def test_cve_2024_37568_a_public_key_is_no_shared_secret(instance: Instance) -> None:
    published = instance.visitor().get("/jwks").get_json()["keys"]
    header, claims = _good_token(instance)
    key = OctKey.import_key(json.dumps(published[0]))

    token = jwt.encode({**header, "alg": "HS256"}, claims, key, algorithms=["HS256"])

    refused(instance.visitor().userinfo(token))


def test_cve_2026_27962_a_key_that_comes_with_the_token_is_not_used(instance: Instance) -> None:
    header, claims = _good_token(instance)
    own = ECKey.generate_key("P-256")
    named = {**header, "jwk": own.as_dict(private=False)}

    for sent in (named, {**named, "kid": "own"}):
        token = jwt.encode(sent, claims, own, algorithms=["ES256"])
        refused(instance.visitor().userinfo(token))


def test_authlib_trap_13_an_id_token_is_no_access_token(instance: Instance) -> None:
    visitor = instance.visitor()
    tokens = visitor.tokens(instance.add_person(), instance.add_service())

    refused(visitor.userinfo(tokens["id_token"]))


@pytest.mark.parametrize("typ", [None, "JWT", "logout+jwt", "application/at+jwt"])
def test_authlib_trap_13_a_token_without_the_right_typ_is_refused(
    instance: Instance, typ: str | None
) -> None:
    header, claims = _good_token(instance)
    changed = {**header, "typ": typ} if typ else {name: header[name] for name in ("alg", "kid")}

    token = jwt.encode(changed, claims, instance.private_key(header["kid"]), algorithms=["ES256"])

    refused(instance.visitor().userinfo(token))


def test_an_altered_token_is_refused(instance: Instance) -> None:
    visitor = instance.visitor()
    token = visitor.tokens(instance.add_person(), instance.add_service())["access_token"]
    header, _, rest = token.partition(".")
    claims, _, signature = rest.partition(".")
    _, read = visitor.read_token(token)

    for altered in (
        f"{header}.{_part({**read, 'sub': 'somebody'})}.{signature}",
        f"{header}.{claims}.{signature[:-4]}AAAA",
        f"{header}.{claims}.",
        f"{header}.{claims}.{signature}.{signature}",
    ):
        refused(visitor.userinfo(altered))
    assert visitor.userinfo(token).status_code == 200


def test_a_token_ends_with_its_time_its_session_and_its_password(
    instance: Instance, clock: Clock
) -> None:
    person, service = instance.add_person(), instance.add_service()

    signed_out = instance.visitor()
    tokens = signed_out.tokens(person, service)
    signed_out.get("/logout", {"id_token_hint": tokens["id_token"]})
    refused(signed_out.userinfo(tokens["access_token"]))

    expired = instance.visitor()
    token = expired.tokens(person, service)["access_token"]
    clock.advance(timedelta(minutes=5))
    refused(expired.userinfo(token))

    changed = instance.visitor()
    token = changed.tokens(person, service)["access_token"]
    instance.change_account(person, credential_version=2)
    refused(changed.userinfo(token))
