"""Logos of services, beside the database: one checked drawing for each, served by us alone.

``logo_uri`` of a registration is an address of the service; a page that loaded it would tell that
service who is about to sign in. ``idp clients logo`` puts a copy here instead.
"""

import hashlib
from pathlib import Path

from idp.infra.drawings import harmless

SUFFIXES = (".svg", ".png")


class LogoFolder:
    """Looked at anew for each page: a logo is in force at once, wherever the folder is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, client_id: str) -> tuple[str, bytes] | None:
        """Give a service's logo: its suffix and its content."""
        for suffix in SUFFIXES:
            try:
                return suffix, self._path(client_id, suffix).read_bytes()
            except FileNotFoundError:
                continue
        return None

    def put(self, client_id: str, content: bytes) -> None:
        """Keep the logo, in the place of a former one.

        Raises:
            UnsafeDrawing: says what is wrong with it.
        """
        suffix, checked = harmless(content)
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self._path(client_id, ".part")
        part.write_bytes(checked)
        self.remove(client_id)
        part.replace(self._path(client_id, suffix))

    def remove(self, client_id: str) -> None:
        """Forget the logo."""
        for suffix in SUFFIXES:
            self._path(client_id, suffix).unlink(missing_ok=True)

    def _path(self, client_id: str, suffix: str) -> Path:
        # A client_id may hold what a file name may not.
        name = hashlib.sha256(client_id.encode("utf-8")).hexdigest()[:32]
        return self.folder / f"{name}{suffix}"
