"""A reset under way: what travels sealed from page to page, for one browser, half an hour.

No store holds it, so that strangers fill none; what may happen once is taken by its ``id``.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta

from idp import IdpError
from idp.identity.dossier import NumeroDossier
from idp.identity.dossier import Qualite
from idp.identity.temporary_password import Channel
from idp.sealed import Sealer
from idp.sealed import Unreadable


class JourneyEnded(IdpError):
    """Too old, altered, of another browser, or of another step: one begins again."""

    code = "journey_ended"


@dataclass(frozen=True, slots=True)
class Journey:
    """What was proved so far: an anti-robot solved for this number.

    Attributes:
        id: random; one message is promised for it.
        chosen: the channel, once there is one.
        ends_at: for good from the first sealing on, to the second; None before.
    """

    id: str
    qualite: Qualite
    numero: NumeroDossier
    chosen: Channel | None = None
    ends_at: datetime | None = None

    @classmethod
    def begun(cls, qualite: Qualite, numero: NumeroDossier) -> "Journey":
        """Start one."""
        return cls(secrets.token_urlsafe(16), qualite, numero)


class Journeys:
    """Seals a journey into an address, and opens it in the same browser alone."""

    def __init__(
        self, keys: Sequence[bytes], *, lifetime: timedelta, now: Callable[[], datetime]
    ) -> None:
        self._sealer = Sealer(keys, "reset-journey:1")
        self._lifetime = lifetime
        self._now = now

    def seal(self, journey: Journey, browser: str) -> str:
        """Write it for an address; what was sealed before ends when it did.

        A journey that renewed itself would be a message each half hour for one anti-robot.
        """
        ends_at = journey.ends_at or self._now() + self._lifetime
        body = [
            int(ends_at.timestamp()),
            _bound(browser),
            journey.id,
            journey.qualite,
            journey.numero.value,
            journey.chosen or "",
        ]
        return self._sealer.seal(json.dumps(body, separators=(",", ":")).encode("ascii"))

    def open(self, text: str, browser: str) -> Journey:
        """Read it back.

        Raises:
            JourneyEnded: it cannot go on here.
        """
        if len(text) > 1024:
            raise JourneyEnded("too long")
        try:
            body = json.loads(self._sealer.open(text))
            ends_at, bound, journey_id, qualite, numero, chosen = body
            until = datetime.fromtimestamp(int(ends_at), UTC)
            journey = Journey(
                id=str(journey_id),
                qualite=Qualite(qualite),
                numero=NumeroDossier(str(numero)),
                chosen=Channel(chosen) if chosen else None,
                ends_at=until,
            )
            is_of_browser = hmac.compare_digest(str(bound).encode(), _bound(browser).encode())
        except Unreadable as fault:
            raise JourneyEnded(str(fault)) from None
        except (ValueError, TypeError, OverflowError):
            raise JourneyEnded("of another shape: sealed by another version") from None
        if self._now() >= until:
            raise JourneyEnded("too old")
        if not browser or not is_of_browser:
            raise JourneyEnded("of another browser")
        return journey


def _bound(browser: str) -> str:
    named = b"reset:" + browser.encode("utf-8", "surrogatepass")
    return hashlib.sha256(named).hexdigest()[:32]
