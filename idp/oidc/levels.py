"""Which level of authentication (``acr``) a request insists on.

A level that is only wished for, by ``acr_values`` or by ``acr`` without ``essential``, refuses
nothing: the ID token tells the level there was.
"""

from collections.abc import Collection

from authlib.oauth2 import OAuth2Error

from idp.oidc.authorize import AuthorizationRequest
from idp.oidc.refusals import Finding


class UnmetAuthenticationRequirements(OAuth2Error):
    """No sign-in here reaches a level that was insisted on, or this one did not.

    Spec: OIDC Core Error Code unmet_authentication_requirements 1.0 §1.
    """

    error = "unmet_authentication_requirements"
    description = "No sign-in reaches a level that acr was asked for."


def check_level(request: AuthorizationRequest, reached: Collection[str]) -> None:
    """Refuse a request that insists on a level which is not among those ``reached``.

    Before anybody signs in, these are all that a sign-in here can reach; afterwards, its own.

    Raises:
        RefusedByRedirect: ``unmet_authentication_requirements``.

    Spec: OIDC Core 1.0 §5.5.1.1.
    """
    if not any(request.claims.takes_level(acr) for acr in reached):
        found = Finding("level", "one of the levels that claims insists on", " or ".join(reached))
        raise request.refused(UnmetAuthenticationRequirements(), found)
