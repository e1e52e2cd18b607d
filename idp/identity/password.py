"""Hash and verify passwords: ours (Argon2id over a peppered password) and those of the old system.

A scheme is one word that names algorithm and cost: ``ours:m=19456,t=2,p=1``,
``argon2id:m=65536,t=3,p=4``, ``bcrypt:12``. Two hashes of one scheme cost the same to verify, which
is what a decoy needs: an unknown number is verified against a hash of the scheme that such an
account would have.
"""

import hashlib
import hmac
import re
import secrets
import unicodedata
from base64 import b64decode
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import argon2
import bcrypt
from argon2.exceptions import HashingError
from argon2.exceptions import InvalidHashError
from argon2.exceptions import VerificationError

from idp import Busy
from idp import IdpError
from idp.identity.dossier import Qualite
from idp.identity.rendezvous import draw

OURS = "ours:"
"""How every scheme of ours begins: peppered, and never read by an import again."""

PASSWORD_LIMIT = 256
"""Characters; more is refused before hashing, so that no one buys CPU with a long field."""

IMPORT_MEMORY_KIB = 128 * 1024
IMPORT_PASSES = 4
IMPORT_LANES = 16
IMPORT_BCRYPT_COST = 12
_BCRYPT_BYTES = 72  # what bcrypt ever read; its library refuses more since 5.0

_ARGON2ID = re.compile(
    r"\$argon2id\$v=19\$m=([1-9][0-9]{0,9}),t=([1-9][0-9]{0,9}),p=([1-9][0-9]{0,9})"
    r"\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,171})"
)
# The last letter of the salt and of the digest hold spare bits, which every bcrypt writes as zero;
# another value there never verifies.
_BCRYPT = re.compile(
    r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]"
)
_EXHAUSTED = frozenset({"Memory allocation error", "Threading failure"})  # Argon2's own words
_BCRYPT_BASE64 = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
)


class UnusablePasswordHash(IdpError):
    """An imported hash that is not of a scheme, or above a cost, that sign-in accepts."""

    code = "unusable_password_hash"


class PasswordTooLong(IdpError):
    """More than PASSWORD_LIMIT characters: told to the person, never hashed."""

    code = "password_too_long"


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """A stored hash: ``scheme`` as in the module's docstring, ``phc`` its library's string."""

    scheme: str
    phc: str

    @property
    def imported(self) -> bool:
        """True for a hash of the old system: no pepper in it."""
        return not self.scheme.startswith(OURS)

    def __repr__(self) -> str:
        return f"PasswordHash({self.scheme})"


def parse_imported(text: str) -> PasswordHash:
    """Read a hash of the old system, within the costs that one sign-in may take.

    Raises:
        UnusablePasswordHash: another format, or a cost above the cap; the text names the cap, not
            the hash.
    """
    if (match := _ARGON2ID.fullmatch(text)) and _decodes(match.group(4), match.group(5)):
        memory, passes, lanes = (int(group) for group in match.groups()[:3])
        if memory > IMPORT_MEMORY_KIB:
            raise UnusablePasswordHash(f"m={memory}, {IMPORT_MEMORY_KIB} (128 MiB) at most")
        if passes > IMPORT_PASSES:
            raise UnusablePasswordHash(f"t={passes}, {IMPORT_PASSES} at most")
        if lanes > IMPORT_LANES or memory < 8 * lanes:
            raise UnusablePasswordHash(
                f"p={lanes}, {IMPORT_LANES} at most and m at least 8 times p"
            )
        return PasswordHash(f"argon2id:m={memory},t={passes},p={lanes}", text)
    if match := _BCRYPT.fullmatch(text):
        cost = int(match.group(1))
        if not 4 <= cost <= IMPORT_BCRYPT_COST:
            raise UnusablePasswordHash(f"bcrypt cost {cost}, 4 to {IMPORT_BCRYPT_COST} expected")
        return PasswordHash(f"bcrypt:{cost}", text)
    raise UnusablePasswordHash("not an Argon2id PHC or bcrypt string")


class SchemeMix(Protocol):
    """How many accounts use each scheme, for decoys that follow the directory."""

    def scheme_counts(self, qualite: Qualite) -> Mapping[str, int]:
        """Count the accounts of one qualité by scheme; up to an hour old, an import aside."""


@dataclass(frozen=True, slots=True)
class Argon2Cost:
    """The cost of a hash of ours. ``memory_kib`` in KiB."""

    memory_kib: int = 19_456
    passes: int = 2

    @property
    def scheme(self) -> str:
        """The scheme of hashes made at this cost."""
        return f"{OURS}m={self.memory_kib},t={self.passes},p=1"


class Passwords:
    """Hashing and verification with the fund's pepper, and decoys for those who do not exist."""

    def __init__(
        self, *, pepper: bytes, decoy_key: bytes, cost: Argon2Cost, mix: SchemeMix
    ) -> None:
        self._pepper = pepper
        self._decoy_key = decoy_key
        self._cost = cost
        self._mix = mix
        self._argon2 = argon2.PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=1
        )

    def hash(self, clear: str) -> PasswordHash:
        """Hash at today's cost: 16-byte salt, pepper outside the database.

        Raises:
            Busy: its memory could not be had.
        """
        try:
            return PasswordHash(self._cost.scheme, self._argon2.hash(self._peppered(clear)))
        except HashingError as error:
            raise Busy(f"password hashing: {error}") from None

    def verify(self, stored: PasswordHash, clear: str) -> bool:
        """Verify once, at the cost of ``stored.scheme`` whatever the outcome.

        Raises:
            PasswordTooLong: nothing was hashed.
            Busy: its memory could not be had, which is no verdict.
        """
        if len(clear) > PASSWORD_LIMIT:
            raise PasswordTooLong
        if stored.scheme.startswith("bcrypt:"):
            return _verify_bcrypt(stored.phc, clear)
        secret = self._peppered(clear) if not stored.imported else _as_typed(clear)
        try:
            return self._argon2.verify(stored.phc, secret)
        except InvalidHashError:
            return False
        except VerificationError as error:
            if str(error) in _EXHAUSTED:
                raise Busy(f"password hashing: {error}") from None
            return False

    def outdated(self, stored: PasswordHash) -> bool:
        """Tell whether a verified hash should be replaced by one of today's cost."""
        return stored.scheme != self._cost.scheme

    def temporary_decoy(self) -> PasswordHash:
        """Make a hash that nothing matches, at the cost of a temporary password's."""
        return PasswordHash(self._cost.scheme, _unmatchable(self._cost.scheme))

    def decoy(self, subject: str, qualite: Qualite) -> PasswordHash:
        """Make the hash that an account of this name would have; no password matches it.

        As sign-ins replace imported hashes, a known number only ever moves from its imported scheme
        to ours, and so does an unknown one: never back, never from bcrypt to Argon2id or the other
        way. What remains: where one family was imported at several costs, a cost that shrinks
        faster than its sisters leaves them the few decoys that the new proportion forces.

        Args:
            subject: the keyed hash of qualité and number.
            qualite: whose mix of schemes it follows.
        """
        families: dict[str, dict[str, int]] = {"argon2id:": {}, OURS: {}, "bcrypt:": {}}
        for scheme, count in self._mix.scheme_counts(qualite).items():
            if count > 0:
                families["".join(scheme.partition(":")[:2])][scheme] = count
        seed = hmac.digest(self._decoy_key, b"decoy:" + subject.encode(), "sha256")
        accounts = sum(map(sum, map(dict.values, families.values())))
        place = int.from_bytes(seed[:8], "big") * accounts >> 64
        drawn = self._cost.scheme
        # Ours in the middle: what the families at both ends lose, it gains.
        for schemes in families.values():
            if 0 <= place < sum(schemes.values()):
                drawn = draw(seed[8:], schemes)
            place -= sum(schemes.values())
        return PasswordHash(drawn, _unmatchable(drawn))

    def _peppered(self, clear: str) -> bytes:
        normal = unicodedata.normalize("NFC", clear).encode("utf-8", "surrogatepass")
        return b64encode(hmac.digest(self._pepper, normal, hashlib.sha256))


def _decodes(*parts: str) -> bool:
    """Tell whether these are Base64 as Argon2 reads it: no padding, spare bits zero."""
    for part in parts:
        if len(part) % 4 == 1:
            return False
        decoded = b64decode(part + "=" * (-len(part) % 4))
        if b64encode(decoded).decode("ascii").rstrip("=") != part:
            return False
    return True


def _as_typed(clear: str) -> bytes:
    return unicodedata.normalize("NFC", clear).encode("utf-8", "surrogatepass")


def _verify_bcrypt(phc: str, clear: str) -> bool:
    # Old systems cut the password at 72 bytes and at a NUL; the library of today refuses both.
    secret = _as_typed(clear).partition(b"\0")[0][:_BCRYPT_BYTES]
    try:
        return bcrypt.checkpw(secret, phc.encode("ascii"))
    except ValueError:
        return False


def _unmatchable(scheme: str) -> str:
    """Write a hash of random digest: verifying it does all the work and always says no."""
    kind, _, cost = scheme.partition(":")
    if kind == "bcrypt":
        letters = b64encode(secrets.token_bytes(39)).decode().translate(_BCRYPT_BASE64)
        # 22 letters hold 128 bits of salt in 132, 31 hold 184 bits of digest in 186: the spare bits
        # are zero.
        return f"$2b${int(cost):02d}${letters[:21]}.{letters[22:52]}."
    salt = b64encode(secrets.token_bytes(16)).decode().rstrip("=")
    digest = b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    return f"$argon2id$v=19${cost}${salt}${digest}"
