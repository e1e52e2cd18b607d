"""Which claims a scope gives, of whom, and under which ``sub``.

The list is closed: a claim that is not written here reaches no service, and nothing of the subject
can take the name of a registered claim (authlib.md, trap 4).
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from idp.oidc.clients import Client

SCOPES = ("openid", "profile", "email", "address", "phone", "dossier", "offline_access")

CLAIMS_OF = {
    "profile": (
        "name", "family_name", "given_name", "middle_name", "gender", "birthdate", "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
    "dossier": ("qualite", "numero_dossier", "situations"),
}  # fmt: skip
"""What each scope opens, whole or claim by claim (``claims_request``). Of the fourteen claims of
``profile``, those that the directory knows: docs/adr/0019-claims-one-by-one.md says why no other.
"""

ClaimValue = str | bool | int | list[str] | dict[str, str]

_FRENCH_PHONE = re.compile(r"(?:(?:\+33|0033)0?|0)([1-9][0-9]{8})")
_OVERSEAS = {
    "590": "590", "690": "590", "691": "590",  # Guadeloupe, Saint-Martin, Saint-Barthélemy
    "594": "594", "694": "594",  # Guyane
    "596": "596", "696": "596", "697": "596",  # Martinique
    "262": "262", "263": "262", "692": "262", "693": "262", "269": "262",
    "639": "262",  # this and the line above: La Réunion and Mayotte
}  # fmt: skip
"""Country code by the first digits of a national number: +33 does not reach these."""

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_TOWN = re.compile(r"([0-9]{5}) (.+)")
_FOREIGN_TOWN = re.compile(r"([0-9]{4,5}) (.+)")  # four digits: a street, unless a country follows
_HAS_DIGIT = re.compile(r"[0-9]")


@dataclass(frozen=True, slots=True)
class Subject:
    """The person a token speaks of, as the directory and the account know them.

    Attributes:
        signs_in: False for a closed or deceased dossier: no token, no userinfo.
        birthdate: ``YYYY-MM-DD``, with ``00`` where unknown, or "".
        address: the six postal lines; the first names the recipient.
    """

    account_id: str
    credential_version: int
    signs_in: bool
    qualite: str
    numero_dossier: str
    situations: tuple[str, ...]
    family_name: str
    usage_name: str
    given_names: str
    gender: str
    birthdate: str
    email: str
    email_verified: bool
    phone: str
    address: tuple[str, ...]
    updated_at: datetime

    def stands_behind(self, credential_version: int) -> bool:
        """Tell whether a sign-in still holds: dossier open, password not changed since."""
        return self.signs_in and self.credential_version == credential_version


class Subjects(Protocol):
    """Where subjects are read."""

    def get(self, account_id: str) -> Subject | None:
        """Read one; None when the account is gone."""


def sub_of(account_id: str, client: Client, pairwise_salt: bytes) -> str:
    """Derive the ``sub`` a client sees: its sector's own, or the public one where registered.

    Spec: OIDC Core 1.0 §8.
    """
    if client.subject_type == "public":
        return account_id
    return _keyed(pairwise_salt, "sub", client.sector, account_id)


def sid_of(session_key: str, client: Client, pairwise_salt: bytes) -> str:
    """Derive the ``sid`` a client sees: its own, so that no two services can join users by it.

    Spec: OIDC Front-Channel Logout 1.0 §3.
    """
    return _keyed(pairwise_salt, "sid", client.client_id, session_key)


def claims_within(scope: Iterable[str]) -> frozenset[str]:
    """Name the claims of the person that these scopes open."""
    return frozenset(claim for name in scope for claim in CLAIMS_OF.get(name, ()))


def token_claims(subject: Subject, scope: Iterable[str]) -> dict[str, ClaimValue]:
    """Give what ID token and access token say of the person: with ``dossier``, the qualité."""
    return {"qualite": subject.qualite} if "dossier" in scope else {}


def id_token_claims(
    subject: Subject, scope: Iterable[str], asked: Iterable[str]
) -> dict[str, ClaimValue]:
    """Give what an ID token says of the person: as every token, and what was asked for by name.

    Spec: OIDC Core 1.0 §5.5.
    """
    return {**token_claims(subject, scope), **userinfo_claims(subject, (), asked)}


def userinfo_claims(
    subject: Subject, scope: Iterable[str], asked: Iterable[str] = ()
) -> dict[str, ClaimValue]:
    """Give the claims of ``scope`` and those asked for by name; without a value, one is absent.

    Spec: OIDC Core 1.0 §5.1, §5.3.2, §5.4, §5.5.
    """
    scopes, names = frozenset(scope), frozenset(asked)
    claims: dict[str, ClaimValue] = {}
    for name, told in _TOLD.items():
        if name in scopes:
            claims |= told(subject)
        elif names.intersection(CLAIMS_OF[name]):
            claims |= {claim: value for claim, value in told(subject).items() if claim in names}
    return claims


def _profile(subject: Subject) -> dict[str, ClaimValue]:
    first, _, others = subject.given_names.partition(" ")
    family = subject.usage_name or subject.family_name
    values: dict[str, ClaimValue] = {
        "name": f"{first} {family}".strip(),
        "family_name": family,
        "given_name": first,
        "middle_name": others,
        "gender": subject.gender,
        "birthdate": _birthdate(subject.birthdate),
        "updated_at": int(subject.updated_at.timestamp()),
    }
    return {name: value for name, value in values.items() if value}


def _email(subject: Subject) -> dict[str, ClaimValue]:
    if not subject.email:
        return {}
    return {"email": subject.email, "email_verified": subject.email_verified}


def _phone(subject: Subject) -> dict[str, ClaimValue]:
    number = _e164(subject.phone)
    # False is true: the number is the import's, and nobody has called it.
    return {"phone_number": number, "phone_number_verified": False} if number else {}


def _postal(subject: Subject) -> dict[str, ClaimValue]:
    address = _address(subject.address)
    return {"address": address} if address else {}


def _dossier(subject: Subject) -> dict[str, ClaimValue]:
    return {
        "qualite": subject.qualite,
        "numero_dossier": subject.numero_dossier,
        "situations": list(subject.situations),
    }


_TOLD: dict[str, Callable[[Subject], dict[str, ClaimValue]]] = {
    "profile": _profile,
    "email": _email,
    "address": _postal,
    "phone": _phone,
    "dossier": _dossier,
}


def _birthdate(birthdate: str) -> str:
    # A date whose month or day is unknown is told as its year: OIDC knows no other partial date.
    return birthdate[:4] if "-00" in birthdate else birthdate


def _e164(phone: str) -> str:
    compact = re.sub(r"[\s.()-]", "", phone)
    if match := _FRENCH_PHONE.fullmatch(compact):
        national = match.group(1)
        return f"+{_OVERSEAS.get(national[:3], '33')}{national}"
    if compact.startswith("+33"):
        return ""
    return compact if _E164.fullmatch(compact) else ""


def _address(lines: tuple[str, ...]) -> dict[str, str]:
    """Tell the lines without the recipient's; town and country where the last lines say them."""
    kept = [line for line in lines[1:] if line]
    if not kept:
        return {}
    address = {"formatted": "\n".join(kept)}
    rest, town = list(kept), _TOWN
    if len(rest) > 1 and not _HAS_DIGIT.search(rest[-1]) and _FOREIGN_TOWN.fullmatch(rest[-2]):
        address["country"] = rest.pop()
        town = _FOREIGN_TOWN
    if match := town.fullmatch(rest[-1]):
        address |= {"postal_code": match.group(1), "locality": match.group(2)}
        rest.pop()
    if rest:
        address["street_address"] = "\n".join(rest)
    return address


def _keyed(salt: bytes, purpose: str, *parts: str) -> str:
    text = "\x1f".join((purpose, *parts)).encode()
    return urlsafe_b64encode(hmac.digest(salt, text, "sha256")).rstrip(b"=").decode("ascii")
