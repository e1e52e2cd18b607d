"""Ways to misbehave, for tests: one at a time, in the object of the process alone.

No address of the simulator switches one on, so nobody who clicks meets one by accident.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from datetime import timedelta
from enum import StrEnum
from types import EllipsisType
from typing import Any


class Endpoint(StrEnum):
    """What can be frozen, slow, down or answered otherwise."""

    DISCOVERY = "discovery"
    JWKS = "jwks"
    AUTHORIZE = "authorize"
    TOKEN = "token"
    USERINFO = "userinfo"
    LOGOUT = "logout"


EVERYWHERE = frozenset(Endpoint)


@dataclass(frozen=True, slots=True)
class Instead:
    """An answer given in the place of the right one."""

    status: int = 200
    body: bytes = b""
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tampering:
    """What is wrong with a signed JWT.

    Attributes:
        claims: other claims; ``...`` takes one away, a timedelta is counted from now.
        header: other members of the header.
        key: ``own``; ``stranger``, which nobody published; ``client_secret`` and ``public``, which
            are secrets of HS256 (the second is the published key: algorithm confusion).
    """

    claims: Mapping[str, Any] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    key: str = "own"


Changes = Mapping[str, Any | EllipsisType]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to misbehave; where nothing is said, all is well.

    Attributes:
        frozen: takes the request and never answers.
        trickling: answers a byte now and then, without an end.
        seconds: answers so much later.
        instead: answers something else.
        id_token: what is wrong with it.
        userinfo: what is wrong with the answer.
        userinfo_is_json: answers without a signature.
        callback: other parameters of the callback; ``...`` takes one away.
        token: other members of the token answer.
        discovery: other members of the discovery document.
    """

    frozen: frozenset[Endpoint] = frozenset()
    trickling: frozenset[Endpoint] = frozenset()
    seconds: Mapping[Endpoint, float] = field(default_factory=dict)
    instead: Mapping[Endpoint, Instead] = field(default_factory=dict)
    id_token: Tampering = Tampering()
    userinfo: Tampering = Tampering()
    userinfo_is_json: bool = False
    callback: Changes = field(default_factory=dict)
    token: Changes = field(default_factory=dict)
    discovery: Changes = field(default_factory=dict)


HEALTHY = Fault()
_MALLORY = "https://mallory.example"
_PAST, _FUTURE = timedelta(hours=-1), timedelta(hours=1)


def _refused(error: str, status: int = 400) -> Fault:
    body = f'{{"error": "{error}", "error_description": "said by a fault"}}'.encode()
    return Fault(instead={Endpoint.TOKEN: Instead(status, body)})


def _down(*where: Endpoint) -> Fault:
    page = Instead(503, b"<h1>Service Unavailable</h1>", "text/html")
    return Fault(instead=dict.fromkeys(where, page))


def _huge(*where: Endpoint) -> Fault:
    body = b'{"filler": "' + b"x" * 8_000_000 + b'"}'
    return Fault(instead=dict.fromkeys(where, Instead(200, body)))


def _cut(*where: Endpoint) -> Fault:
    answer = Instead(200, b'{"access_token": "x', headers={"Content-Length": "4000"})
    return Fault(instead=dict.fromkeys(where, answer))


def _elsewhere(*where: Endpoint) -> Fault:
    answer = Instead(302, b"", headers={"Location": "http://127.0.0.1:1/elsewhere"})
    return Fault(instead=dict.fromkeys(where, answer))


_JWT_FAULTS: dict[str, Tampering] = {
    "iss": Tampering({"iss": _MALLORY}),
    "no_iss": Tampering({"iss": ...}),
    "aud": Tampering({"aud": "somebody-else"}),
    "several_aud": Tampering({"aud": ["somebody-else", "another"]}),
    "no_aud": Tampering({"aud": ...}),
    "expired": Tampering({"exp": _PAST, "iat": timedelta(hours=-2)}),
    "no_exp": Tampering({"exp": ...}),
    "iat_in_future": Tampering({"iat": _FUTURE, "exp": timedelta(hours=2)}),
    "no_sub": Tampering({"sub": ...}),
    "empty_sub": Tampering({"sub": ""}),
    "sub_is_a_number": Tampering({"sub": 7}),
    "hs256": Tampering(header={"alg": "HS256"}, key="client_secret"),
    "hs256_by_public_key": Tampering(header={"alg": "HS256"}, key="public"),
    "alg_none": Tampering(header={"alg": "none"}),
    "signature": Tampering(key="stranger"),
    "unknown_kid": Tampering(header={"kid": "nobody-published-this"}, key="stranger"),
    "critical_header": Tampering(header={"crit": ["x"], "x": 1}),
    "extra_claims": Tampering({"is_admin": True, "roles": ["a", {"b": [1]}]}),
}

FAULTS: dict[str, Fault] = {
    **{f"id_token_{name}": Fault(id_token=how) for name, how in _JWT_FAULTS.items()},
    **{f"userinfo_{name}": Fault(userinfo=how) for name, how in _JWT_FAULTS.items()},
    "id_token_nonce": Fault(id_token=Tampering({"nonce": "n" * 43})),
    "id_token_no_nonce": Fault(id_token=Tampering({"nonce": ...})),
    "id_token_acr": Fault(id_token=Tampering({"acr": "eidas0"})),
    "id_token_no_acr": Fault(id_token=Tampering({"acr": ...})),
    "id_token_old_auth_time": Fault(id_token=Tampering({"auth_time": _PAST})),
    "id_token_no_auth_time": Fault(id_token=Tampering({"auth_time": ...})),
    "id_token_auth_time_in_future": Fault(id_token=Tampering({"auth_time": _FUTURE})),
    "userinfo_other_sub": Fault(userinfo=Tampering({"sub": "f" * 64 + "v1"})),
    "userinfo_no_pivot": Fault(userinfo=Tampering({"family_name": ..., "given_name": ...})),
    "userinfo_birthdate_is_a_list": Fault(userinfo=Tampering({"birthdate": ["1987-04-23"]})),
    "userinfo_json": Fault(userinfo_is_json=True),
    "userinfo_401": Fault(instead={Endpoint.USERINFO: Instead(401, b'{"error": "invalid_token"}')}),
    "callback_no_iss": Fault(callback={"iss": ...}),
    "callback_wrong_iss": Fault(callback={"iss": _MALLORY}),
    "callback_no_state": Fault(callback={"state": ...}),
    "callback_wrong_state": Fault(callback={"state": "s" * 43}),
    "callback_no_code": Fault(callback={"code": ...}),
    "callback_wrong_code": Fault(callback={"code": "c" * 43}),
    "callback_code_and_error": Fault(callback={"error": "access_denied"}),
    "token_invalid_grant": _refused("invalid_grant"),
    "token_invalid_client": _refused("invalid_client", 401),
    "token_server_error": _refused("server_error", 500),
    "token_no_id_token": Fault(token={"id_token": ...}),
    "token_no_access_token": Fault(token={"access_token": ...}),
    "token_type": Fault(token={"token_type": "mac"}),
    "token_not_json": Fault(instead={Endpoint.TOKEN: Instead(200, b"<p>ok", "text/html")}),
    "token_is_a_list": Fault(instead={Endpoint.TOKEN: Instead(200, b"[]")}),
    "token_huge": _huge(Endpoint.TOKEN),
    "userinfo_huge": _huge(Endpoint.USERINFO),
    "jwks_huge": _huge(Endpoint.JWKS),
    "discovery_huge": _huge(Endpoint.DISCOVERY),
    "token_cut": _cut(Endpoint.TOKEN),
    "token_redirects": _elsewhere(Endpoint.TOKEN),
    "userinfo_redirects": _elsewhere(Endpoint.USERINFO),
    "jwks_redirects": _elsewhere(Endpoint.JWKS),
    "discovery_redirects": _elsewhere(Endpoint.DISCOVERY),
    "jwks_empty": Fault(instead={Endpoint.JWKS: Instead(200, b'{"keys": []}')}),
    "jwks_broken": Fault(instead={Endpoint.JWKS: Instead(200, b'{"keys": ')}),
    "discovery_broken": Fault(instead={Endpoint.DISCOVERY: Instead(200, b"{")}),
    "discovery_missing": Fault(instead={Endpoint.DISCOVERY: Instead(404, b"", "text/html")}),
    "discovery_wrong_issuer": Fault(discovery={"issuer": _MALLORY}),
    "discovery_no_jwks_uri": Fault(discovery={"jwks_uri": ...}),
    "discovery_no_token_endpoint": Fault(discovery={"token_endpoint": ...}),
    "discovery_endpoint_elsewhere": Fault(discovery={"token_endpoint": f"{_MALLORY}/token"}),
    "down": _down(*Endpoint),
    "token_down": _down(Endpoint.TOKEN),
    "userinfo_down": _down(Endpoint.USERINFO),
    "jwks_down": _down(Endpoint.JWKS),
    "discovery_down": _down(Endpoint.DISCOVERY),
    "frozen": Fault(frozen=EVERYWHERE),
    "token_frozen": Fault(frozen=frozenset({Endpoint.TOKEN})),
    "userinfo_frozen": Fault(frozen=frozenset({Endpoint.USERINFO})),
    "jwks_frozen": Fault(frozen=frozenset({Endpoint.JWKS})),
    "discovery_frozen": Fault(frozen=frozenset({Endpoint.DISCOVERY})),
    "trickling": Fault(trickling=EVERYWHERE),
    "token_trickling": Fault(trickling=frozenset({Endpoint.TOKEN})),
    "slow": Fault(seconds=dict.fromkeys(Endpoint, 0.3)),
}
"""By name, for tests that go through many."""
