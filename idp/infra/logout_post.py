"""Carries logout tokens to services: one POST, of which only the status is looked at."""

from urllib.parse import urlencode

from idp.infra.service_calls import ServiceCalls
from idp.infra.service_calls import ServiceNotReached
from idp.oidc.backchannel_logout import NoticeNotTaken

POST_SECONDS = 5.0
"""Of name, connection and answer: longer than a service needs to forget a visit."""

_HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}
_TAKEN = (200, 204)  # frameworks make the second of an answer without a body
_REFUSED = 400


class HttpsLogoutPost:
    """The port ``LogoutPost``."""

    def __init__(self, calls: ServiceCalls) -> None:
        self._calls = calls

    def post(self, uri: str, logout_token: str) -> None:
        """Hand it over. Spec: OIDC Back-Channel Logout 1.0 §2.5, §2.8."""
        body = urlencode({"logout_token": logout_token}).encode("ascii")
        try:
            answer = self._calls.ask("POST", uri, headers=_HEADERS, body=body, limit=0)
        except ServiceNotReached as away:
            raise NoticeNotTaken(away.fault) from None
        if answer.status not in _TAKEN:
            raise NoticeNotTaken(f"answer_{answer.status}", refused=answer.status == _REFUSED)
