"""What the demo services know of themselves and of the identity provider: ``data/demo.json``.

And where the provider hands its mails over: to the local mailbox, whatever their recipient.
"""

import json
import os
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

MAIL_FROM = "ne-pas-repondre@caisse.example"
REPLY_TO = "assistance@caisse.example"


def mail_settings(smtp_port: int) -> dict[str, str]:
    """The provider's settings for mail and letters."""
    return {
        "IDP_SMTP_HOST": "127.0.0.1",
        "IDP_SMTP_PORT": str(smtp_port),
        "IDP_SMTP_SECURITY": "none",
        "IDP_MAIL_FROM": MAIL_FROM,
        "IDP_MAIL_REPLY_TO": REPLY_TO,
        "IDP_LETTER_SENDER": "Caisse de démonstration|6 place de l’Exemple|78000 VERSAILLES",
        "IDP_LETTER_PLACE": "Versailles",
    }


@dataclass(frozen=True, slots=True)
class DemoClient:
    """One relying service as registered."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DemoConfiguration:
    """The two services, by the name in their addresses."""

    issuer: str
    origin: str
    clients: dict[str, DemoClient]

    @classmethod
    def read(cls, path: Path) -> "DemoConfiguration | None":
        """Read the file; None when it is not there or from another version."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            clients = {name: DemoClient(**client) for name, client in found["clients"].items()}
            return cls(issuer=found["issuer"], origin=found["origin"], clients=clients)
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, path: Path) -> None:
        """Write it for its owner alone, in one step."""
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(self), file, indent=2)
        part.replace(path)
