"""What FranceConnect holds of the service that is registered with it, and of itself.

An embedded start writes it to a file of its data folder; tests make one.
"""

import json
import os
import secrets
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

HABILITATION = frozenset(
    {
        *("openid", "identite_pivot", "profile", "birth", "given_name", "family_name", "gender"),
        *("birthdate", "birthplace", "birthcountry", "preferred_username", "email"),
    }
)
"""The scopes that the arrêté lets a service ask for, unless its registration says less."""


@dataclass(frozen=True, slots=True)
class Registration:
    """One service provider.

    Attributes:
        client_secret: for ``client_secret_post``; "" when it proves itself by a key.
        jwks: the public keys of ``private_key_jwt``; None when it has a secret.
        signed_response_alg: of id_token and userinfo: ``ES256`` or ``RS256``.
    """

    client_id: str
    client_name: str
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    client_secret: str = field(default="", repr=False)
    jwks: dict[str, Any] | None = None
    signed_response_alg: str = "ES256"
    scopes: frozenset[str] = HABILITATION


@dataclass(frozen=True, slots=True)
class Configuration:
    """The simulator's address, what makes its ``sub``, who may ask, and the key to sign with.

    Without a key in PEM one is drawn, and what was signed is unknown at the next start.
    """

    issuer: str
    pairwise_secret: str = field(repr=False)
    registration: Registration
    signing_key: str = field(default="", repr=False)

    @classmethod
    def read(cls, path: Path) -> "Configuration | None":
        """Read the file; None when it is not there or from another version."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            held = found["registration"]
            registration = Registration(
                **{
                    **held,
                    "redirect_uris": tuple(held["redirect_uris"]),
                    "post_logout_redirect_uris": tuple(held["post_logout_redirect_uris"]),
                    "scopes": frozenset(held["scopes"]),
                }
            )
            return cls(**{**found, "registration": registration})
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, path: Path) -> None:
        """Write it for its owner alone, in one step."""
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        written = asdict(self)
        written["registration"]["scopes"] = sorted(self.registration.scopes)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(written, file, indent=2)
        part.replace(path)


def drawn_secret() -> str:
    """Draw what nobody guesses: the client's secret, and what ``sub`` is made with."""
    return secrets.token_hex(32)
