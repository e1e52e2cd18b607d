"""The temporary password: its shape, its states, and where it is kept.

::

    requested ──► issued ──► sent ──► opened ──► used
        │          │ ▲        │ ▲       │
        │          └─┘ again  │ └───────┘ lease over
        └─ superseded         └─ locked

Drawn by whoever writes the message, never before; the store keeps its hash alone, one place for
each account and channel. ``promise`` is the outbox row that asked for it: a higher one is newer.
The account's ``credential_version`` is the arbiter of use: the new password raises it in the
statement that checks it, and a secret of an older version is dead wherever it is found.
Expiry is an instant compared with the clock, not a state.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from idp.identity.password import PasswordHash

ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""31 symbols, prime, without I L O 0 1."""

LENGTH = 12
LEASE = timedelta(minutes=15)
REQUEST_LIFETIME = timedelta(days=14)
_SPLIT = ALPHABET.index("S")  # A to R begin a mail's secret, S to 9 a letter's
_IGNORED = frozenset(" -‐‑‒–—―−_.  \t")


class Channel(StrEnum):
    """How a temporary password reaches its person."""

    MAIL = "mail"
    LETTER = "letter"


class State(StrEnum):
    """Where a temporary password stands; expiry is told by ``expires_at`` alone."""

    REQUESTED = "requested"
    ISSUED = "issued"
    SENT = "sent"
    OPENED = "opened"
    LOCKED = "locked"


LIFETIMES = {Channel.MAIL: timedelta(hours=24), Channel.LETTER: timedelta(days=30)}
"""From the drawing, or from the date of print."""


def draw(channel: Channel) -> str:
    """Draw a secret: 12 symbols, the first tells the channel, the last checks the others."""
    firsts = ALPHABET[:_SPLIT] if channel is Channel.MAIL else ALPHABET[_SPLIT:]
    body = secrets.choice(firsts)
    body += "".join(secrets.choice(ALPHABET) for _ in range(LENGTH - 2))
    return body + _check_symbol(body)


def written(secret: str) -> str:
    """Write a secret for a reader, in three groups of four."""
    return "-".join(secret[place : place + 4] for place in range(0, LENGTH, 4))


def fold(typed: str) -> str:
    """Fold what was typed to canonical form: case, spaces and dashes do not count."""
    if len(typed) > 64:
        return typed
    return "".join(character for character in typed if character not in _IGNORED).upper()


def has_shape(typed: str) -> bool:
    """Tell whether this is 12 symbols of the alphabet, whatever the last: no chosen password is."""
    folded = fold(typed)
    return len(folded) == LENGTH and all(symbol in ALPHABET for symbol in folded)


def channel_of(typed: str) -> Channel | None:
    """The channel of a temporary password by its first symbol; None unless the last one checks."""
    folded = fold(typed)
    if not has_shape(folded) or _check_symbol(folded[:-1]) != folded[-1]:
        return None
    return Channel.MAIL if ALPHABET.index(folded[0]) < _SPLIT else Channel.LETTER


def _check_symbol(body: str) -> str:
    """Weigh each place by a power of 3 modulo 31: any one slip, and any two swapped, show."""
    total = sum(ALPHABET.index(symbol) * pow(3, place + 1, 31) for place, symbol in enumerate(body))
    return ALPHABET[total % 31]


@dataclass(frozen=True, slots=True)
class TemporaryPassword:
    """One place of the store as it is now. Holds the hash, never the secret.

    Attributes:
        promise: the outbox row whose message holds (or will hold) the secret.
        newest: the newest request of this channel; above ``promise`` until its secret is drawn.
        hash: None while only requested.
        wrong_tries: in all; the 50th locks it.
        opened_until: the end of the lease under which a new password is being chosen.
    """

    account_id: str
    channel: Channel
    state: State
    promise: int
    newest: int
    credential_version: int
    hash: PasswordHash | None
    requested_at: datetime
    expires_at: datetime | None
    wrong_tries: int = 0
    opened_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class TryPolicy:
    """How often a temporary password may be typed wrong."""

    by_origin: int = 5
    in_all: int = 50


class TemporaryPasswords(Protocol):
    """Where they are kept. Each method is one atomic step and raises StoreUnavailable."""

    def request(self, account_id: str, channel: Channel, promise: int, *, version: int) -> None:
        """Note a request. A secret that is alive stays so until the newer one is drawn."""

    def issue(
        self,
        account_id: str,
        channel: Channel,
        promise: int,
        *,
        version: int,
        hashed: PasswordHash,
        expires_at: datetime,
    ) -> bool:
        """Put a freshly drawn secret in the place of the former one.

        Returns:
            False when a newer request supersedes this one: the message must not leave. A store that
            forgot the request accepts it: the outbox row is the promise.
        """

    def sent(self, account_id: str, channel: Channel, promise: int) -> None:
        """Note that the message was handed over; without effect on any other promise's secret."""

    def reserve_try(
        self, account_id: str, channel: Channel, *, version: int, network: str, browser: str
    ) -> TemporaryPassword | None:
        """Count one try as wrong ahead of its verification, and give what it is verified against.

        Args:
            account_id: or the keyed hash of an unknown number, for which nothing is kept.
            channel: that the typed secret names.
            version: of the account; a secret of another one is dead.
            network: ``Origin.network``.
            browser: the browser's name, hashed by the caller.

        Returns:
            None when there is none alive, or this network or browser tried 5 times, or it locked.
        """

    def open(
        self, found: TemporaryPassword, *, network: str, browser: str, holder: str, until: datetime
    ) -> bool:
        """Take the reserved try back and lease the secret to ``holder`` (a hashed token).

        Whoever held it before has lost it. False when it changed meanwhile.
        """

    def is_open(self, account_id: str, channel: Channel, holder: str) -> bool:
        """Tell whether ``holder`` still has the lease."""

    def use_up(self, account_id: str) -> None:
        """Forget the secrets of both channels: a new password was chosen."""

    def look(self, account_id: str) -> list[TemporaryPassword]:
        """Read what is there, for the help desk; a locked or expired one too while it is kept."""
