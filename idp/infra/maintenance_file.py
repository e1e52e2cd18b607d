"""The file that an operator touches to close the service, and removes to open it."""

from datetime import datetime
from pathlib import Path

from idp.maintenance import Closure

LIMIT = 64


class MaintenanceFile:
    """Looked at anew by each request: no restart closes, none opens."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def closure(self) -> Closure | None:
        """Tell whether the service is closed; a file that cannot be read closes it all the same."""
        try:
            with self.path.open(encoding="utf-8") as file:
                text = file.read(LIMIT).strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnicodeDecodeError):
            return Closure()
        return Closure(_instant(text))


def _instant(text: str) -> datetime | None:
    """Read when it opens again: an ISO 8601 instant with its offset, or nothing that counts."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
