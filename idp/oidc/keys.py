"""Signing keys, and the ring that tells which one signs, which ones are published, which verify.

A key has one fact of its own, ``signs_from``; its state is that instant, its successor's and the
clock (ADR 0003)::

    file appears       begins          successor begins    + longest token      + longest hint
         | published only | published, signs | published, signs no more | verifies hints |
    -----+----------------+------------------+--------------------------+----------------+----> time
                                                                 ``idp keys rotate`` erases the file

Nothing runs at these instants: no job can be late, and every process sees the same ring. The last
signature of a key is known without a note: it was made before its successor began.

A key that was revoked signs, is published and verifies nothing from that instant on, and the one
that follows it begins there and then (ADR 0024). It keeps its place in time: without it, the key
before it would sign again.
"""

from bisect import bisect_right
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Protocol

from joserfc.jwk import ECKey
from joserfc.jwk import RSAKey

from idp import IdpError
from idp.oidc.clients import SIGNING_ALGS
from idp.oidc.signer import Signer
from idp.oidc.signer import UnusableKey
from idp.oidc.signer import read_signer


class NoSigningKey(IdpError):
    """No key of an algorithm signs yet; the text says which algorithm and what to do."""

    code = "no_signing_key"


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """One key of the ring.

    Attributes:
        signer: what signs with it.
        signs_from: the instant that its file announces for its first signature.
        public: what verifies its signatures, ready for joserfc.
    """

    signer: Signer
    signs_from: datetime
    public: RSAKey | ECKey = field(repr=False)

    @property
    def kid(self) -> str:
        """Name it, as tokens do."""
        return self.signer.kid

    @property
    def alg(self) -> str:
        """Tell its one algorithm."""
        return self.signer.alg

    @property
    def public_jwk(self) -> Mapping[str, str]:
        """Give its entry in the JWKS."""
        return self.signer.public_jwk


@dataclass(frozen=True, slots=True)
class RevokedKey:
    """What is left of a key that was revoked: its name, its place in time, and its end."""

    kid: str
    alg: str
    signs_from: datetime
    revoked_at: datetime


class KeyRing:
    """Every key there is, immutable; a rotation builds another ring."""

    def __init__(
        self,
        keys: Sequence[SigningKey],
        *,
        longest_token: timedelta,
        longest_hint: timedelta = timedelta(0),
        revoked: Sequence[RevokedKey] = (),
    ) -> None:
        """Order the keys in time.

        Args:
            keys: those there are; one that was revoked is left out, whatever file it came in.
            longest_token: lifetime of the longest token that these keys sign.
            longest_hint: for how long after that an ID token may come back as a hint.
            revoked: those that were revoked.
        """
        self.revoked = {key.kid: key for key in revoked}
        self._keys = tuple(
            sorted(
                (key for key in keys if key.kid not in self.revoked),
                key=lambda key: (key.signs_from, key.alg),
            )
        )
        self._by_kid = {key.kid: key for key in self._keys}
        self._by_alg = {alg: [k for k in self._keys if k.alg == alg] for alg in SIGNING_ALGS}
        self._longest_token = longest_token
        self._longest_hint = longest_hint
        if len(self._by_kid) != len(self._keys):
            message = "the same key stands in two files"
            raise UnusableKey(message)
        if any(len({k.signs_from for k in ks}) != len(ks) for ks in self._by_alg.values()):
            message = "two keys of one algorithm sign from the same instant"
            raise UnusableKey(message)
        self._line = {alg: self._line_of(alg) for alg in SIGNING_ALGS}
        self._begins = {kid: at for line in self._line.values() for at, kid in line}

    def __iter__(self) -> Iterator[SigningKey]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def signing_key(self, alg: str, *, now: datetime) -> SigningKey:
        """The one key that signs with ``alg`` at ``now``: the newest that has begun.

        Always one key, never a set: of a set, joserfc takes one at random, retired and future ones
        included (authlib.md, trap 1).

        Raises:
            NoSigningKey: none has begun, the newest was revoked and none follows it, or the
                algorithm is not ours.
        """
        line = self._line.get(alg, [])
        begun = bisect_right(line, now, key=_at)
        key = self._by_kid.get(line[begun - 1][1]) if begun else None
        if key is None:
            message = f"no {alg} key signs now; see `idp keys list`"
            raise NoSigningKey(message)
        return key

    def published(self, *, now: datetime) -> list[SigningKey]:
        """The keys whose public half belongs in the JWKS at ``now``, oldest first.

        A key is there as soon as its file is, before it signs, so that relying
        parties can cache it; it stays until the last token it signed has expired.

        Spec: OIDC Core 1.0 §10.1.1 (rotation of signing keys), RFC 7517 §5.
        """
        return [key for key in self._keys if not _is_over(self.published_until(key), now)]

    def verification_key(self, kid: str, alg: str, *, now: datetime) -> SigningKey | None:
        """The key that may have signed a token of ours, published or not.

        An ``id_token_hint`` comes back hours after it expired, when its key has left the JWKS.

        Spec: OIDC RP-Initiated Logout 1.0 §2 (accept a hint whose ``exp`` has passed).
        """
        key = self._by_kid.get(kid)
        if key is None or key.alg != alg or _is_over(self.kept_until(key), now):
            return None
        return key

    def of_alg(self, alg: str) -> Sequence[SigningKey]:
        """The keys of one algorithm, oldest first."""
        return self._by_alg[alg]

    def begins(self, key: SigningKey) -> datetime:
        """When ``key`` signs first: as announced, or where the key before it was revoked."""
        return self._begins[key.kid]

    def signed_since(self, revoked: RevokedKey) -> datetime | None:
        """When a revoked key signed first; None when it never did."""
        return self._begins.get(revoked.kid)

    def signs_until(self, key: SigningKey) -> datetime | None:
        """When the successor of ``key`` takes over: its last signature is made before.

        None while it has no successor.
        """
        line = self._line[key.alg]
        after = bisect_right(line, self.begins(key), key=_at)
        return line[after][0] if after < len(line) else None

    def published_until(self, key: SigningKey) -> datetime | None:
        """When ``key`` leaves the JWKS, its last token expired; None while it has no successor."""
        ends = self.signs_until(key)
        return None if ends is None else ends + self._longest_token

    def kept_until(self, key: SigningKey) -> datetime | None:
        """When ``key`` verifies nothing any more, its last hint included; None as above."""
        leaves = self.published_until(key)
        return None if leaves is None else leaves + self._longest_hint

    def published_changes_at(self, now: datetime) -> datetime | None:
        """The next instant at which ``published`` answers otherwise; None when only a new ring can.

        Whoever keeps the JWKS as ready bytes keeps them until then.
        """
        ends = (self.published_until(key) for key in self._keys)
        return min((end for end in ends if end is not None and end > now), default=None)

    def _line_of(self, alg: str) -> list[tuple[datetime, str]]:
        """Tell who takes over when, oldest first, revoked keys in their places."""
        line: list[tuple[datetime, SigningKey | RevokedKey]] = sorted(
            (
                *((key.signs_from, key) for key in self._by_alg[alg]),
                *((key.signs_from, key) for key in self.revoked.values() if key.alg == alg),
            ),
            key=lambda placed: (placed[0], placed[1].kid),
        )
        for place, (begins, key) in enumerate(line):
            revoked_at = _end_of(key)
            if revoked_at is None or begins > revoked_at:
                continue  # one that never signed leaves nothing to take over
            for later in range(place + 1, len(line)):
                at, follower = line[later]
                end = _end_of(follower)
                if end is None or end > revoked_at:
                    line[later] = (min(at, revoked_at), follower)
                    break
        # One that was revoked before its turn never has one.
        return sorted(
            (begins, key.kid)
            for begins, key in line
            if (end := _end_of(key)) is None or begins < end
        )


class KeyRings(Protocol):
    """Where the current ring is."""

    def ring(self) -> KeyRing:
        """The ring in force: the same object until the keys change."""


def read_key(
    pem: bytes, *, alg: str, signs_from: datetime, passphrases: Sequence[bytes] = ()
) -> SigningKey:
    """Parse a PEM private key, once for the life of the ring.

    Raises:
        UnusableKey: not a key, not one for ``alg``, or locked.
    """
    signer = read_signer(pem, alg=alg, passphrases=passphrases)
    return SigningKey(signer, signs_from.astimezone(UTC), verifier(signer))


def verifier(signer: Signer) -> RSAKey | ECKey:
    """Make what verifies the signatures of a signer, wherever its private half is."""
    kind = RSAKey if signer.alg == "RS256" else ECKey
    return kind.import_key(dict(signer.public_jwk))


def _at(placed: tuple[datetime, str]) -> datetime:
    return placed[0]


def _end_of(key: SigningKey | RevokedKey) -> datetime | None:
    return key.revoked_at if isinstance(key, RevokedKey) else None


def _is_over(end: datetime | None, now: datetime) -> bool:
    return end is not None and end <= now
