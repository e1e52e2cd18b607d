"""Refresh tokens: families, rotation, and what a second use of one token means.

A *family* is what a member's sign-in gave to one service with ``offline_access``: one refresh token
at a time, each use giving the next. A token is ``<family>.<secret>``, both random; the store knows
the SHA-256 of either alone, so that whoever reads it can present nothing. Only who held a token of
a family knows its first half: whatever comes with it and is not the current token was used before,
by the service or by a thief, and nobody can tell which. The family ends with its access tokens
(RFC 9700 §4.14.2).

A service that may lose answers is registered with ``refresh_grace``: for these seconds, and while
the successor is unused, the token before it gets the same successor once more. It is kept sealed
under a key derived from the token that was presented, which the store does not know.
"""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from datetime import datetime
from datetime import timedelta
from typing import Protocol

from idp import IdpError
from idp.oidc.authorization import Authorization
from idp.oidc.authorization import Codes
from idp.oidc.clients import Client
from idp.sealed import Sealer

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}")
_PURPOSE = "refresh-successor:1"


class RefreshTokenRefused(IdpError):
    """Unknown, expired, of another client, or of a family that has ended."""

    code = "refresh_token_refused"


class RefreshTokenReused(RefreshTokenRefused):
    """A token that was used before came again: its family has just been ended."""

    code = "refresh_token_reused"

    def __init__(self, account_id: str) -> None:
        super().__init__("refresh token used twice")
        self.account_id = account_id


@dataclass(frozen=True, slots=True)
class Family:
    """One family, as it stands.

    Attributes:
        id: the SHA-256 of what every token of the family begins with.
        authorization: what was given, without what belonged to the code alone: no ``nonce`` (OIDC
            Core 1.0 §12.2), and ``session_ends_at`` is where the family ends at the latest.
        grant_id: the grant that its access tokens hang on.
        token_hash: of the current token.
        former_hash: of the token before, where a grace was kept, or "".
        expires_at: its end when nobody uses it, never after ``authorization.session_ends_at``.
    """

    id: str
    authorization: Authorization
    grant_id: str
    token_hash: str
    former_hash: str
    started_at: datetime
    rotated_at: datetime
    expires_at: datetime


class RefreshFamilies(Protocol):
    """Where families are kept. Every change holds the family until its transaction ends."""

    def start(self, family: Family) -> None:
        """Keep a new family."""

    def find(self, family_id: str) -> Family | None:
        """Read a family."""

    def rotate(self, family: Family, renewed: Family, *, sealed: str) -> bool:
        """Replace the current token, if it is still that of ``family``; False when it is not.

        ``sealed`` is the successor for a retry, or "".
        """

    def sealed_successor(self, family_id: str, former_hash: str, *, since: datetime) -> str:
        """Read what a retry may open, if ``former_hash`` was replaced after ``since``, or ""."""

    def end(self, family_id: str) -> bool:
        """Remove a family; False when it is gone already."""

    def end_of_grant(self, grant_id: str) -> bool:
        """Remove the family of a grant; False when there is none."""

    def of_account(self, account_id: str) -> list[Family]:
        """Read the families of an account, the oldest first."""

    def end_of_client(self, account_id: str, client_id: str) -> list[str]:
        """Remove what an account's families give to a client; names the grants they had."""

    def end_given(
        self, client_ids: Sequence[str], *, since: datetime, until: datetime
    ) -> list[str]:
        """Remove families of clients whose current token was given in that time, one batch.

        Names the grants they had; empty when there are no more.
        """


@dataclass(frozen=True, slots=True)
class RefreshTokens:
    """The refresh use cases.

    Attributes:
        idle: a family that nobody uses so long ends.
        absolute: no family is older.
        access_token_lifetime: for how long a renewed grant is kept.
    """

    families: RefreshFamilies
    codes: Codes
    idle: timedelta
    absolute: timedelta
    access_token_lifetime: timedelta
    now: Callable[[], datetime]

    def start(self, authorization: Authorization, grant_id: str) -> tuple[str, Authorization]:
        """Begin a family; give its first token, and the authorization as the family has it.

        Its transaction must be followed by ``still_granted``, in another one.
        """
        now = self.now()
        ends_at = now + self.absolute
        token = f"{secrets.token_urlsafe(16)}.{secrets.token_urlsafe(32)}"
        offline = replace(
            authorization, redirect_uri="", nonce="", code_challenge="", session_ends_at=ends_at
        )
        self.families.start(
            Family(
                id=_family_id(token),
                authorization=offline,
                grant_id=grant_id,
                token_hash=_hash(token),
                former_hash="",
                started_at=now,
                rotated_at=now,
                expires_at=min(now + self.idle, ends_at),
            )
        )
        return token, offline

    def still_granted(self, grant_id: str) -> bool:
        """Tell whether the grant of a family just committed lives on; end the family if not.

        A code that is replayed ends its grant first and looks for a family afterwards. Looking in
        the other order here, whichever of the two comes first, one of them sees the other.
        """
        if self.codes.grant(grant_id) is not None:
            return True
        self.families.end_of_grant(grant_id)
        return False

    def present(self, token: str, client: Client) -> Family:
        """Find the family of a token that its client may use now.

        Raises:
            RefreshTokenReused: it was used before; its family is ended.
            RefreshTokenRefused: it says nothing to this client; nothing has changed.
        """
        family = self._family(token, client)
        if family is None:
            raise RefreshTokenRefused("unknown, or of another client")
        if family.expires_at <= self.now():
            self.families.end(family.id)
            raise RefreshTokenRefused("expired")
        if not (_is(token, family.token_hash) or self._in_grace(token, family, client)):
            raise self._ended_for_reuse(family)
        return family

    def rotate(self, token: str, family: Family, client: Client) -> str:
        """Use a presented token up and give the next; renew the grant of its access tokens.

        Raises:
            RefreshTokenReused: somebody else was faster; the family is ended.
            RefreshTokenRefused: the family ended meanwhile.

        Spec: RFC 6749 §6, RFC 9700 §4.14.2.
        """
        now = self.now()
        grace = timedelta(seconds=client.refresh_grace)
        successor = f"{token.partition('.')[0]}.{secrets.token_urlsafe(32)}"
        presented = _hash(token)
        renewed = replace(
            family,
            token_hash=_hash(successor),
            former_hash=presented if grace else "",
            rotated_at=now,
            expires_at=min(now + self.idle, family.authorization.session_ends_at),
        )
        sealer = Sealer([token.encode("ascii")], _PURPOSE)
        sealed = sealer.seal(successor.encode("ascii")) if grace else ""
        current = replace(family, token_hash=presented)
        if not self.families.rotate(current, renewed, sealed=sealed):
            kept = self.families.sealed_successor(family.id, presented, since=now - grace)
            if not kept:
                raise self._ended_for_reuse(family)
            successor = sealer.open(kept).decode("ascii")
        self.codes.renew(family.grant_id, family.authorization, lifetime=self.access_token_lifetime)
        return successor

    def end(self, family: Family) -> bool:
        """End a family and its access tokens; False when it had ended already.

        The family first: a rotation under way holds it, and renews the grant before it lets go.
        """
        ended = self.families.end(family.id)
        self.codes.revoke(family.grant_id)
        return ended

    def end_grant(self, grant_id: str) -> None:
        """End the family of a grant, if it has one, and the access tokens it may have renewed."""
        if self.families.end_of_grant(grant_id):
            self.codes.revoke(grant_id)

    def end_of_client(self, account_id: str, client_id: str) -> int:
        """End all that a client keeps of an account, and say how many families there were."""
        grants = self.families.end_of_client(account_id, client_id)
        for grant_id in grants:
            self.codes.revoke(grant_id)
        return len(grants)

    def revoke(self, token: str, client: Client) -> Family | None:
        """End the family of a token of this client, used or not; None when there is none."""
        family = self._family(token, client)
        return family if family is not None and self.end(family) else None

    def living(self, token: str, client: Client) -> Family | None:
        """Look at the family whose current token this is; nothing changes."""
        family = self._family(token, client)
        if family is None or family.expires_at <= self.now():
            return None
        return family if _is(token, family.token_hash) else None

    def _family(self, token: str, client: Client) -> Family | None:
        if not _TOKEN.fullmatch(token):
            return None
        family = self.families.find(_family_id(token))
        if family is None or family.authorization.client_id != client.client_id:
            return None
        return family

    def _in_grace(self, token: str, family: Family, client: Client) -> bool:
        until = family.rotated_at + timedelta(seconds=client.refresh_grace)
        return self.now() < until and _is(token, family.former_hash)

    def _ended_for_reuse(self, family: Family) -> RefreshTokenRefused:
        if self.end(family):
            return RefreshTokenReused(family.authorization.account_id)
        return RefreshTokenRefused("its family has ended")


def looks_like_refresh_token(token: str) -> bool:
    """Tell by its shape: what a hint says may be wrong."""
    return _TOKEN.fullmatch(token) is not None


def _is(token: str, kept_hash: str) -> bool:
    return hmac.compare_digest(_hash(token), kept_hash)


def _hash(token: str) -> str:
    return _digest(b"refresh-token:", token)


def _family_id(token: str) -> str:
    return _digest(b"refresh-family:", token.partition(".")[0])


def _digest(purpose: bytes, text: str) -> str:
    digest = hashlib.sha256(purpose + text.encode("ascii")).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
