"""What an operator types freely and the audit log keeps: a reason, a name.

A guard against a slip of the hand, not against an operator who wants to write a number in words.
"""

import re
import unicodedata

from idp.identity.temporary_password import channel_of

DIGITS = 7
"""As many as the shortest dossier number has; a telephone number has more."""

_DATE = re.compile(r"(?<!\d)(?:0[1-9]|[12]\d|3[01])/(?:0[1-9]|1[0-2])/(?:19|20)\d\d(?!\d)")
"""Eight digits, which no dossier number has: a reason may say when somebody called."""

_ADDRESS = re.compile(
    r"@|[(\[{<]\s*(?:at|a|à)\s*[)\]}>]|\b(?:at|arobas\w*)\b|\.(?:fr|com|eu|net|org)\b"
)
_WRITTEN = re.compile(
    r"(?<!\w)(?=(\w{4}\W{0,5}\w{4}\W{0,5}\w{4})(?!\w))|(?<!\w)(?=((?:\w\W{1,3}){11}\w)(?!\w))"
)
"""Twelve symbols as people copy a temporary password, in groups or one by one; its check symbol
tells it from words."""


def holds_what_no_log_may(text: str) -> bool:
    """Tell whether a text holds a long number, a mail address, or a temporary password.

    The digits of the whole text are counted, whatever stands between them: ``1204/816`` is a
    dossier number as well.
    """
    folded = unicodedata.normalize("NFKC", text).lower()
    digits = sum(character.isnumeric() for character in _DATE.sub("", folded))
    if digits >= DIGITS or _ADDRESS.search(folded):
        return True
    written = (found.group(1) or found.group(2) for found in _WRITTEN.finditer(folded))
    return any(channel_of(re.sub(r"\W", "", symbols)) for symbols in written)
