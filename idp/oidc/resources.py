"""Resource indicators: the APIs that an access token is for.

An API is named by an absolute URI, which its own registration holds (``resource_identifiers``). A
service may ask for those that its registration names (``allowed_resources``), the issuer among them
where it wants userinfo beside them. Names are compared as whole strings, so that what is malformed
is simply not registered. Why so: docs/adr/0017-whom-an-access-token-is-for.md.
"""

import re
from collections.abc import Collection

from authlib.oauth2 import OAuth2Error

from idp.oidc.params import Params
from idp.oidc.redirect_uris import faults_of_page
from idp.oidc.refusals import Finding
from idp.oidc.refusals import seen

LONGEST_IDENTIFIER = 255
MOST_RESOURCES = 8
"""Of one request: an access token holds them all, and travels in a header."""

REPEATABLE = frozenset({"resource"})
"""The parameters that may come more than once. Spec: RFC 8707 §2."""

_URN = re.compile(r"urn:[a-z0-9][a-z0-9-]{1,31}:[A-Za-z0-9()+,\-.:=@;$_!*'%/?]+")


class InvalidTarget(OAuth2Error):
    """An API that is unknown, or that this service may not ask for, or did not ask for before."""

    error = "invalid_target"


def resources_within(params: Params, allowed: Collection[str]) -> tuple[str, ...]:
    """Read what a request asks for; () where it is silent.

    Raises:
        InvalidTarget: one of them is not among ``allowed``, or there are too many.

    Spec: RFC 8707 §2.
    """
    asked = params.values("resource")
    if not set(asked) <= set(allowed):
        found = Finding("resource", " or ".join(allowed) or "no resource", seen(params, "resource"))
        raise InvalidTarget(
            "A resource that this client may not ask for, or did not ask for."
        ) from found
    if len(asked) > MOST_RESOURCES:
        raise InvalidTarget(f"More than {MOST_RESOURCES} resources in one request.")
    return asked


def faults_of_resource(identifier: str) -> list[str]:
    """Say what is wrong with the name of an API: an https address or a URN, without a fragment."""
    if len(identifier) > LONGEST_IDENTIFIER:
        return [f"it has more than {LONGEST_IDENTIFIER} characters"]
    if "#" in identifier:
        return ["it has a fragment (#), which no name of an API has (RFC 8707 §2)"]
    if identifier.startswith("urn:"):
        return [] if _URN.fullmatch(identifier) else ["it is not a URN (RFC 8141)"]
    return faults_of_page(identifier)
