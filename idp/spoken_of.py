"""Of whom a log line speaks: one word for all lines of one member, which tells nobody who it is.

Logs are read by more people than the audit log, and kept elsewhere. Who holds our secrets can tell
an account's word (``idp accounts show``), and from a line's request id the audit log leads back.
"""

import hmac
from collections.abc import Callable

from idp import logs
from idp.oidc.claims import Subject
from idp.oidc.claims import Subjects

_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


def word_of(decoy_key: bytes, account_id: str) -> str:
    """Give an account's word: 64 bits, in letters, which no net of the logs takes for a number."""
    spoken = hmac.digest(decoy_key, b"account in logs:" + account_id.encode(), "sha256")
    return spoken.hex()[:16].translate(_LETTERS)


def speaker(decoy_key: bytes) -> Callable[[str | None], None]:
    """Make what the parts of a request tell whom they have before them, or that it is nobody."""

    def speak_of(account_id: str | None) -> None:
        word = word_of(decoy_key, account_id or "")  # for nobody too: its time tells nothing
        if account_id is not None:
            logs.account.set(word)

    return speak_of


class SubjectsSpokenOf:
    """The port ``Subjects``, which tells of whom it is asked."""

    def __init__(self, subjects: Subjects, speak_of: Callable[[str | None], None]) -> None:
        self._subjects = subjects
        self._speak_of = speak_of

    def get(self, account_id: str) -> Subject | None:
        """Read one; None when the account is gone."""
        self._speak_of(account_id)
        return self._subjects.get(account_id)


def begin_request(request_id: str) -> None:
    """Begin the lines of another request, or of none: nobody is known yet."""
    logs.request_id.set(request_id)
    logs.account.set("")
