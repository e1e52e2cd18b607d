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
from dataclasses import replace
from datetime import datetime
from datetime import timedelta
from enum import StrEnum
from string import ascii_letters
from string import digits
from typing import Protocol
from unicodedata import category

from idp.identity.password import PasswordHash

ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""31 symbols, prime, without I L O 0 1."""

LENGTH = 12
LEASE = timedelta(minutes=15)
REMEMBERED = timedelta(days=1)
"""After its end, so that the help desk can say what became of it."""

REQUEST_LIFETIME = timedelta(days=14)
TYPED_LIMIT = 64
"""Characters; who types more typed no temporary password."""

_SPLIT = ALPHABET.index("S")  # A to R begin a mail's secret, S to 9 a letter's
_PASTED = "\t\n\r._\u00ad\u200b\u2060\ufeff"  # what pages and mails put between letters unseen
# Look-alikes stay what they are: an I may have been a J or a T, an O a D or a Q, so that to put
# another symbol in its place would be a guess. The form tells a slip of the finger without a cost.
_FOLDED = {ord(typed): typed.upper() for typed in ascii_letters + digits}
_FOLDING: dict[int, str | None] = {
    **_FOLDED,
    # The full-width forms of some keyboards, and no more: NFKC would read a ² as a 2.
    **{place + 0xFEE0: symbol for place, symbol in _FOLDED.items()},
    **{ord(separator): None for separator in _PASTED},
    **{place: None for place in range(0x3001) if category(chr(place)) in ("Zs", "Pd")},
    **dict.fromkeys((0x2212, 0xFE58, 0xFE63, 0xFF0D)),  # minus sign, small and full-width dashes
}


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
    """Draw a secret: 12 symbols, the first tells the channel, the last checks the others.

    15 firsts for a mail, 16 for a letter, and 10 times 31 symbols: 53.4 and 53.5 bits. The check
    symbol adds none.
    """
    firsts = ALPHABET[:_SPLIT] if channel is Channel.MAIL else ALPHABET[_SPLIT:]
    body = secrets.choice(firsts)
    body += "".join(secrets.choice(ALPHABET) for _ in range(LENGTH - 2))
    return body + _check_symbol(body)


def written(secret: str) -> str:
    """Write a secret for a reader, in three groups of four."""
    return "-".join(secret[place : place + 4] for place in range(0, LENGTH, 4))


def fold(typed: str) -> str:
    """Fold what was typed to canonical form: case, width, spaces and dashes do not count."""
    return typed if len(typed) > TYPED_LIMIT else typed.translate(_FOLDING)


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


def possible_secrets(text: str, channel: Channel) -> list[str]:
    """Every run of 12 symbols in a text that may be a secret of this channel, a few at most."""
    folded = "".join(fold(part) for part in (text[:64], text[64:128]))
    places = range(len(folded) - LENGTH + 1)
    runs = [folded[place : place + LENGTH] for place in places]
    return [run for run in runs if channel_of(run) is channel][:4]


def _check_symbol(body: str) -> str:
    """Weigh each place by a power of 3 modulo 31: any one slip, and any two swapped, show.

    31 is prime and 3 generates its 30 residues: the weights of the 11 places, and that of the check
    symbol (-1, the 15th power), are all different and none is nought.
    """
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

    def standing(self, policy: "TryPolicy", *, at: datetime) -> "TemporaryPassword":
        """Tell how it stands at an instant: locked by wrong tries, opened, or its lease over."""
        opened_until = self.opened_until
        if opened_until is not None and opened_until <= at:
            opened_until = None
        state = self.state
        if self.wrong_tries >= policy.in_all:
            state = State.LOCKED
        elif opened_until is not None:
            state = State.OPENED
        return replace(self, state=state, opened_until=opened_until)


@dataclass(frozen=True, slots=True)
class TryPolicy:
    """How often a temporary password may be typed wrong.

    ``by_origin`` belongs to the promise: a retry that draws again gives no network or browser more.
    ``in_all`` belongs to the secret: one that was locked before its message left would keep the
    promise from ever being kept.
    """

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

        A retry of the same promise draws again, and the first secret dies. A store that forgot the
        request accepts it: the outbox row is the promise.

        Returns:
            False when the message must not leave: a newer request or version supersedes this one,
            or its secret was typed already, so that it did arrive.
        """

    def sent(self, account_id: str, channel: Channel, promise: int) -> None:
        """Note that the message was handed over; without effect on any other promise's secret."""

    def reserve_try(
        self, account_id: str, channel: Channel, *, version: int, network: str, browser: str
    ) -> TemporaryPassword | None:
        """Count one try as wrong ahead of its verification, and give what it is verified against.

        The one that reaches ``TryPolicy.in_all`` comes as LOCKED: it is verified all the same, and
        if it is wrong, it was the last.

        Args:
            account_id: or the keyed hash of an unknown number, for which nothing is kept.
            channel: that the typed secret names.
            version: of the account; a secret of another one is dead.
            network: ``Origin.network``.
            browser: the browser's name, hashed by the caller.

        Returns:
            None when there is none alive, or this network or browser tried 5 times, or it locked.
        """

    def release(self, found: TemporaryPassword, *, network: str, browser: str) -> None:
        """Take the reserved try back without a verdict: the verification could not be done."""

    def open(
        self, found: TemporaryPassword, *, network: str, browser: str, holder: str, until: datetime
    ) -> bool:
        """Take the reserved try back and lease the secret to ``holder`` (a hashed token).

        Whoever held it before has lost it. A lease given in time outlives the secret's validity,
        but not its successor. False when the secret changed, was used up or expired meanwhile.
        """

    def is_open(self, account_id: str, channel: Channel, holder: str) -> bool:
        """Tell whether ``holder`` still has the lease."""

    def use_up(self, account_id: str) -> None:
        """Forget the secrets of both channels: a new password was chosen."""

    def look(self, account_id: str) -> list[TemporaryPassword]:
        """Read what is there, for the help desk; a locked or expired one too while it is kept."""
