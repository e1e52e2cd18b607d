"""What a page shows of a mail address: enough for its owner, nothing for a stranger.

``jeandy@caisse.com`` becomes ``j***dy@c*****.com``. The counts of stars are constant: they say
nothing of lengths. Who does not exist is shown a decoy of the same shapes, made of a keyed hash and
the directory's own mix.
"""

import hashlib
import hmac
from collections.abc import Mapping

from idp.identity.contact import MailMixes
from idp.identity.dossier import Qualite
from idp.identity.rendezvous import draw

LOCAL_STARS = "***"
DOMAIN_STARS = "*****"
SHORT_LOCAL = 3
"""Local parts of so many characters show their first one only."""


def mask_email(address: str) -> str:
    """Mask an address; "" for what is none, since nothing can be sent there."""
    local, at, domain = address.rpartition("@")
    if not (at and local and domain and address.isprintable()):
        return ""
    last = "" if len(local) <= SHORT_LOCAL else local[-2:]
    return join_mask(lower(local[0]), lower(last), mask_domain(domain))


def mask_domain(domain: str) -> str:
    """Mask a domain: its first character and its last label. One label alone shows no label."""
    _, dot, last_label = domain.rpartition(".")
    return join_domain(domain[0], last_label if dot else "")


def join_domain(first: str, last_label: str) -> str:
    """Put a masked domain together; in lower case, as domains have none."""
    return lower(first) + DOMAIN_STARS + (f".{lower(last_label)}" if last_label else "")


def join_mask(first: str, last: str, masked_domain: str) -> str:
    """Put the fragments of a mask together."""
    return f"{first}{LOCAL_STARS}{last}@{masked_domain}"


def lower(fragment: str) -> str:
    """Lower case, one character for one: ``İ`` would become two and show a count."""
    return "".join(
        small if len(small := character.lower()) == 1 else character for character in fragment
    )


class Decoys:
    """The mask that a number would have if somebody had it."""

    def __init__(
        self, decoy_key: bytes, mixes: MailMixes, *, post_only_share: float | None
    ) -> None:
        """Make decoys.

        Args:
            decoy_key: never rotated: another key would change every decoy at once, and no mask of
                a person.
            mixes: the directory's mix of addresses.
            post_only_share: of decoys without an address, 0.0 to 1.0; None for the directory's own.
        """
        self._key = hashlib.blake2b(decoy_key, digest_size=32, person=b"mail decoys").digest()
        self._mixes = mixes
        self._post_only_share = post_only_share

    def contact_mask(self, subject: str, qualite: Qualite) -> str:
        """The mask of a subject (a keyed hash), or "" when it can be written to by post only.

        The same subject gets the same one as long as the mix stands, and nearly always when it
        shifts. Ask for it for everybody, known or not: it takes a millisecond or two.
        """
        mix = self._mixes.mail_mix(qualite)
        post_only = mix.post_only if self._post_only_share is None else self._post_only_share
        masked = self._draw(subject, "domain", mix.domains)
        first = self._draw(subject, "first", mix.firsts)
        last = self._draw(subject, "last", mix.lasts)
        side = self._draw(subject, "side", {"post": post_only, "mail": 1.0 - post_only})
        if side == "post" or not masked:
            return ""
        return join_mask(first, last, masked)

    def _draw(self, subject: str, part: str, weights: Mapping[str, float]) -> str:
        return draw(hmac.digest(self._key, f"{part}:{subject}".encode(), "sha256"), weights)
