"""The authorization request that waits while its person signs in, sealed into the page's address.

Nothing is stored: a stranger cannot fill a store, each tab has its own, any node can open it, and a
page left overnight still leads where it should. Sealed with AES-256-GCM under a key derived from
the cookie key, and bound to the browser's cookie, so that nobody can hand a person a page of
somebody else's request.
"""

import hashlib
import hmac
import json
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta

from idp import IdpError
from idp.oidc.authorize import UNDERSTOOD
from idp.oidc.params import Params
from idp.sealed import Sealer
from idp.sealed import Unreadable

SEALED_LIMIT = 4096
_PURPOSE = "waiting-request:1"
_OPENED_LIMIT = 64 * 1024


class WaitingRequestTooLarge(IdpError):
    """The request does not fit into an address."""

    code = "waiting_request_too_large"


class WaitingRequestUnreadable(IdpError):
    """Not sealed by us, altered, or by a key that is gone."""

    code = "waiting_request_unreadable"


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """What was sealed, as opened.

    Attributes:
        same_browser: the cookie is the one it was sealed for.
        expired: it waited longer than a request may.
    """

    params: Params
    requested_at: datetime
    same_browser: bool
    expired: bool


class WaitingRequests:
    """Seals and opens; the first key seals, every key opens."""

    def __init__(
        self, keys: Sequence[bytes], *, lifetime: timedelta, now: Callable[[], datetime]
    ) -> None:
        self._sealer = Sealer(keys, _PURPOSE)
        self._lifetime = lifetime
        self._now = now

    def seal(self, params: Params, browser: str) -> str:
        """Seal a request for one browser: base64url text for an address.

        Raises:
            WaitingRequestTooLarge: more than SEALED_LIMIT characters, or too much to open again.
        """
        kept = [(name, value) for name, value in params.pairs if value and name in UNDERSTOOD]
        body = [round(self._now().timestamp(), 3), _bound(browser), kept]
        written = json.dumps(body, separators=(",", ":")).encode("ascii")
        if len(written) > _OPENED_LIMIT:
            raise WaitingRequestTooLarge(f"{len(written)} bytes")
        text = self._sealer.seal(zlib.compress(written, 6))
        if len(text) > SEALED_LIMIT:
            raise WaitingRequestTooLarge(f"{len(text)} characters sealed")
        return text

    def open(self, text: str, browser: str) -> WaitingRequest:
        """Open what ``seal`` made.

        Raises:
            WaitingRequestUnreadable: it is not ours.
        """
        opened = self._opened(text)
        try:
            requested_at_epoch, bound, pairs = json.loads(
                zlib.decompressobj().decompress(opened, _OPENED_LIMIT)
            )
            requested_at = datetime.fromtimestamp(requested_at_epoch, UTC)
            params = Params.of((str(name), str(value)) for name, value in pairs)
            same_browser = hmac.compare_digest(str(bound).encode(), _bound(browser).encode())
        except (ValueError, TypeError, zlib.error):
            raise WaitingRequestUnreadable("of another shape: sealed by another version") from None
        return WaitingRequest(
            params=params,
            requested_at=requested_at,
            same_browser=same_browser,
            expired=self._now() - requested_at > self._lifetime,
        )

    def _opened(self, text: str) -> bytes:
        if len(text) > SEALED_LIMIT:
            raise WaitingRequestUnreadable("too long")
        try:
            return self._sealer.open(text)
        except Unreadable as fault:
            raise WaitingRequestUnreadable(str(fault)) from None


def _bound(browser: str) -> str:
    digest = hashlib.sha256(b"browser:" + browser.encode("utf-8", "surrogatepass")).digest()
    return urlsafe_b64encode(digest[:16]).decode("ascii")
