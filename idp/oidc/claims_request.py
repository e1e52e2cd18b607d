"""The ``claims`` parameter: claims that a request asks for one by one.

It widens nothing: a claim of the person comes only where one of the scopes that the service may
have anyway opens it. What is asked for is kept by name with the code, its grant and its refresh
family; the values are read when they are given. docs/adr/0019-claims-one-by-one.md.
"""

import json
import re
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass

from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.oidc.claims import claims_within
from idp.oidc.clients import Client
from idp.oidc.params import Params

CLAIMS_LIMIT = 4096
"""Characters of the parameter; it travels in addresses, sealed while its person signs in."""

DEEPEST = 6
"""Levels of JSON. The specification needs four, and five for the ``value`` of an address."""

MEMBERS = ("userinfo", "id_token")

_LANGUAGE = re.compile(r"#[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")

_Wishes = dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class ClaimsRequest:
    """What a request asks for beyond its scope.

    Attributes:
        userinfo: claims of the person wanted at userinfo, by name.
        id_token: those wanted in ID tokens.
        subs: the person must be one of these, as the client names them; none: anybody.
        acr_values: the sign-in must be at one of these levels; none: at any.
    """

    userinfo: tuple[str, ...] = ()
    id_token: tuple[str, ...] = ()
    subs: tuple[str, ...] = ()
    acr_values: tuple[str, ...] = ()

    def takes_person(self, sub: str) -> bool:
        """Tell whether the request may be answered for this person."""
        return not self.subs or sub in self.subs

    def takes_level(self, acr: str) -> bool:
        """Tell whether the request may be answered with a sign-in at this level."""
        return not self.acr_values or acr in self.acr_values


def claims_request(params: Params, client: Client) -> ClaimsRequest:
    """Read the parameter strictly; without it nothing is asked for.

    A service of the fund asks within the scopes that it is registered for. One of others asks
    within those of this request, which are what the member is shown and grants.

    Names that nobody knows are ignored, whatever their language; ``essential`` changes nothing for
    claims of the person, which come where there are any. ``acr`` is read for the ID token alone.

    Raises:
        InvalidRequestError: too long, too deep, not JSON of the right shape, a member twice, or a
            ``sub`` that no one person can have.

    Spec: OIDC Core 1.0 §5.5, §5.5.1, §5.5.1.1, §5.2 (language tags), §3.1.2.2 (``sub``).
    """
    if "claims" not in params:
        return ClaimsRequest()
    asked = _decoded(params.get("claims"))
    userinfo, id_token = (_member(asked, name) for name in MEMBERS)
    scope = client.scope if client.first_party else client.scope.intersection(params.words("scope"))
    allowed = claims_within(scope)
    insists = id_token.get("acr", {}).get("essential") is True
    return ClaimsRequest(
        userinfo=_names(userinfo, allowed),
        id_token=_names(id_token, allowed),
        subs=_one_person(_values("sub", userinfo), _values("sub", id_token)),
        acr_values=_values("acr", id_token) if insists else (),
    )


def _decoded(text: str) -> dict[str, object]:
    if len(text) > CLAIMS_LIMIT:
        raise InvalidRequestError(f"claims is longer than {CLAIMS_LIMIT} characters.")
    try:
        asked = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        too_deep = _depth(asked) > DEEPEST
    except (ValueError, RecursionError):
        raise InvalidRequestError("claims must be JSON, each member written once.") from None
    if too_deep:
        raise InvalidRequestError("claims is nested too deeply.")
    if not isinstance(asked, dict):
        raise InvalidRequestError("claims must be a JSON object.")
    return asked


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member twice")
    return members


def _no_constant(name: str) -> object:
    raise ValueError(name)  # NaN and Infinity: Python's JSON, not RFC 8259's


def _depth(value: object) -> int:
    inner: Iterable[object] = ()
    if isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, list):
        inner = value
    else:
        return 0
    return 1 + max(map(_depth, inner), default=0)


def _member(asked: Mapping[str, object], name: str) -> _Wishes:
    member = asked.get(name, {})
    if not isinstance(member, dict):
        raise InvalidRequestError(f"The member {name} of claims must be an object.")
    wishes: _Wishes = {}
    for claim, wish in member.items():
        if not (wish is None or isinstance(wish, dict)):
            raise InvalidRequestError("In claims, each wish must be null or an object.")
        wishes[claim] = _checked(wish or {})
    return wishes


def _checked(wish: dict[str, object]) -> dict[str, object]:
    if not isinstance(wish.get("essential", False), bool):
        raise InvalidRequestError("In claims, essential must be true or false.")
    if not isinstance(wish.get("values", []), list):
        raise InvalidRequestError("In claims, values must be an array.")
    return wish


def _names(member: _Wishes, allowed: frozenset[str]) -> tuple[str, ...]:
    """Name the claims to give. The directory's words have no language: a tag asks for the claim."""
    names = set()
    for claim in member:
        name, mark, tag = claim.partition("#")
        if name in allowed and (not mark or _LANGUAGE.fullmatch(mark + tag)):
            names.add(name)
    return tuple(sorted(names))


def _values(claim: str, member: _Wishes) -> tuple[str, ...]:
    """Give the values that one claim must have, or ()."""
    wish = member.get(claim, {})
    if "value" not in wish and "values" not in wish:
        return ()
    values = [wish["value"]] if "value" in wish else []
    listed = wish.get("values")
    if isinstance(listed, list):
        values += listed
    texts = tuple(value for value in values if isinstance(value, str) and value)
    if not texts or len(texts) != len(values):
        raise InvalidRequestError(
            f"In claims, the values of {claim} must be strings, and at least one."
        )
    return tuple(dict.fromkeys(texts))


def _one_person(here: tuple[str, ...], there: tuple[str, ...]) -> tuple[str, ...]:
    if not (here and there):
        return here or there
    both = tuple(sub for sub in here if sub in there)
    if not both:
        raise InvalidRequestError("claims asks for two different persons by sub.")
    return both
