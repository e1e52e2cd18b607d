"""Lists of words and leaked passwords, kept as digests: small, sorted, searched by bisection.

A file of ``n`` words is ``n`` digests of 8 bytes, rising, little-endian; ``french.bin`` has as many
ranks of 2 bytes after them. README.md says what each holds, and from where.
"""

import sys
import unicodedata
from array import array
from bisect import bisect_left
from functools import cache
from hashlib import blake2b
from pathlib import Path

FOLDER = Path(__file__).parent
DIGEST_SIZE = 8


def fold(clear: str) -> str:
    """Write without case and accents: what nobody varies when guessing, and everybody forgets."""
    apart = unicodedata.normalize("NFKD", clear)
    bare = "".join(character for character in apart if not unicodedata.combining(character))
    return unicodedata.normalize("NFC", bare.casefold())


def digest(folded: str) -> int:
    """What stands in a file for a folded word."""
    name = blake2b(folded.encode("utf-8", "replace"), digest_size=DIGEST_SIZE)
    return int.from_bytes(name.digest(), "little")


class WordList:
    """One file, in memory: 8 to 10 bytes a word."""

    def __init__(self, content: bytes, *, ranked: bool) -> None:
        count = len(content) // (DIGEST_SIZE + 2 if ranked else DIGEST_SIZE)
        self._digests = array("Q", content[: count * DIGEST_SIZE])
        self._ranks = array("H", content[count * DIGEST_SIZE :])
        if sys.byteorder == "big":  # pragma: no cover
            self._digests.byteswap()
            self._ranks.byteswap()

    def __len__(self) -> int:
        return len(self._digests)

    def __contains__(self, folded: str) -> bool:
        return self._place(folded) is not None

    def rank(self, folded: str) -> int | None:
        """The rank of a word of a ranked list, from 1; None when it is not in it."""
        place = self._place(folded)
        return None if place is None else self._ranks[place]

    def _place(self, folded: str) -> int | None:
        wanted = digest(folded)
        place = bisect_left(self._digests, wanted)
        found = place < len(self._digests) and self._digests[place] == wanted
        return place if found else None


@cache
def leaked() -> WordList:
    """Leaked passwords, folded."""
    return WordList((FOLDER / "leaked.bin").read_bytes(), ranked=False)


@cache
def french() -> WordList:
    """French words and names, folded, with their ranks."""
    return WordList((FOLDER / "french.bin").read_bytes(), ranked=True)


@cache
def fund_words() -> tuple[str, ...]:
    """The words of the fund, commonest first."""
    lines = (FOLDER / "fund.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))
